"""Where learning from films joins the training loop."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.errors import TrainingError
from spml_core.labeling.refinement import Refinement
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import FeatureCache
from spml_core.training.checkpoint import Checkpoint
from spml_core.training.events import Event, StageProgress
from spml_core.training.preparation import Prepared
from spml_core.training.pulse import Pulse, StoppedEarlyError
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingSet
from spml_core.video.clip_flows import ClipFlows
from spml_core.video.clip_lessons import ClipLessons, TaughtFrame, taught_frames
from spml_core.video.film_lessons import FilmLessons
from spml_core.video.film_links import link_frames
from spml_core.video.film_training import learn_from_films, read_films

_UNTIL = 0.95  # share of the time budget after which the films' own fits have to end
_TEACHER = "teacher"


class FilmStage:
    """Does nothing where the settings don't ask for films.

    Parameters
    ----------
    config : TrainConfig
    clock : Clock
    pulse : Pulse
    """

    def __init__(self, config: TrainConfig, clock: Clock, pulse: Pulse) -> None:
        self._config = config
        self._clock = clock
        self._pulse = pulse
        self._flows: tuple[ClipFlows, ...] = ()
        self._lessons: FilmLessons | ClipLessons | None = None

    def join(self, training_set: TrainingSet) -> Generator[Event, None, TrainingSet]:
        """The training set with the frames of its clips among the pictures.

        Raises
        ------
        TrainingError
            If there is no film to learn from.
        StoppedEarlyError
            If training is to end at once.
        """
        if not self._config.video:
            return training_set
        found = yield from read_films(training_set, self._config, self._clock, self._pulse)
        self._flows = found.flows
        return found.training_set

    def learn(
        self, network: SegmentationNetwork, prepared: Prepared, checkpoint: Checkpoint | None
    ) -> Generator[Event, None, Prepared]:
        """Learn from the films' frames in the cache, or take up again what a checkpoint has learned from them.

        Raises
        ------
        TrainingError
            If the frames aren't those of the checkpoint.
        """
        if not self._config.video:
            return prepared
        flows, self._flows = self._flows, ()  # large, and not needed any longer where nothing is fine-tuned
        if checkpoint is not None:
            known = checkpoint.part("films")
            if self._config.fine_tune and known:
                yield from self._go_through(network, known, flows)
            else:
                self._go_on(network, prepared, known.get(_TEACHER), flows)
            return prepared
        frames = link_frames(prepared.cache, flows, network.pyramid.stride)
        if not frames or prepared.cut_short:
            return prepared
        with suppress(StoppedEarlyError):  # the network is usable
            lessons = yield from learn_from_films(
                network, prepared.cache, frames, self._config, self._clock, self._pulse, self._keep_going
            )
            if self._config.fine_tune:
                yield from self._go_through(network, network.state_dict(), flows)
            else:
                self._lessons = self._with_colors(lessons, network, prepared.cache)
        return replace(prepared, cut_short=not self._pulse.beat())

    def _go_on(
        self,
        network: SegmentationNetwork,
        prepared: Prepared,
        teacher: Tensor | None,
        flows: tuple[ClipFlows, ...],
    ) -> None:
        """Take up what a checkpoint has learned on fixed features."""
        cache = prepared.cache
        frames = link_frames(cache, flows, network.pyramid.stride)
        cells = sum(len(cache.in_order[frame.place].sample) for frame in frames)
        if teacher is None or len(teacher) != cells:
            if prepared.changed or not frames:
                return  # marks have changed: the lessons no longer fit
            raise TrainingError(
                "The films aren't those that this training was stopped with, so it can't go on exactly.",
                "Train without --resume to learn from them.",
            )
        self._lessons = self._with_colors(FilmLessons.of_tensor(frames, cache, teacher), network, cache)
        self.forget(prepared.changed, cache)

    def _with_colors(
        self, lessons: FilmLessons, network: SegmentationNetwork, cache: FeatureCache
    ) -> FilmLessons:
        return lessons.with_colors(cache, network.pyramid.stride) if self._config.cut else lessons

    def _go_through(
        self, network: SegmentationNetwork, state: dict[str, Tensor], flows: tuple[ClipFlows, ...]
    ) -> Generator[Event, None, None]:
        """Let a frozen teacher with this state go through the films, for a student that is fine-tuned on crops."""
        teacher = copy.deepcopy(network).requires_grad_(False)
        teacher.load_state_dict(state)
        total = sum(len(of.clip.frames) for of in flows)
        frames: list[TaughtFrame] = []
        for frame in taught_frames(teacher, flows, self._config):
            frames.append(frame)
            yield StageProgress("teacher", len(frames), total, max(0.0, self._clock.left))
            self._pulse.check()
            if not self._keep_going():
                break
        self._lessons = ClipLessons(teacher, tuple(frames))

    def _keep_going(self) -> bool:
        return self._pulse.beat() and self._clock.spent < _UNTIL * self._clock.budget

    def refinement(self, usual: Refinement) -> Refinement:
        """How the model's answers are refined.

        The student of films has learned what the regions' vote makes of its teacher. Voting once more gains little,
        and regions that change from frame to frame make it flicker. Where colours help they still need their regions.
        """
        if self._lessons is None or usual.color_strength > 0:
            return usual
        return replace(usual, regions=(), fine_regions=0)

    def forget(self, names: Sequence[str], cache: FeatureCache) -> None:
        """Leave out frames whose marks have changed: their cells are others now."""
        if isinstance(self._lessons, FilmLessons):  # crops look at the marks as they are
            self._lessons = self._lessons.without([cache.place(name) for name in names])

    def terms(
        self, network: SegmentationNetwork, cache: FeatureCache, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Loss terms of a step, unweighted; none without films."""
        if self._lessons is None or not self._lessons.frames:
            return {}
        return self._lessons.terms(network, cache, self._config, rng)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs."""
        if isinstance(self._lessons, ClipLessons):
            state = self._lessons.teacher.state_dict()
            return {name: tensor.cpu().contiguous() for name, tensor in state.items()}
        return {} if self._lessons is None else {_TEACHER: self._lessons.tensor}
