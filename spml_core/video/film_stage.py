"""Where learning from films joins the training loop."""

from __future__ import annotations

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
from spml_core.training.events import Event
from spml_core.training.preparation import Prepared
from spml_core.training.pulse import Pulse, StoppedEarlyError
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingSet
from spml_core.video.clip_flows import ClipFlows
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
        self._lessons: FilmLessons | None = None

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
        cache = prepared.cache
        frames = link_frames(cache, self._flows, network.pyramid.stride)
        self._flows = ()  # no longer needed, and large
        if not frames:
            return prepared
        if checkpoint is not None:
            teacher = checkpoint.part("films").get(_TEACHER)
            cells = sum(len(cache.in_order[frame.place].sample) for frame in frames)
            if teacher is None or len(teacher) != cells:
                if prepared.changed:
                    return prepared  # marks have changed: the lessons no longer fit
                raise TrainingError(
                    "The films aren't those that this training was stopped with, so it can't go on exactly.",
                    "Train without --resume to learn from them.",
                )
            self._lessons = FilmLessons.of_tensor(frames, cache, teacher)
            self.forget(prepared.changed, cache)
            return prepared
        if prepared.cut_short:
            return prepared
        with suppress(StoppedEarlyError):  # the network is usable
            self._lessons = yield from learn_from_films(
                network, cache, frames, self._config, self._clock, self._pulse, self._keep_going
            )
        return replace(prepared, cut_short=not self._pulse.beat())

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
        if self._lessons is not None:
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
        return {} if self._lessons is None else {_TEACHER: self._lessons.tensor}
