"""Pick: give segments of the over-segmentation a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from spml_core.annotations import UNTOUCHED, Patch
from spml_napari.session import Session
from spml_napari.tools.region_map import RegionMap, Regions
from spml_napari.tools.tool import PictureTool, Place, Surface

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
        self._regions: RegionMap | None = None
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
            number = None if self._regions is None else self._regions.number_at(place)
        self._highlight(frozenset() if number is None else frozenset({number}), self.session.class_index)

    def look_again(self) -> None:
        """Regions came or went: highlight what the cursor is over now."""
        if not self._is_down:
            self.hover(self._cursor)

    def _look(self) -> None:
        labels, raster = self._provider(), self.surface.marks.raster
        if labels is not None and labels.shape != raster.values.shape:
            labels = None
        known = None if self._regions is None else self._regions.labels
        if labels is not known:
            self._regions = None if labels is None else RegionMap(labels, raster.shrink)
            self._highlighted = (frozenset(), -1)

    def _pick(self, place: Place) -> None:
        number = None if self._regions is None else self._regions.number_at(place)
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
        window = self._regions.window(numbers)
        self.surface.pointer.show_mask(self._regions.mask(numbers, window), window, class_index)

    def _patch(self, regions: RegionMap, numbers: set[int]) -> Patch:
        """A raster in the picture's own size around the picked segments."""
        window = regions.window(numbers)
        mask = regions.mask(numbers, window)
        labels = np.where(mask, np.uint8(self._class_index), np.uint8(UNTOUCHED))
        return Patch(*regions.full(labels, window, self.picture))
