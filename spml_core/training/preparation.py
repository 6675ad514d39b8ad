"""What happens before the first step: features, the linear start, the choice of the colour model's strength."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.errors import TrainingError
from spml_core.models import SegmentationNetwork
from spml_core.training.checkpoint import Checkpoint
from spml_core.training.choosing import Choice, choose_color_strength
from spml_core.training.events import Event, StageProgress
from spml_core.training.linear_start import fit_logistic, leading_directions
from spml_core.training.pseudo_labels import add_pseudo_labels
from spml_core.training.samples import PictureSample, sample_picture
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingPicture, TrainingSet

# Shares of the time budget after which a stage has to end.
_FEATURES_UNTIL = 0.5
_START_UNTIL = 0.62
_CHOOSE_UNTIL = 0.75
_SECOND_UNTIL = 0.9
_ITERATIONS = 60  # of the first start; the second goes on from there with half as many
_PSEUDO_CELLS = 15_000  # cells that the first start's answers add, at the least if there are so many
_MOST_CELLS = 40_000  # marked cells of all pictures together
_MOST_PER_CLASS = 400  # of one class in one picture
_REFRESHED = 16  # pictures whose features are read once more after fine-tuning, for the retrieval bank
_MOST_BYTES = 2 * 2**30  # of the feature cache


@dataclass(frozen=True)
class Prepared:
    """What the stages before the first step leave behind.

    Attributes
    ----------
    samples : sequence of PictureSample
        The feature cache, marked pictures first; cells may carry pseudo labels.
    num_marked : int
        How many of them are marked.
    names : tuple of str
        Their pictures.
    choice : Choice
    seconds_to_finish : float
        Time to leave for the end of training.
    per_class : int
        Marked cells kept of each class in a picture.
    cut_short : bool
        Whether a stop was asked for before the first step, so that some of this may be missing.
    """

    samples: Sequence[PictureSample]
    num_marked: int
    names: tuple[str, ...]
    choice: Choice
    seconds_to_finish: float
    per_class: int
    cut_short: bool

    @property
    def labels(self) -> Tensor:
        """Labels of all samples' cells, one after the other, (n,) int64."""
        return torch.cat([sample.labels for sample in self.samples])


def prepare(
    network: SegmentationNetwork,
    training_set: TrainingSet,
    config: TrainConfig,
    clock: Clock,
    rng: np.random.Generator,
    should_stop: Callable[[], bool],
) -> Generator[Event, None, Prepared]:
    """Read features, start the network, choose the colour strength. Yields progress, returns what it made."""
    marked_first = [
        *(training_set.marked[i] for i in rng.permutation(len(training_set.marked))),
        *(training_set.unmarked[i] for i in rng.permutation(len(training_set.unmarked))),
    ]
    began = clock.spent
    per_class = _per_class(len(training_set.marked), network.num_classes)
    read = yield from _read(network, marked_first, per_class, config, clock, should_stop)
    reading = (clock.spent - began) / len(read)
    count = min(len(training_set.marked), len(read))
    marked = read[:count]
    yield StageProgress("start", 0, 1, max(0.0, clock.left))
    _start(network, marked, config, clock)
    yield StageProgress("choose", 0, 1, max(0.0, clock.left))
    choice = choose_color_strength(
        marked,
        lambda s: network.standardise(s.features.to(network.mean.device).float()),
        network.num_classes,
        config.color_strengths,
        seed=config.seed,
        keep_going=lambda: clock.spent < _CHOOSE_UNTIL * clock.budget and not should_stop(),
    )
    if config.pseudo_labels and clock.spent < _SECOND_UNTIL * clock.budget and not should_stop():
        yield StageProgress("second", 0, 1, max(0.0, clock.left))
        read = _second_start(network, read, choice, config, clock)
    names = tuple(p.name for p in marked_first[: len(read)])
    finish = _seconds_to_finish(clock) + (reading * min(count, _REFRESHED) if config.fine_tune else 0.0)
    return Prepared(read, count, names, choice, finish, per_class, cut_short=should_stop())


