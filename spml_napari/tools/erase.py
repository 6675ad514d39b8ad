"""Erase: a line that takes marks away."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from spml_core.annotations import Box, Erasure, KeyPoint, Mark, Patch, Point
from spml_napari.layers.geometry import NOWHERE, Window, window_of, window_of_line
from spml_napari.tools.line import Line, cut_to_picture
from spml_napari.tools.tool import PictureTool, Place


class EraseTool(PictureTool):
    """A drag rubs out what is painted under it, and takes away points and boxes whose middle or outline it touches."""

    cursor = "brush"

    _line: Line | None = None
    _touched: Window = NOWHERE
    _width = 1.0
    _found_paint = False

    def press(self, place: Place) -> None:
        """Begin to rub out."""
        self._width, self._found_paint = self.session.brush, False
        self._line = Line(place)
        self._touched = NOWHERE
        self._rub((self._line.places[0],))

    def drag(self, place: Place) -> None:
        """Rub on."""
        piece = None if self._line is None else self._line.go_to(place)
        if piece is not None:
            self._rub(piece)

    def release(self, place: Place) -> None:
        """Take away what was touched; where nothing was, nothing is written."""
        self.drag(place)
        line, self._line = self._line, None
        if line is None:
            return
        marks = self.session.marks()
        # A finger's width on the screen more: points and outlines are thin.
        reach = self._width / 2 + 3 * self.surface.pixel
        hit = [number for number, mark in marks.items() if is_hit(mark, line.places, reach)]
        pieces = cut_to_picture(line.places, self.picture.height, self.picture.width, self._width / 2)
        erasures = [
            Erasure(piece, self._width)
            for piece in pieces
            if self._found_paint or _is_over_accepted(piece, self._width, marks.values())
        ]
        if not self.session.change_marks(erasures, hit, "Erase"):
            self.surface.marks.restore(self._touched)

    def cancel(self) -> None:
        """Bring back what was rubbed out."""
        self._line = None
        self.surface.marks.restore(self._touched)

    def _rub(self, piece: tuple[Place, ...]) -> None:
        marks = self.surface.marks
        self._found_paint = self._found_paint or marks.raster.is_painted_under(piece, self._width)
        self._touched = self._touched.joined(marks.draw(piece, self._width, None))


def _is_over_accepted(piece: tuple[Place, ...], width: float, marks: Collection[Mark]) -> bool:
    """Whether a line crosses an accepted prediction: that isn't shown among the marks, but can be rubbed out too."""
    line = window_of_line(piece, width, 1)
    return any(isinstance(mark, Patch) and mark.accepted and window_of(mark, 1).meets(line) for mark in marks)


def is_hit(mark: Mark, places: Sequence[Place], reach: float) -> bool:
    """Whether a line comes within ``reach`` of a point, of a key point's centre, or of a box's outline."""
    if isinstance(mark, Point | KeyPoint):
        return _distance_to_line((mark.y, mark.x), places) <= reach
    if not isinstance(mark, Box):
        return False
    top, left, bottom, right = mark.top - 0.5, mark.left - 0.5, mark.bottom - 0.5, mark.right - 0.5
    corners = [(top, left), (top, right), (bottom, right), (bottom, left), (top, left)]
    return any(
        _distance(*edge, *piece) <= reach for edge in itertools.pairwise(corners) for piece in _pieces(places)
    )


def _pieces(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    if len(places) == 1:
        return [(places[0], places[0])]
    return list(itertools.pairwise(places))


def _distance_to_line(place: Place, places: Sequence[Place]) -> float:
    return min(_distance_to_piece(place, *piece) for piece in _pieces(places))


def _distance_to_piece(place: Place, start: Place, stop: Place) -> float:
    dy, dx = stop[0] - start[0], stop[1] - start[1]
    squared = dy * dy + dx * dx
    along = 0.0
    if squared > 0:
        along = ((place[0] - start[0]) * dy + (place[1] - start[1]) * dx) / squared
        along = min(max(along, 0.0), 1.0)
    y, x = start[0] + along * dy - place[0], start[1] + along * dx - place[1]
    return float((y * y + x * x) ** 0.5)


def _distance(a: Place, b: Place, c: Place, d: Place) -> float:
    """Least distance between the straight lines from a to b and from c to d."""
    if _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0:
        return 0.0
    return min(
        _distance_to_piece(a, c, d),
        _distance_to_piece(b, c, d),
        _distance_to_piece(c, a, b),
        _distance_to_piece(d, a, b),
    )


def _side(a: Place, b: Place, c: Place) -> float:
    """On which side of the line from a to b the place c lies: positive, negative, or 0 on it."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
