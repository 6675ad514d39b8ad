"""Pseudo labels in the feature cache, and what happens when marks change while training goes on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.errors import SpmlError
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import FeatureCache
from spml_core.training.events import Event, StageProgress, Warned
from spml_core.training.fitting import fit_onwards, learned_classes
from spml_core.training.pseudo_labels import add_pseudo_labels
from spml_core.training.pulse import Pulse, StoppedEarlyError
from spml_core.training.reading import Reader
from spml_core.training.samples import PictureSample
from spml_core.training.tag_guesses import guess_from_tags, recall_guesses
from spml_core.training.training_set import TrainingPicture

_ITERATIONS = 8  # of each of the two fits after marks have changed


def teach(
    network: SegmentationNetwork,
    cache: FeatureCache,
    places: Iterable[int],
    color_strength: float,
    config: TrainConfig,
    beat: Callable[[], object],
    keep_going: Callable[[], bool] = lambda: True,
) -> None:
    """Let cells of the pictures at ``places`` carry the answers that the network is sure of.

    Once ``keep_going`` says no, the rest of the pictures stay as they are.
    """
    for place in places:
        beat()
        if not keep_going():
            return
        cached = cache.in_order[place]
        (taught,) = add_pseudo_labels(
            [cached.sample],
            lambda sample: torch.softmax(_logits(network, sample), 1),
            network.num_classes,
            color_strength=color_strength,
            confidence=config.confidence,
        )
        cache.set(place, cached.with_labels(taught.labels))


def follow_marks(
    network: SegmentationNetwork,
    reader: Reader,
    cache: FeatureCache,
    pictures: Sequence[TrainingPicture],
    read_before: Sequence[str],
    color_strength: float,
) -> Generator[Event, None, None]:
    """Read pictures whose marks have changed, and learn from them and from those ``read_before``.

    If training is to end at once it is left in the middle: the network is usable, and every picture either old or new.
    """
    with suppress(StoppedEarlyError):
        yield from read_changed(reader, cache, pictures)
        names = [*read_before, *(picture.name for picture in pictures)]
        learn_changed(network, cache, names, color_strength, reader.config, reader.pulse)


def read_changed(
    reader: Reader, cache: FeatureCache, pictures: Sequence[TrainingPicture]
) -> Generator[Event, None, None]:
    """Read pictures whose marks have changed into the cache.

    Of one that can't be read the marks can't be learned; what is known of it stays, and training goes on.

    Raises
    ------
    StoppedEarlyError
        If training is to end at once; what was read stays.
    """
    for number, picture in enumerate(pictures):
        yield StageProgress("marks", number, len(pictures), max(0.0, reader.clock.left))
        reader.pulse.check()
        try:
            sample = reader.sample(picture, cache.place(picture.name))
        except StoppedEarlyError:
            raise
        except SpmlError as error:
            yield Warned(f"The new marks of {picture.name} aren't learned: {error}")
        else:
            cache.put(picture, sample)


def learn_changed(
    network: SegmentationNetwork,
    cache: FeatureCache,
    names: Sequence[str],
    color_strength: float,
    config: TrainConfig,
    pulse: Pulse,
) -> None:
    """Let the network follow marks that have changed, before the steps go on.

    Steps alone would follow too slowly, the later the slower. As at the start, a fit to the marks comes first; then
    pseudo labels that it no longer agrees with are taken back and the changed pictures get theirs; then a fit to both.
    A backbone that learns has made the cached features stale, so there only the pseudo labels are made anew.

    Parameters
    ----------
    network : SegmentationNetwork
    cache : FeatureCache
    names : sequence of str
        Changed pictures, read anew.
    color_strength : float
    config : TrainConfig
    pulse : Pulse

    Raises
    ------
    StoppedEarlyError
        If training is to end at once; the network is usable.
    """

    def keep_going() -> bool:
        return pulse.beat() or not pulse.at_once

    def fit(*, pseudo: bool) -> None:
        if not config.fine_tune:
            fit_onwards(
                network, cache.in_order, config, pulse, keep_going, pseudo=pseudo, iterations=_ITERATIONS
            )
            pulse.check()

    pulse.check()
    if not config.fine_tune:
        recall_guesses(cache, learned_classes(network))
        guess_from_tags(cache, network.num_classes, keep_going)
    fit(pseudo=False)
    if config.pseudo_labels:
        if not config.fine_tune:
            _take_back(network, cache)
        read = set(cache.names).intersection(names)
        teach(network, cache, sorted(map(cache.place, read)), color_strength, config, pulse.check)
        fit(pseudo=True)


def _take_back(network: SegmentationNetwork, cache: FeatureCache) -> None:
    """Take back pseudo labels that the network, as it is now, contradicts."""
    classes = network.num_classes
    for place, cached in enumerate(list(cache.in_order)):
        labels = cached.taught.labels
        answer = _logits(network, cached.sample).argmax(1).cpu()
        wrong = (cached.sample.labels == classes) & (labels < classes) & (labels != answer)
        cache.set(place, cached.with_labels(torch.where(wrong, classes, labels)))


@torch.no_grad()
def _logits(network: SegmentationNetwork, sample: PictureSample) -> Tensor:
    features = network.standardise(sample.features.to(network.mean.device).float())
    return network.classify(network.embed(features))
