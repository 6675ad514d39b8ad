"""Scribble: a line in the current class."""

from __future__ import annotations

from spml_core.annotations import Scribble
from spml_napari.layers.geometry import NOWHERE, Window
from spml_napari.tools.line import Line, cut_to_picture
from spml_napari.tools.tool import PictureTool, Place


class ScribbleTool(PictureTool):
    """A drag leaves a line as wide as the brush, a click a dot. Class and brush are those at the press."""

    cursor = "brush"

    _line: Line | None = None
    _touched: Window = NOWHERE
    _class_index = 0
    _width = 1.0

    def press(self, place: Place) -> None:
        """Begin a line."""
        self._class_index, self._width = self.session.class_index, self.session.brush
        self._line = Line(place)
        self._touched = NOWHERE
        self._draw((self._line.places[0],))

    def drag(self, place: Place) -> None:
        """Draw on."""
        piece = None if self._line is None else self._line.go_to(place)
        if piece is not None:
            self._draw(piece)

    def release(self, place: Place) -> None:
        """Make the line a mark."""
        self.drag(place)
        line, self._line = self._line, None
        if line is None:
            return
        height, width = self.picture.height, self.picture.width
        pieces = cut_to_picture(line.places, height, width, self._width / 2)
        marks = [Scribble(self._class_index, piece, self._width) for piece in pieces]
        name = self.session.classes.names[self._class_index]
        if not self.session.add_marks(marks, f"Scribble {name}"):
            self.surface.marks.restore(self._touched)

    def cancel(self) -> None:
        """Forget the line."""
        self._line = None
        self.surface.marks.restore(self._touched)

    def _draw(self, piece: tuple[Place, ...]) -> None:
        drawn = self.surface.marks.draw(piece, self._width, self._class_index)
        self._touched = self._touched.joined(drawn)
