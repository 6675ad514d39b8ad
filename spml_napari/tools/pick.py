"""Pick: give segments of the over-segmentation a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from spml_core.annotations import UNTOUCHED, Patch
from spml_napari.layers.geometry import Window
from spml_napari.session import Session
from spml_napari.tools.tool import PictureTool, Place, Surface

Regions: TypeAlias = NDArray[np.int32]
"""Regions of the picture as it is displayed, (h, w), numbered from 0; negative pixels belong to none."""

RegionsProvider: TypeAlias = Callable[[], Regions | None]

WAITING = "The picture is being cut into segments; they can be picked in a moment."


class PickTool(PictureTool):
    """The segment under the cursor is highlighted; a click gives it the class, a drag all segments it comes across.

    Parameters
    ----------
    session : Session
    surface : Surface
    provider : callable
        Returns the regions of the current picture at the display's size, or None until they are known.
    """

    cursor = "cross"

    def __init__(self, session: Session, surface: Surface, provider: RegionsProvider) -> None:
        super().__init__(session, surface)
        self._provider = provider
        self._regions: Regions | None = None
        self._boxes: list[tuple[slice, slice] | None] = []
        self._highlighted: tuple[frozenset[int], int] = (frozenset(), -1)
        self._picked: set[int] = set()
        self._is_down = False
        self._cursor: Place | None = None
        self._class_index = 0

    def press(self, place: Place) -> None:
        """Begin to pick."""
        self._look()
        if self._regions is None:
            self.surface.say(WAITING)
            return
        self._is_down, self._class_index = True, self.session.class_index
        self._picked = set()
        self._pick(place)

    def drag(self, place: Place) -> None:
        """Pick the segment that the cursor comes to."""
        if self._is_down:
            self._pick(place)

    def release(self, place: Place) -> None:
        """Make the picked segments a mark."""
        if not self._is_down:
            return
        picked, regions = self._picked, self._regions
        self.cancel()
        if picked and regions is not None:
            patch = self._patch(regions, picked)
            name = self.session.classes.names[self._class_index]
            self.session.add_marks([patch], f"Pick {name}")

    def cancel(self) -> None:
        """Forget what was picked."""
        self._is_down = False
        self._picked = set()
        self._highlight(frozenset(), -1)

    def hover(self, place: Place | None) -> None:
        """Highlight the segment under the cursor."""
        self._cursor = place
        if self._is_down:
            return
        number = None
        if place is not None:
            self._look()
            number = self._number_at(place)
        self._highlight(frozenset() if number is None else frozenset({number}), self.session.class_index)

    def look_again(self) -> None:
        """Regions came or went: highlight what the cursor is over now."""
        if not self._is_down:
            self.hover(self._cursor)

    def _look(self) -> None:
        regions = self._provider()
        if regions is not None and regions.shape != self.surface.marks.raster.values.shape:
            regions = None
        if regions is not self._regions:
            self._regions = regions
            self._highlighted = (frozenset(), -1)
            self._boxes = [] if regions is None else find_objects(regions + 1)

    def _number_at(self, place: Place) -> int | None:
        if self._regions is None:
            return None
        shrink = self.surface.marks.raster.shrink
        row, column = int((place[0] + 0.5) // shrink), int((place[1] + 0.5) // shrink)
        height, width = self._regions.shape
        if not (0 <= row < height and 0 <= column < width):
            return None
        number = int(self._regions[row, column])
        return number if number >= 0 else None

    def _pick(self, place: Place) -> None:
        number = self._number_at(place)
        if number is not None:
            self._picked.add(number)
        self._highlight(frozenset(self._picked), self._class_index)

    def _highlight(self, numbers: frozenset[int], class_index: int) -> None:
        if (numbers, class_index) == self._highlighted:
            return
        self._highlighted = (numbers, class_index)
        if not numbers or self._regions is None:
            self.surface.pointer.clear()
            return
        window = self._window(numbers)
        mask = np.isin(self._regions[window.slices], list(numbers))
        self.surface.pointer.show_mask(mask, window, class_index)

    def _window(self, numbers: frozenset[int]) -> Window:
        boxes = [self._boxes[number] for number in numbers]
        known = [box for box in boxes if box is not None]
        return Window(
            min(box[0].start for box in known),
            min(box[1].start for box in known),
            max(box[0].stop for box in known),
            max(box[1].stop for box in known),
        )

    def _patch(self, regions: Regions, numbers: set[int]) -> Patch:
        """A raster in the picture's own size around the picked segments."""
        window, shrink = self._window(frozenset(numbers)), self.surface.marks.raster.shrink
        mask = np.isin(regions[window.slices], list(numbers))
        mask = mask.repeat(shrink, 0).repeat(shrink, 1)
        top, left = window.top * shrink, window.left * shrink
        mask = mask[: self.picture.height - top, : self.picture.width - left]
        labels = np.where(mask, np.uint8(self._class_index), np.uint8(UNTOUCHED))
        return Patch(top, left, labels)
