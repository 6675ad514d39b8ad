"""The pictures that training holds in memory."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spml_core.training.samples import PictureSample
from spml_core.training.training_set import TrainingPicture


@dataclass(frozen=True)
class CachedPicture:
    """A picture and its sampled cells.

    Attributes
    ----------
    picture : TrainingPicture
    sample : PictureSample
        With the labels of the marks alone.
    taught : PictureSample
        The same cells; those without a mark may carry first guesses or pseudo labels.
    guesses : Tensor, (n,) int64
        The labels, and first guesses where there is none: those of the sample, and what tags tell.
    """

    picture: TrainingPicture
    sample: PictureSample
    taught: PictureSample
    guesses: Tensor

    @property
    def marked(self) -> bool:
        """Whether somebody marked the picture."""
        return self.picture.marked

    @property
    def digest(self) -> int:
        """Tells marks from other marks, as far as training sees them."""
        sample = self.sample
        digest = zlib.crc32(sample.labels.to(torch.uint8).numpy().tobytes())
        if sample.allowed is not None:
            digest = zlib.crc32(sample.allowed.numpy().tobytes(), digest)
        if len(marks := sample.guesses[sample.guesses != sample.labels]):
            digest = zlib.crc32(marks.to(torch.uint8).numpy().tobytes(), digest)
        return digest

    def with_labels(self, labels: Tensor) -> CachedPicture:
        """The same with these labels (n,), pseudo labels included."""
        return replace(self, taught=replace(self.sample, labels=labels))


class FeatureCache:
    """Pictures in the order in which they came: each keeps its place, which seeds the draw of its cells."""

    def __init__(self) -> None:
        self._pictures: list[CachedPicture] = []

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def in_order(self) -> Sequence[CachedPicture]:
        """All pictures, each at its place."""
        return self._pictures

    @property
    def marked_first(self) -> list[CachedPicture]:
        """All pictures: the marked ones, then the others."""
        return sorted(self._pictures, key=lambda cached: not cached.marked)

    @property
    def num_marked(self) -> int:
        """How many are marked."""
        return sum(cached.marked for cached in self._pictures)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(cached.picture.name for cached in self._pictures)

    @property
    def nbytes(self) -> int:
        """Memory that the features take."""
        return sum(cached.sample.features.nbytes for cached in self._pictures)

    @property
    def labels(self) -> Tensor:
        """Labels of all cells, one picture after the other, (n,) int64."""
        return torch.cat([cached.taught.labels for cached in self._pictures])

    def place(self, name: str) -> int:
        """Where the picture of this name is, or will be."""
        names = self.names
        return names.index(name) if name in names else len(names)

    def put(self, picture: TrainingPicture, sample: PictureSample) -> None:
        """Add a picture, or replace the one of the same name."""
        cached = CachedPicture(picture, sample, sample, sample.guesses).with_labels(sample.guesses)
        self.set(self.place(picture.name), cached)

    def teach_guesses(self) -> None:
        """Let all cells carry the first guesses, and no pseudo labels."""
        self._pictures = [cached.with_labels(cached.guesses) for cached in self._pictures]

    def set(self, place: int, cached: CachedPicture) -> None:
        """Put a picture at a place, the next free one at the most."""
        self._pictures[place : place + 1] = [cached]
