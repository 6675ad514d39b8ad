"""Learning from films: marks carried to all frames, a teacher refined along the flow, and a student of single frames.

The features of frames are fixed in the cache, so the student, a linear classifier on them, is found by L-BFGS: the
minimum of WeClick's and ETC's main terms over all frames at once. The learning steps that follow go on from there, with
all terms (:mod:`spml_core.video.film_lessons`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import FeatureCache
from spml_core.training.classifier import LinearClassifier
from spml_core.training.events import Event, StageProgress
from spml_core.training.pseudo_labels import vote_among_samples
from spml_core.training.pulse import Pulse
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingSet, check_clips
from spml_core.video.clip_flows import ClipFlows, with_carried_marks
from spml_core.video.film_lessons import FilmLessons, fused
from spml_core.video.film_links import FilmFrame
from spml_core.video.flow import build_flow
from spml_core.video.soft_fitting import fit_soft, flow_scatter

_ROUNDS = 2  # in which student becomes teacher
_MOST_CELLS = 40_000  # that a fit learns from
_MARKS_WEIGHT = 0.3  # of all marked cells against all taught ones
_SHARPNESS = 2  # power of the teacher's probabilities; less, and every round blurs them
_MOST_PAIRS = 20_000  # cells that are followed along the flow, in a fit
_STEADINESS = (
    0.5  # of the fit's quadratic term for each 1 of the setting: logits differ more than probabilities
)


@dataclass(frozen=True)
class FilmSet:
    """A training set whose films' frames have joined the pictures, and the flow between them."""

    training_set: TrainingSet
    flows: tuple[ClipFlows, ...]


def read_films(
    training_set: TrainingSet, config: TrainConfig, clock: Clock, pulse: Pulse
) -> Generator[Event, None, FilmSet]:
    """Compute the flow of all clips, and let their frames join the pictures with the marks that are carried there.

    Raises
    ------
    TrainingError
        If there is no clip with a second frame.
    StoppedEarlyError
        If training is to end at once.
    """
    check_clips(training_set)
    estimator = build_flow(config.flow, device=config.device)
    total = sum(len(clip.frames) for clip in training_set.clips)
    flows: list[ClipFlows] = []
    done = 0
    by_name = {picture.name: picture for picture in training_set.pictures}
    for clip in training_set.clips:
        clip_flows = ClipFlows(clip)
        yield StageProgress("flow", done, total, max(0.0, clock.left))
        for _ in clip_flows.read(estimator, config.video_frames):
            pulse.check()
            done += 1
            yield StageProgress("flow", done, total, max(0.0, clock.left))
        flows.append(clip_flows)
        for frame in with_carried_marks(clip_flows, training_set.num_classes):
            if frame.name not in by_name or not by_name[frame.name].marked:
                by_name[frame.name] = frame
    return FilmSet(replace(training_set, pictures=tuple(by_name.values())), tuple(flows))