def reread(
    network: SegmentationNetwork,
    training_set: TrainingSet,
    config: TrainConfig,
    clock: Clock,
    checkpoint: Checkpoint,
) -> Generator[Event, None, Prepared]:
    """Read the same features as the run that is resumed; the rest is in the checkpoint."""
    progress = checkpoint.progress
    by_name = {p.name: p for p in training_set.pictures}
    gone = [name for name in progress.pictures if name not in by_name]
    if gone:
        raise TrainingError(
            f"The picture {gone[0]} that this run learned from is no longer there.",
            "Bring it back, or train without --resume.",
        )
    pictures = [by_name[name] for name in progress.pictures]
    marked = sum(p.labels is not None for p in pictures)
    began = clock.spent
    read = yield from _read(network, pictures, progress.per_class, config, None, lambda: False)
    reading = (clock.spent - began) / len(read)
    if sum(len(sample) for sample in read) != len(checkpoint.tensors["labels"]):
        raise TrainingError(
            "The marks have changed since this training was stopped, so it can't go on exactly.",
            "Train without --resume to learn from them.",
        )
    # Pseudo labels came from a network that is gone: they are in the checkpoint.
    parts = torch.split(checkpoint.tensors["labels"].long(), [len(sample) for sample in read])
    return Prepared(
        [replace(sample, labels=labels) for sample, labels in zip(read, parts, strict=True)],
        marked,
        progress.pictures,
        Choice(progress.color_strength, progress.held_back_score, {}),
        _seconds_to_finish(clock) + (reading * min(marked, _REFRESHED) if config.fine_tune else 0.0),
        progress.per_class,
        False,
    )


def _read(
    network: SegmentationNetwork,
    pictures: Sequence[TrainingPicture],
    per_class: int,
    config: TrainConfig,
    clock: Clock | None,
    should_stop: Callable[[], bool],
) -> Generator[Event, None, list[PictureSample]]:
    """Sample pictures in order, until the stage's share of the time or the cache is used up."""
    read: list[PictureSample] = []
    size = 0
    for number, picture in enumerate(pictures):
        enough = size > _MOST_BYTES or (clock is not None and clock.spent > _FEATURES_UNTIL * clock.budget)
        if read and (should_stop() or enough) and _knows_enough(read, network.num_classes):
            break
        left = 0.0 if clock is None else max(0.0, clock.left)
        yield StageProgress("features", number, len(pictures), left)
        sample = sample_picture(
            network,
            picture,
            draw=config.samples,
            per_class=per_class,
            regions=config.regions,
            # A generator for each picture: what one gives doesn't depend on how many were read before it.
            rng=np.random.default_rng([config.seed, number]),
        )
        size += sample.features.nbytes
        read.append(sample)
    return read


