"""Regions of a picture, to be pointed at."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from spml_core.project import PictureRecord
from spml_napari.layers.geometry import NOWHERE, Window
from spml_napari.tools.tool import Place

Regions: TypeAlias = NDArray[np.int32]
"""Regions of the picture as it is displayed, (h, w), numbered from 0; negative pixels belong to none."""


class RegionMap:
    """Finds regions by place, and places by region.

    Parameters
    ----------
    labels : ndarray, (h, w) int32
        See :data:`Regions`.
    shrink : int
        It is this many times smaller than the picture.
    """

    def __init__(self, labels: Regions, shrink: int) -> None:
        self.labels = labels
        self.shrink = shrink

    @cached_property
    def _boxes(self) -> list[tuple[slice, slice] | None]:
        boxes: list[tuple[slice, slice] | None] = find_objects(self.labels + 1)
        return boxes

    def number_at(self, place: Place) -> int | None:
        """The region at (y, x) of the picture."""
        row, column = int((place[0] + 0.5) // self.shrink), int((place[1] + 0.5) // self.shrink)
        height, width = self.labels.shape
        if not (0 <= row < height and 0 <= column < width):
            return None
        number = int(self.labels[row, column])
        return number if number >= 0 else None

    def window(self, numbers: Collection[int]) -> Window:
        """The smallest window of the raster around some regions; empty if none of them is there."""
        found = NOWHERE
        for number in numbers:
            box = self._boxes[number] if 0 <= number < len(self._boxes) else None
            if box is not None:
                found = found.joined(Window(box[0].start, box[1].start, box[0].stop, box[1].stop))
        return found

    def mask(self, numbers: Collection[int], window: Window) -> NDArray[np.bool_]:
        """Which pixels of a window of the raster belong to some regions."""
        inside = self.labels[window.slices]
        if len(numbers) == 1:
            (number,) = numbers
            return np.asarray(inside == number)
        return np.isin(inside, list(numbers))

    def full(
        self, values: NDArray[np.uint8], window: Window, picture: PictureRecord
    ) -> tuple[int, int, NDArray[np.uint8]]:
        """Values of a window of the raster in the picture's own size: top, left and values."""
        shrink = self.shrink
        top, left = window.top * shrink, window.left * shrink
        grown = values.repeat(shrink, 0).repeat(shrink, 1)
        return top, left, grown[: picture.height - top, : picture.width - left]

    def middle(self, number: int) -> Place | None:
        """A place (y, x) of the picture well inside a region; None if it isn't there."""
        window = self.window({number})
        if window.is_empty:
            return None
        rows, columns = np.nonzero(self.mask({number}, window))
        # Of a bent region the mean lies outside: the pixel nearest to it doesn't.
        nearest = int(((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin())
        offset = (self.shrink - 1) / 2
        return (
            float((window.top + rows[nearest]) * self.shrink + offset),
            float((window.left + columns[nearest]) * self.shrink + offset),
        )