def learn_from_films(
    network: SegmentationNetwork,
    cache: FeatureCache,
    frames: Sequence[FilmFrame],
    config: TrainConfig,
    clock: Clock,
    pulse: Pulse,
    keep_going: Callable[[], bool],
) -> Generator[Event, None, FilmLessons]:
    """Let the network learn from all frames of films what its teacher makes of them.

    WeClick: the first teacher reads the backbone's middle levels alone, which tell where a thing ends better than the
    deepest ones; regions vote on its answers, and neighbouring frames join in along the flow (M_k and the frame's own).
    The student that follows it reads all levels and is the next round's teacher. ETC alone: the teacher is the network
    as it is, with the regions' vote. In both, ETC's temporal loss is part of the fit.

    Parameters
    ----------
    network : SegmentationNetwork
        Trained by the weak scheme.
    cache : FeatureCache
        Frames' cells get the last teacher's sure answers as pseudo labels.
    frames : sequence of FilmFrame
        One at least.
    config : TrainConfig
    clock : Clock
    pulse : Pulse
    keep_going : callable
        Asked between steps; once it says no, the best so far stays.

    Raises
    ------
    StoppedEarlyError
        If training is to end at once; the network is usable.
    """
    data = _FitData.of(network, cache, frames, config)
    teacher = LinearClassifier.of(network)
    rounds = _ROUNDS if config.learns_from_neighbors else 1
    if config.learns_from_neighbors:
        teacher = data.fit_middle_levels(keep_going)
    targets: dict[int, Tensor] = {}
    for number in range(rounds):
        yield StageProgress("film", number, rounds, max(0.0, clock.left))
        pulse.check()
        own = {f.place: _answer(network, cache, f.place, teacher) for f in frames}
        targets = own
        if config.learns_from_neighbors:
            targets = {f.place: _with_neighbors(f, own) for f in frames}
        student = data.fit(targets, LinearClassifier.of(network), keep_going)
        student.put_into(network)
        pulse.show_network()
        if number + 1 < rounds and not keep_going():
            break
        teacher = student
    if config.learns_from_neighbors:
        _teach(cache, targets, network.num_classes, config.confidence)
    return FilmLessons(tuple(frames), {place: maps.half() for place, maps in targets.items()})


def _answer(
    network: SegmentationNetwork, cache: FeatureCache, place: int, teacher: LinearClassifier
) -> Tensor:
    """The teacher's probabilities (n, K) of a frame's cells, after the regions' vote."""
    sample = cache.in_order[place].sample
    features = network.standardise(sample.features.to(network.device).float())
    plain = torch.softmax(features @ teacher.weight.T + teacher.bias, 1).cpu()
    return torch.from_numpy(vote_among_samples(sample, plain.numpy()).astype(np.float32))


def _with_neighbors(frame: FilmFrame, maps: dict[int, Tensor]) -> Tensor:
    """A frame's own map and those of its neighbours together, sharpened."""
    own = maps[frame.place]
    memory, _ = fused(frame.links, maps, len(own))
    trust = sum((link.validity for link in frame.links), torch.zeros(len(own)))[:, None]
    mixed = (own + trust * memory) / (1 + trust)
    sharp = mixed**_SHARPNESS
    return sharp / sharp.sum(1, keepdim=True)


def _teach(cache: FeatureCache, targets: dict[int, Tensor], num_classes: int, confidence: float) -> None:
    """Let unmarked cells of films carry what their teacher is sure of."""
    for place, target in targets.items():
        cached = cache.in_order[place]
        sure, answer = target.max(1)
        open_ = cached.sample.labels == num_classes
        answer = torch.where((sure > confidence) & cached.sample.drawn, answer, num_classes)
        cache.set(place, cached.with_labels(torch.where(open_, answer, cached.sample.labels)))