def _per_class(marked: int, num_classes: int) -> int:
    return max(30, min(_MOST_PER_CLASS, _MOST_CELLS // max(1, marked * num_classes)))


def refresh(
    network: SegmentationNetwork, training_set: TrainingSet, prepared: Prepared, config: TrainConfig
) -> list[PictureSample]:
    """The first marked samples with the features that the fine-tuned backbone gives now."""
    by_name = {p.name: p for p in training_set.pictures}
    return [
        replace(
            sample,
            features=sample_picture(
                network,
                by_name[name],
                draw=config.samples,
                per_class=prepared.per_class,
                regions=config.regions,
                rng=np.random.default_rng([config.seed, number]),
            ).features,
        )
        for number, (name, sample) in enumerate(
            zip(prepared.names[:_REFRESHED], prepared.samples[: prepared.num_marked], strict=False)
        )
    ]


def _knows_enough(read: Sequence[PictureSample], num_classes: int) -> bool:
    """Whether two classes have been seen at least, so that there is something to tell apart."""
    seen = torch.cat([s.labels for s in read])
    return len(torch.unique(seen[seen < num_classes])) > 1


def _start(
    network: SegmentationNetwork, marked: Sequence[PictureSample], config: TrainConfig, clock: Clock
) -> None:
    """Start embedding and head from the marks, or from a wider set of labelled cells."""
    features, labels = _labelled_cells(marked, marked, network, config)
    network.learn_scale(features)
    _fit(network, features, labels, config, lambda: clock.spent < _START_UNTIL * clock.budget)


def _second_start(
    network: SegmentationNetwork,
    read: list[PictureSample],
    choice: Choice,
    config: TrainConfig,
    clock: Clock,
) -> list[PictureSample]:
    """Label more cells with the first start's sure answers, and start once more from all of them."""

    @torch.no_grad()
    def probabilities(sample: PictureSample) -> Tensor:
        features = network.standardise(sample.features.to(network.mean.device).float())
        return torch.softmax(network.classify(network.embed(features)), 1)

    taught = add_pseudo_labels(
        read,
        probabilities,
        network.num_classes,
        color_strength=choice.color_strength,
        confidence=config.confidence,
    )
    features, labels = _labelled_cells(read, taught, network, config)
    classes = network.num_classes
    first = network.embedding.weight[:classes], network.embedding.bias[:classes]
    _fit(network, features, labels, config, lambda: clock.spent < _SECOND_UNTIL * clock.budget, first)
    return taught


def _fit(
    network: SegmentationNetwork,
    features: Tensor,
    labels: Tensor,
    config: TrainConfig,
    keep_going: Callable[[], bool],
    initial: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Let the network reproduce the logistic regression on raw ``features``, which are overwritten."""
    features.sub_(network.mean).div_(network.scale)
    weight, bias = fit_logistic(
        features,
        labels,
        network.num_classes,
        initial=initial,
        max_iterations=_ITERATIONS if initial is None else _ITERATIONS // 2,
        keep_going=keep_going,
    )
    spare = network.embedding.out_features - network.num_classes
    directions = leading_directions(features, spare, config.seed) * weight.norm(dim=1).mean() * 0.1
    network.start_from(weight, bias, directions)


def _labelled_cells(
    read: Sequence[PictureSample],
    taught: Sequence[PictureSample],
    network: SegmentationNetwork,
    config: TrainConfig,
) -> tuple[Tensor, Tensor]:
    """Features (n, C) and labels (n,) of the marked cells, and of as many pseudo-labelled ones.

    There are :data:`_MOST_CELLS` marked ones at the most; pseudo-labelled ones may be :data:`_PSEUDO_CELLS` where the
    marks are fewer. Those to keep are drawn.
    """
    classes = network.num_classes
    generator = torch.Generator().manual_seed(config.seed)
    marked = _thin([s.labels < classes for s in read], _MOST_CELLS, generator)
    pseudo = [(t.labels < classes) & (s.labels >= classes) for s, t in zip(read, taught, strict=True)]
    pseudo = _thin(pseudo, max(sum(int(m.sum()) for m in marked), _PSEUDO_CELLS), generator)
    taken = [m | p for m, p in zip(marked, pseudo, strict=True)]
    features = torch.cat([t.features[k] for t, k in zip(taught, taken, strict=True)]).float()
    labels = torch.cat([t.labels[k] for t, k in zip(taught, taken, strict=True)])
    return features.to(network.mean.device), labels.to(network.mean.device)


def _thin(chosen: list[Tensor], most: int, generator: torch.Generator) -> list[Tensor]:
    """Choices (n_i,) bool of which about ``most`` are left, by lot."""
    share = most / max(1, sum(int(c.sum()) for c in chosen))
    if share >= 1:
        return chosen
    return [c & (torch.rand(len(c), generator=generator) < share) for c in chosen]


def _seconds_to_finish(clock: Clock) -> float:
    """Saving takes a moment, and so does leaving the process."""
    return min(6.0, 0.03 * clock.budget)
