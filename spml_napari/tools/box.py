"""Box: a rectangle around an object of the current class."""

from __future__ import annotations

import math

from spml_core.annotations import Box
from spml_napari.tools.object_class import is_object_class
from spml_napari.tools.tool import PictureTool, Place

_LEAST_SIDE = 4
"""A drag over fewer pixels of the screen is taken for a slip."""


class BoxTool(PictureTool):
    """A drag from corner to corner leaves a box around all pixels that it touched."""

    cursor = "cross"

    _corner: Place | None = None
    _class_index = 0

    def press(self, place: Place) -> None:
        """Set the first corner."""
        if is_object_class(self.session, "box"):
            self._corner, self._class_index = place, self.session.class_index

    def drag(self, place: Place) -> None:
        """Show the box as it would be."""
        if self._corner is not None:
            self.surface.pointer.show_box(
                *self._edges(self._corner, place), 2 * self.surface.pixel, self._class_index
            )

    def release(self, place: Place) -> None:
        """Make it a mark."""
        corner = self._corner
        self.cancel()
        if corner is None:
            return
        if min(abs(corner[0] - place[0]), abs(corner[1] - place[1])) < _LEAST_SIDE * self.surface.pixel:
            self.surface.say("Drag from one corner of the object to the other.")
            return
        box = Box(self._class_index, *self._edges(corner, place))
        self.session.add_marks([box], f"Box {self.session.classes.names[self._class_index]}")

    def cancel(self) -> None:
        """Forget the corner."""
        if self._corner is not None:
            self._corner = None
            self.surface.pointer.clear()

    def _edges(self, one: Place, other: Place) -> tuple[float, float, float, float]:
        """Top, left, bottom and right of the box around the pixels from one corner to the other, in the picture."""
        top, bottom = _span(one[0], other[0], self.picture.height)
        left, right = _span(one[1], other[1], self.picture.width)
        return top, left, bottom, right


def _span(one: float, other: float, size: int) -> tuple[float, float]:
    """First pixel, and the one after the last, of those between two places, of ``size`` pixels."""
    first, last = (min(max(math.floor(place + 0.5), 0), size - 1) for place in sorted((one, other)))
    return float(first), float(last + 1)