@dataclass(frozen=True)
class _FitData:
    """Cells that the fits learn from: drawn ones of films, and all marked ones.

    Attributes
    ----------
    taught : dict of int to Tensor
        Rows taken of each frame, by its place.
    features : Tensor, (n + m, C)
        Standardised, the marked cells after the taught ones.
    marks : Tensor, (m,) int64
    scatter : Tensor, (C, C), or None
        Where steadiness counts.
    """

    network: SegmentationNetwork
    config: TrainConfig
    taught: dict[int, Tensor]
    features: Tensor
    marks: Tensor
    scatter: Tensor | None

    @classmethod
    def of(
        cls,
        network: SegmentationNetwork,
        cache: FeatureCache,
        frames: Sequence[FilmFrame],
        config: TrainConfig,
    ) -> _FitData:
        generator = torch.Generator().manual_seed(config.seed)
        each = max(1, _MOST_CELLS // len(frames))
        taught = {}
        for frame in frames:
            rows = cache.in_order[frame.place].sample.drawn.nonzero()[:, 0]
            taught[frame.place] = rows[torch.randperm(len(rows), generator=generator)[:each]].sort().values
        parts = [cache.in_order[place].sample.features[rows] for place, rows in taught.items()]
        marks = []
        for cached in cache.in_order:
            known = cached.sample.labels < network.num_classes
            parts.append(cached.sample.features[known])
            marks.append(cached.sample.labels[known])
        features = network.standardise(torch.cat(parts).to(network.device).float())
        scatter = _scatter(network, cache, frames) if config.learns_steadiness else None
        return cls(network, config, taught, features, torch.cat(marks).to(network.device), scatter)

    def fit(
        self, targets: dict[int, Tensor], start: LinearClassifier, keep_going: Callable[[], bool]
    ) -> LinearClassifier:
        """The student that follows the targets (n, K) of the frames and the marks."""
        aims = torch.cat([targets[place][rows] for place, rows in self.taught.items()])
        both = torch.cat([aims.to(self.marks.device), self._marked()])
        weights = torch.cat(
            [
                torch.full((len(aims),), 1 / max(1, len(aims)), device=both.device),
                _MARKS_WEIGHT * self._balance(),
            ]
        )
        found = fit_soft(
            self.features,
            both,
            weights,
            start=start,
            scatter=self.scatter,
            steadiness=_STEADINESS * self.config.steadiness,
            keep_going=keep_going,
        )
        return LinearClassifier(found.weight, torch.where(self._told(), found.bias, -30.0))

    def fit_middle_levels(self, keep_going: Callable[[], bool]) -> LinearClassifier:
        """A classifier that learned from the marks and reads the middle levels of the largest scale alone."""
        weights = _middle_levels(self.network)
        marked = self.features[len(self.features) - len(self.marks) :] * weights
        ones = torch.ones(len(marked), device=marked.device)
        found = fit_soft(marked, self._marked(), ones, max_iterations=60, keep_going=keep_going)
        return LinearClassifier(found.weight * weights, torch.where(self._told(), found.bias, -30.0))

    def _marked(self) -> Tensor:
        return torch.nn.functional.one_hot(self.marks, self.network.num_classes).float()

    def _told(self) -> Tensor:
        return torch.bincount(self.marks, minlength=self.network.num_classes) > 0

    def _balance(self) -> Tensor:
        """Weights (m,) of the marks, summing to 1, with which every class weighs the same."""
        counts = torch.bincount(self.marks, minlength=self.network.num_classes)
        return 1 / counts[self.marks] / (counts > 0).sum()


def _middle_levels(network: SegmentationNetwork) -> Tensor:
    """Weights (C,) of mean square 1 that leave the middle levels of the largest scale, each with the same weight."""
    channels = network.backbone.channels
    first, last = (2, len(channels) - 1) if len(channels) > 4 else (0, len(channels))
    finest = max(network.pyramid.scales)
    parts = [
        torch.full((count,), count**-0.5 if scale == finest and first <= level < last else 0.0)
        for scale in network.pyramid.scales
        for level, count in enumerate(channels)
    ]
    weights = torch.cat(parts).to(network.device)
    return weights / weights.square().mean().sqrt()


def _scatter(network: SegmentationNetwork, cache: FeatureCache, frames: Sequence[FilmFrame]) -> Tensor:
    links = [(frame.place, link) for frame in frames for link in frame.links]
    each = max(1, _MOST_PAIRS // max(1, len(links)))
    channels = len(network.mean)
    total, count = torch.zeros(channels, channels, device=network.device), 0
    for place, link in links:
        seen = link.validity.nonzero()[:, 0]
        rows = seen[:: max(1, len(seen) // each)][:each]
        here = cache.in_order[place].sample.features[rows].to(network.device).float()
        there = cache.in_order[link.other].sample.features[link.rows[rows]].to(network.device).float()
        difference = (here - there) / network.scale
        total += len(rows) * flow_scatter(difference, link.validity[rows].to(network.device))
        count += len(rows)
    return total / max(1, count)
