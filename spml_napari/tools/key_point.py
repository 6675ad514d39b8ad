"""Key point: the centre of a part of an object, with the object's size."""

from __future__ import annotations

import math

from spml_core.annotations import KeyPoint
from spml_napari.tools.object_class import is_object_class
from spml_napari.tools.tool import PictureTool, Place

_LEAST_RADIUS = 4
"""A drag over fewer pixels of the screen is a click."""
_SIZE_AT_FIRST = 1 / 6
"""Of the picture's shorter side."""


class KeyPointTool(PictureTool):
    """A press sets the centre; a drag opens a circle about as large as the object. A click takes the last size."""

    cursor = "cross"

    _centre: Place | None = None
    _class_index = 0

    def press(self, place: Place) -> None:
        """Set the centre."""
        if is_object_class(self.session, "key point"):
            self._centre, self._class_index = place, self.session.class_index
            self._show(self.size)

    def drag(self, place: Place) -> None:
        """Show the circle as it would be."""
        if self._centre is not None:
            self._show(self._size_to(place))

    def release(self, place: Place) -> None:
        """Make it a mark."""
        centre = self._centre
        if centre is None:
            return
        size = round(self._size_to(place), 2)
        self.cancel()
        y, x = (
            min(round(centre[0], 2), self.picture.height - 1),
            min(round(centre[1], 2), self.picture.width - 1),
        )
        name = self.session.classes.names[self._class_index]
        if self.session.add_marks([KeyPoint(self._class_index, y, x, size)], f"Key point {name}"):
            self.session.key_point_size = size

    def cancel(self) -> None:
        """Forget the centre."""
        if self._centre is not None:
            self._centre = None
            self.surface.pointer.clear()

    @property
    def size(self) -> float:
        """What a click takes: the last key point's size, or at first a sixth of the picture's shorter side."""
        return self.session.key_point_size or _SIZE_AT_FIRST * min(self.picture.height, self.picture.width)

    def _size_to(self, place: Place) -> float:
        """Size whose circle goes through a place."""
        assert self._centre is not None
        radius = math.dist(self._centre, place)
        return self.size if radius < _LEAST_RADIUS * self.surface.pixel else size_of(radius)

    def _show(self, size: float) -> None:
        assert self._centre is not None
        self.surface.pointer.show_circle(
            self._centre, radius_of(size), 2 * self.surface.pixel, self._class_index
        )


def radius_of(size: float) -> float:
    """Radius of the circle of the same area as a square of this side."""
    return size / math.sqrt(math.pi)


def size_of(radius: float) -> float:
    """Side of the square of the same area as a circle: the inverse of :func:`radius_of`."""
    return radius * math.sqrt(math.pi)
