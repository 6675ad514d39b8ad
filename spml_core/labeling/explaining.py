"""Why a pixel has its label: the labelled segments that are most like the one it lies in (METHODS.md 1.15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spml_core.errors import ConfigError, PictureError, ProjectError
from spml_core.labeling.inference import Pixels
from spml_core.labeling.scoring import query_segments
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models import rgb_tensor
from spml_core.segments import normalize, segment_prototypes

_PER_PICTURE = 2  # of one picture's segments among the answers: others shall have their say


@dataclass(frozen=True)
class LabelledSegment:
    """A segment that the model learned from.

    Attributes
    ----------
    picture : str
        Name of its picture.
    y, x : int
        A pixel inside it.
    class_index : int
        The model's own label code.
    similarity : float
        Cosine of the two segments' embeddings, -1..1.
    """

    picture: str
    y: int
    x: int
    class_index: int
    similarity: float


@dataclass(frozen=True)
class SegmentedWindow:
    """A picture, or the part of a large one around a pixel, cut into segments of like embedding.

    Attributes
    ----------
    top, left, height, width : int
        The part it answers for.
    segments : Tensor, (h, w) int64
        Segment of each cell of the feature grid.
    prototypes : Tensor, (S, D)
        Unit vector of each segment.
    origin : tuple of int
        Row and column of the picture where the grid begins.
    stride : int
        Pixels a cell.
    """

    top: int
    left: int
    height: int
    width: int
    segments: Tensor
    prototypes: Tensor
    origin: tuple[int, int]
    stride: int

    def covers(self, y: int, x: int) -> bool:
        """Whether it answers for a pixel of the picture."""
        return self.top <= y < self.top + self.height and self.left <= x < self.left + self.width

    def prototype_at(self, y: int, x: int) -> Tensor:
        """Unit vector (D,) of the segment that a pixel of the picture lies in."""
        cell = (y - self.origin[0]) // self.stride, (x - self.origin[1]) // self.stride
        return self.prototypes[self.segments[cell]]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.segments.nbytes + self.prototypes.nbytes


@torch.inference_mode()
def segment_window(model: TrainedModel, pixels: Pixels, y: int, x: int) -> SegmentedWindow:
    """Cut a picture into segments as retrieval does: all of a small one, of a large one the part around a pixel.

    Raises
    ------
    PictureError
        If the pixel lies outside the picture.
    """
    height, width = pixels.size
    if not (0 <= y < height and 0 <= x < width):
        raise PictureError(
            f"The pixel ({y}, {x}) lies outside the picture of {height} x {width} pixels.", "Click inside it."
        )
    pyramid = model.network.pyramid
    window = next(
        w
        for w in pyramid.windows(height, width)
        if w.slices[0].start <= y < w.slices[0].stop and w.slices[1].start <= x < w.slices[1].stop
    )
    batch = rgb_tensor(pixels.rgb_window(*window.outer)).to(model.device)
    embedding = model.network.dense_embedding(batch)[0]
    segments = query_segments(embedding)
    units = normalize(embedding.flatten(1).T)
    prototypes = segment_prototypes(units, segments, int(segments.max()) + 1)
    return SegmentedWindow(
        *window.core, segments.reshape(embedding.shape[1:]), prototypes, window.outer[:2], pyramid.stride
    )


@torch.inference_mode()
def nearest_labelled(
    model: TrainedModel,
    prototype: Tensor,
    k: int,
    accept: Callable[[LabelledSegment], bool] = lambda segment: True,
) -> list[LabelledSegment]:
    """The labelled segments most similar to one, at most two of them of the same picture.

    Only those in which a person marked something, if there are any: what the model named itself explains nothing.

    Parameters
    ----------
    model : TrainedModel
    prototype : Tensor, (D,)
        Unit vector.
    k : int
        How many, 1 or more; fewer if there aren't so many.
    accept : callable
        Says of a segment whether it may be among the answers.

    Returns
    -------
    list of LabelledSegment
        Most similar first.

    Raises
    ------
    ConfigError
        If ``k`` is below 1, or the model has no labelled segments.
    ProjectError
        If the model comes from a version that kept no places.
    """
    bank = model.bank
    if k < 1:
        raise ConfigError(f"{k} labelled segments were asked for.", "Ask for 1 or more.")
    if bank is None or len(bank) == 0:
        raise ConfigError("This model has no labelled segments.", "Train again, to the end.")
    if bank.places is None:
        raise ProjectError(
            "This model was trained by an earlier version, which didn't keep where the labelled segments are.",
            "Train again.",
        )
    by_hand = bank.marked if bank.marked is not None and bool(bank.marked.any()) else None
    order = bank.query(prototype[None], len(bank))
    taken: Counter[int] = Counter()
    answers: list[LabelledSegment] = []
    for entry, similarity in zip(order.neighbours[0].tolist(), order.similarities[0].tolist(), strict=True):
        picture = int(bank.pictures[entry])
        if taken[picture] == _PER_PICTURE or (by_hand is not None and not by_hand[entry]):
            continue
        y, x = bank.places[entry].tolist()
        name, code = model.bank_pictures[picture], int(bank.labels[entry])
        segment = LabelledSegment(name, y, x, code, max(-1.0, min(1.0, similarity)))
        if accept(segment):
            taken[picture] += 1
            answers.append(segment)
            if len(answers) == k:
                break
    return answers


def explain(model: TrainedModel, pixels: Pixels, y: int, x: int, k: int = 6) -> list[LabelledSegment]:
    """Which labelled segments decided a pixel's label.

    Parameters
    ----------
    model : TrainedModel
        With a bank.
    pixels : Pixels
    y, x : int
        The pixel.
    k : int
        How many, 1 or more; fewer if there aren't so many.

    Returns
    -------
    list of LabelledSegment
        Most similar first, at most two of the same picture.

    Raises
    ------
    PictureError
        If the pixel lies outside the picture.
    ConfigError, ProjectError
        If the model has no labelled segments, or doesn't know where they are.
    """
    return nearest_labelled(model, segment_window(model, pixels, y, x).prototype_at(y, x), k)
