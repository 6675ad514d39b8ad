"""Filling the feature cache: for the first time, after a resume, and where marks have changed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from spml_core.annotations.sufficiency import enough_to_learn
from spml_core.config import TrainConfig
from spml_core.errors import TrainingError
from spml_core.models import SegmentationNetwork
from spml_core.training.cache import FeatureCache
from spml_core.training.checkpoint import Checkpoint
from spml_core.training.events import Event, StageProgress
from spml_core.training.pulse import Pulse
from spml_core.training.samples import PictureSample, sample_picture
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingPicture, TrainingSet

_FEATURES_UNTIL = 0.5  # share of the time budget after which no other picture is begun
_PICTURE_UNTIL = (
    0.7  # and after which the one that was begun is left, or has to be enough as far as it was read
)
_MOST_BYTES = 2 * 2**30  # of the feature cache
_REFRESHED = 16  # pictures whose features are read once more after fine-tuning, for the retrieval bank


class _TooLateError(Exception):
    """A picture takes too long to read, and can be done without."""


@dataclass(frozen=True)
class Reader:
    """Samples pictures, each with its own draw.

    Attributes
    ----------
    network : SegmentationNetwork
    config : TrainConfig
    per_class : int
        Marked cells kept of each class in a picture.
    clock : Clock
    pulse : Pulse
    """

    network: SegmentationNetwork
    config: TrainConfig
    per_class: int
    clock: Clock
    pulse: Pulse

    def sample(
        self, picture: TrainingPicture, place: int, late: Callable[[], bool] = lambda: False
    ) -> PictureSample:
        """Sample the picture at a place of the cache. What it gives doesn't depend on any other picture.

        Once ``late`` says yes, it is only read as far as it has to be (:func:`sample_picture`).

        Raises
        ------
        StoppedEarlyError
            If training is to end at once.
        """
        with self.pulse.interruptible():
            return self._sample(picture, place, self.pulse.check, late)

    def _sample(
        self,
        picture: TrainingPicture,
        place: int,
        beat: Callable[[], object],
        late: Callable[[], bool] = lambda: False,
    ) -> PictureSample:
        return sample_picture(
            self.network,
            picture,
            draw=self.config.samples,
            per_class=self.per_class,
            regions=self.config.regions,
            rng=np.random.default_rng([self.config.seed, place]),
            beat=beat,
            late=late,
        )

    def fill(
        self, cache: FeatureCache, pictures: Sequence[TrainingPicture], *, limited: bool
    ) -> Generator[Event, None, None]:
        """Sample pictures in order; if ``limited``, until the stage's share of the time or the memory is used up."""
        for number, picture in enumerate(pictures):
            enough = limited and self._knows_enough(cache)
            late = self.clock.spent > _FEATURES_UNTIL * self.clock.budget
            if enough and (self.pulse.stopped or late or cache.nbytes > _MOST_BYTES):
                break
            left = max(0.0, self.clock.left) if limited else 0.0
            yield StageProgress("features", number, len(pictures), left)
            self.pulse.check()

            def too_late(needless: bool = enough) -> bool:
                if not limited or self.clock.spent <= _PICTURE_UNTIL * self.clock.budget:
                    return False
                if needless:
                    raise _TooLateError
                return True

            try:
                sample = self.sample(picture, cache.place(picture.name), too_late)
            except _TooLateError:
                break
            cache.put(picture, sample)

    def reread(
        self, cache: FeatureCache, training_set: TrainingSet, checkpoint: Checkpoint, *, tolerant: bool
    ) -> Generator[Event, None, tuple[str, ...]]:
        """Read the same features as the run that is resumed, with the labels of its checkpoint.

        Returns
        -------
        tuple of str
            Pictures whose marks have changed since; they carry their new marks and no pseudo labels.

        Raises
        ------
        TrainingError
            If a picture is gone or, unless ``tolerant``, marks have changed.
        """
        progress = checkpoint.progress
        by_name = {p.name: p for p in training_set.pictures}
        gone = [name for name in progress.pictures if name not in by_name]
        if gone:
            raise TrainingError(
                f"The picture {gone[0]} that this run learned from is no longer there.",
                "Bring it back, or train without --resume.",
            )
        yield from self.fill(cache, [by_name[name] for name in progress.pictures], limited=False)
        sizes = [len(cached.sample) for cached in cache.in_order]
        digests = tuple(cached.digest for cached in cache.in_order)
        marks = progress.marks or digests  # older checkpoints only know how many cells there were
        changed = tuple(name for name, a, b in zip(progress.pictures, digests, marks, strict=True) if a != b)
        labels = checkpoint.tensors["labels"].long()
        sizes = list(progress.sizes) or sizes
        if (changed and not tolerant) or sum(sizes) != len(labels):
            where = f" (in {', '.join(changed[:3])}{' and others' if changed[3:] else ''})" if changed else ""
            raise TrainingError(
                f"The marks have changed since this training was stopped{where}, so it can't go on exactly.",
                "Train without --resume to learn from them.",
            )
        # Pseudo labels came from a network that is gone: they are in the checkpoint.
        for place, part in enumerate(torch.split(labels, sizes)):
            cached = cache.in_order[place]
            if cached.picture.name not in changed:
                cache.set(place, cached.with_labels(part))
        return changed

    def refresh(self, cache: FeatureCache) -> list[PictureSample]:
        """The first marked pictures with the features that a fine-tuned backbone gives now; one if time is short."""
        samples: list[PictureSample] = []
        for cached in [c for c in cache.marked_first if c.marked][:_REFRESHED]:
            self.pulse.beat()
            if samples and (self.pulse.at_once or self.clock.left < 0):
                break
            place = cache.place(cached.picture.name)
            features = self._sample(cached.picture, place, lambda: None).features
            samples.append(replace(cached.taught, features=features))
        return samples

    def seconds_to_refresh(self, cache: FeatureCache, seconds_per_picture: float) -> float:
        """How long :meth:`refresh` will take."""
        return seconds_per_picture * min(cache.num_marked, _REFRESHED) if self.config.fine_tune else 0.0

    def _knows_enough(self, cache: FeatureCache) -> bool:
        """Whether two classes have been seen or can be found at least, so that there is something to tell apart."""
        if not len(cache):
            return False
        seen = cache.labels
        told = torch.unique(seen[seen < self.network.num_classes]).tolist()
        return enough_to_learn(told, [cached.picture.coarse for cached in cache.in_order])
