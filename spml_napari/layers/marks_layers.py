"""The marks of the open picture: painted ones as a raster, points, boxes and key points as shapes over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from napari.layers import Labels, Layer, Points, Shapes
from numpy.typing import NDArray

from spml_core.annotations import Box, KeyPoint, Mark, Point
from spml_core.classes import ClassTable
from spml_napari.layers.colors import class_colors, label_colormap
from spml_napari.layers.geometry import Window
from spml_napari.layers.marks_raster import MarksRaster
from spml_napari.layers.raster_layer import put, raster_layer, show_part, show_raster

POINT_DIAMETER = 7.0
"""In pixels of the picture: what a point teaches, radius 3 and its own pixel."""

_POINT_LIMITS = (9, 60)
_RING_SHARE = 0.2
"""Diameter of a key point's ring, of the size of its object: about the part itself."""
_CROSS_SHARE = 0.3
"""Of the ring's diameter."""
_KEY_POINT_LIMITS = (13, 400)


class MarksLayers:
    """Four layers that show marks; changes go from the session to them, never back.

    Parameters
    ----------
    classes : ClassTable
        Its colours are used until :meth:`recolor`.

    Attributes
    ----------
    raster : MarksRaster
        What the painted layer shows.
    painted : napari.layers.Labels
    points : napari.layers.Points
    key_points : napari.layers.Points
        A ring and a cross for each, one after the other.
    boxes : napari.layers.Shapes
    """

    def __init__(self, classes: ClassTable) -> None:
        self._classes = classes
        self.raster = MarksRaster(1, 1)
        self.painted: Labels = raster_layer("Marks", label_colormap(classes), opacity=0.85)
        self.points = Points(
            np.empty((0, 2)),
            ndim=2,
            name="Points",
            size=POINT_DIAMETER,
            border_color="white",
            border_width=0.15,
            canvas_size_limits=_POINT_LIMITS,
        )
        self.key_points = Points(
            np.empty((0, 2)),
            ndim=2,
            name="Key points",
            border_width_is_relative=False,
            canvas_size_limits=_KEY_POINT_LIMITS,
            visible=False,
        )
        self.boxes = Shapes(None, ndim=2, name="Boxes", face_color="transparent", opacity=1.0)
        self._points: list[Point] = []
        self._key_points: list[KeyPoint] = []
        self._boxes: list[Box] = []
        self._line_width = 1.0
        for layer in self.layers:
            layer.editable = False

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, lowest first."""
        return self.painted, self.boxes, self.key_points, self.points

    def start(self, height: int, width: int, shrink: int, marks: Mapping[int, Mark]) -> None:
        """Show the marks of another picture of this size."""
        before, self.raster = self.raster, MarksRaster(height, width, shrink)
        self.raster.follow(marks)
        if before.is_blank and self.raster.is_blank and before.is_like(self.raster):
            # Frames without marks, one after the other: nothing needs to go to the screen.
            self.raster = before
        else:
            show_raster(self.painted, self.raster.values, shrink)
        # Seen from afar an outline of one pixel would vanish.
        line_width = max(1.0, max(height, width) / 250)
        if line_width != self._line_width:
            self._line_width, self._boxes, self._key_points = line_width, [], []
        self._show_shapes(marks)

    def follow(self, marks: Mapping[int, Mark]) -> None:
        """Show how the marks of the same picture stand now."""
        show_part(self.painted, self.raster.follow(marks))
        self._show_shapes(marks)

    def recolor(self, classes: ClassTable) -> None:
        """Take the colours of another class table."""
        self._classes = classes
        self.painted.colormap = label_colormap(classes)
        self._color_points()
        self._color_key_points()
        self._color_boxes()

    def draw(self, points: tuple[tuple[float, float], ...], width: float, class_index: int | None) -> Window:
        """Show a piece of a line that is being drawn (class None: rubbed out); what it touched."""
        window = self.raster.draw(points, width, class_index)
        show_part(self.painted, window)
        return window

    def restore(self, window: Window) -> None:
        """Show a part as the marks have it again, without what was drawn since."""
        show_part(self.painted, self.raster.repaint(window))

    def _show_shapes(self, marks: Mapping[int, Mark]) -> None:
        points = [mark for mark in marks.values() if isinstance(mark, Point)]
        boxes = [mark for mark in marks.values() if isinstance(mark, Box)]
        key_points = [mark for mark in marks.values() if isinstance(mark, KeyPoint)]
        if points != self._points:
            self._points = points
            self.points.data = np.array([(mark.y, mark.x) for mark in points]).reshape(-1, 2)
            self.points.selected_data = set()
            self._color_points()
            self.points.editable = False
        if key_points != self._key_points:
            self._key_points = key_points
            self._draw_key_points()
            self.key_points.editable = False
        if boxes != self._boxes or len(boxes) != len(self.boxes.data):
            self._boxes = boxes
            self._draw_boxes()
            self.boxes.editable = False

    def _color_points(self) -> None:
        if self._points:
            colors = class_colors(self._classes)
            self.points.face_color = colors[self._indexes(self._points)]
            self.points.size = POINT_DIAMETER
            self.points.refresh()

    def _draw_key_points(self) -> None:
        """A ring and then a cross at each place."""
        places = np.array([(mark.y, mark.x) for mark in self._key_points]).reshape(-1, 2)
        self.key_points.data = places.repeat(2, 0)
        if self._key_points:
            rings = np.array([_RING_SHARE * mark.size for mark in self._key_points])
            self.key_points.size = np.column_stack([rings, _CROSS_SHARE * rings]).ravel()
            self.key_points.border_width = self._line_width
            self.key_points.symbol = ["disc", "cross"] * len(self._key_points)
            self._color_key_points()
        self.key_points.selected_data = set()
        # The screen needs as long for a layer without content as for any other.
        put(self.key_points, visible=bool(self._key_points))

    def _color_key_points(self) -> None:
        if self._key_points:
            colors = class_colors(self._classes)[self._indexes(self._key_points)].repeat(2, 0)
            faces = colors.copy()
            faces[::2, 3] = 0
            self.key_points.border_color, self.key_points.face_color = colors, faces
            self.key_points.refresh()

    def _draw_boxes(self) -> None:
        self.boxes.data = []
        if self._boxes:
            self.boxes.add_rectangles(
                [_corners(box) for box in self._boxes],
                edge_width=self._line_width,
                edge_color=class_colors(self._classes)[self._indexes(self._boxes)],
                face_color="transparent",
            )
        self.boxes.selected_data = set()

    def _color_boxes(self) -> None:
        if self._boxes:
            self.boxes.edge_color = class_colors(self._classes)[self._indexes(self._boxes)]

    def _indexes(self, marks: Sequence[Point | KeyPoint | Box]) -> NDArray[np.intp]:
        # While classes are being edited the table may already be shorter than the marks know.
        return np.array([min(mark.class_index, len(self._classes) - 1) for mark in marks], np.intp)


def _corners(box: Box) -> NDArray[np.float64]:
    """Outline of a box along the edges of its outermost pixels, whose centres are whole numbers."""
    top, left, bottom, right = (edge - 0.5 for edge in (box.top, box.left, box.bottom, box.right))
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
