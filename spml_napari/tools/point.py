"""Point: a click in the current class."""

from __future__ import annotations

from spml_core.annotations import Point
from spml_napari.tools.tool import PictureTool, Place


class PointTool(PictureTool):
    """A click leaves a point where the button went down."""

    cursor = "cross"

    _place: Place | None = None

    def press(self, place: Place) -> None:
        """Remember the place."""
        self._place = place

    def release(self, place: Place) -> None:
        """Make it a mark."""
        pressed, self._place = self._place, None
        if pressed is not None:
            y, x = round(pressed[0], 2), round(pressed[1], 2)
            mark = Point(
                self.session.class_index, min(y, self.picture.height - 1), min(x, self.picture.width - 1)
            )
            self.session.add_marks([mark], f"Point {self.class_name}")

    def cancel(self) -> None:
        """Forget the place."""
        self._place = None
