"""Between a picture's pixels and those of a smaller raster that is laid over it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spml_core.annotations import Erasure, Patch, Scribble
from spml_core.annotations.marks import Path2D

Painted = Scribble | Erasure | Patch
"""Marks that cover pixels of the raster."""


@dataclass(frozen=True)
class Window:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a raster, the last ones excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width; 0 where there is nothing."""
        return max(0, self.bottom - self.top), max(0, self.right - self.left)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no pixel."""
        return 0 in self.shape

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, shape: tuple[int, int]) -> Window:
        """Its part inside a raster of this height and width."""
        return Window(
            max(self.top, 0), max(self.left, 0), min(self.bottom, shape[0]), min(self.right, shape[1])
        )

    def joined(self, other: Window) -> Window:
        """Smallest window around both; an empty one adds nothing."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        return Window(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def meets(self, other: Window) -> bool:
        """Whether the two share a pixel."""
        return not Window(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        ).is_empty


NOWHERE = Window(0, 0, 0, 0)


def shrunken_shape(height: int, width: int, shrink: int) -> tuple[int, int]:
    """Height and width of a raster that is ``shrink`` times smaller than a picture, rounded up."""
    return -(-height // shrink), -(-width // shrink)


def placement(shrink: int) -> dict[str, tuple[float, float]]:
    """``scale`` and ``translate`` of a napari layer that lies over a picture and is ``shrink`` times smaller.

    The first pixel of the layer covers the first ``shrink`` rows and columns of the picture.
    """
    offset = (shrink - 1) / 2
    return {"scale": (float(shrink), float(shrink)), "translate": (offset, offset)}


def to_raster(place: float, shrink: int) -> float:
    """Row or column in the raster of a row or column in the picture."""
    return (place - (shrink - 1) / 2) / shrink


def window_of(mark: Painted, shrink: int) -> Window:
    """Pixels of the raster that a mark may touch; not cut to the raster."""
    if isinstance(mark, Patch):
        height, width = mark.labels.shape
        return Window(
            mark.top // shrink,
            mark.left // shrink,
            -(-(mark.top + height) // shrink),
            -(-(mark.left + width) // shrink),
        )
    return window_of_line(mark.points, mark.width, shrink)


def window_of_line(points: Path2D, width: float, shrink: int) -> Window:
    """Pixels of the raster that a line may touch; not cut to the raster."""
    reach = max(width / shrink, 1.0) / 2 + 1
    rows = [to_raster(y, shrink) for y, _ in points]
    columns = [to_raster(x, shrink) for _, x in points]
    return Window(
        math.floor(min(rows) - reach),
        math.floor(min(columns) - reach),
        math.ceil(max(rows) + reach) + 1,
        math.ceil(max(columns) + reach) + 1,
    )


def as_seen_from(mark: Painted, shrink: int, window: Window) -> Painted | None:
    """Return the mark in the coordinates of a window of the raster; None if it doesn't touch it."""
    if not window_of(mark, shrink).meets(window):
        return None
    if isinstance(mark, Patch):
        return _patch_seen_from(mark, shrink, window)
    points = tuple(
        (to_raster(y, shrink) - window.top, to_raster(x, shrink) - window.left) for y, x in mark.points
    )
    width = max(mark.width / shrink, 1.0)
    if isinstance(mark, Erasure):
        return Erasure(points, width)
    return Scribble(mark.class_index, points, width)


def _patch_seen_from(patch: Patch, shrink: int, window: Window) -> Patch | None:
    """Of every ``shrink`` x ``shrink`` pixels the one in the middle is taken, as in predictions' display."""
    height, width = patch.labels.shape
    rows = np.arange(window.top, window.bottom) * shrink + shrink // 2 - patch.top
    columns = np.arange(window.left, window.right) * shrink + shrink // 2 - patch.left
    inside_rows = np.flatnonzero((rows >= 0) & (rows < height))
    inside_columns = np.flatnonzero((columns >= 0) & (columns < width))
    if not (inside_rows.size and inside_columns.size):
        return None
    labels = patch.labels[np.ix_(rows[inside_rows], columns[inside_columns])]
    return Patch(int(inside_rows[0]), int(inside_columns[0]), labels)
