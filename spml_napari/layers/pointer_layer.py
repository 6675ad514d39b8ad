"""What lies under the cursor before it becomes a mark: a segment, or the outline of a box or circle."""

from __future__ import annotations

import math

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_napari.layers.colors import label_colormap
from spml_napari.layers.geometry import NOWHERE, Window, shrunken_shape, to_raster
from spml_napari.layers.marks_raster import VOID
from spml_napari.layers.raster_layer import put, raster_layer, show_part, show_raster


class PointerLayer:
    """A raster over the picture that shows one thing at a time and belongs to no mark.

    It is hidden while it is empty: the screen needs as long for a layer without content as for any other.
    """

    def __init__(self, classes: ClassTable) -> None:
        self.layer: Labels = raster_layer("Pointer", label_colormap(classes), opacity=0.7)
        self.layer.visible = False
        self._shrink = 1
        self._shown = NOWHERE

    def start(self, height: int, width: int, shrink: int) -> None:
        """Show nothing, over another picture of this size."""
        shape = shrunken_shape(height, width, shrink)
        if (shape, shrink) == (self.layer.data.shape, self._shrink):
            self.clear()
            return
        self._shrink = shrink
        self._shown = NOWHERE
        put(self.layer, visible=False)
        show_raster(self.layer, np.zeros(shape, np.uint8), shrink)

    def recolor(self, classes: ClassTable) -> None:
        """Take the colours of another class table."""
        self.layer.colormap = label_colormap(classes)

    def clear(self) -> None:
        """Show nothing."""
        self._send(self._blank(), NOWHERE)

    def show_mask(self, mask: NDArray[np.bool_], window: Window, class_index: int | None) -> None:
        """Show pixels in the colour of a class, or grey.

        Parameters
        ----------
        mask : ndarray (h, w), bool
            Of the raster's pixels in ``window``.
        window : Window
            Inside the raster.
        class_index : int or None
        """
        before = self._blank()
        self.layer.data[window.slices][mask] = VOID if class_index is None else class_index + 1
        self._send(before, window)

    def show_box(
        self, top: float, left: float, bottom: float, right: float, thickness: float, class_index: int
    ) -> None:
        """Show the outline of a box, from row ``top`` up to ``bottom`` of the picture, that one excluded.

        ``thickness`` is in pixels of the picture.
        """
        before = self._blank()
        shape = self.layer.data.shape
        rows = [round(to_raster(place, self._shrink)) for place in (top, bottom - 1)]
        columns = [round(to_raster(place, self._shrink)) for place in (left, right - 1)]
        window = Window(rows[0], columns[0], rows[1] + 1, columns[1] + 1).within(shape)
        if not window.is_empty:
            part = self.layer.data[window.slices]
            edge = max(1, round(thickness / self._shrink))
            part[:edge] = part[-edge:] = class_index + 1
            part[:, :edge] = part[:, -edge:] = class_index + 1
        self._send(before, window)

    def show_circle(
        self, centre: tuple[float, float], radius: float, thickness: float, class_index: int
    ) -> None:
        """Show a circle around (y, x) with a cross in its middle; all lengths in pixels of the picture."""
        before = self._blank()
        y, x = (to_raster(place, self._shrink) for place in centre)
        outer, pen = radius / self._shrink, max(1.0, thickness / self._shrink)
        reach = math.ceil(outer + pen) + 1
        window = Window(
            math.floor(y) - reach, math.floor(x) - reach, math.ceil(y) + reach + 1, math.ceil(x) + reach + 1
        ).within(self.layer.data.shape)
        if not window.is_empty:
            rows = np.arange(window.top, window.bottom)[:, None] - y
            columns = np.arange(window.left, window.right)[None, :] - x
            ring = np.abs(np.hypot(rows, columns) - outer) <= pen / 2
            arm = min(outer / 4, 5 * pen)
            cross = (np.minimum(np.abs(rows), np.abs(columns)) <= pen / 2) & (
                np.maximum(np.abs(rows), np.abs(columns)) <= arm
            )
            self.layer.data[window.slices][ring | cross] = class_index + 1
        self._send(before, window)

    def _blank(self) -> Window:
        if not self._shown.is_empty:
            self.layer.data[self._shown.slices] = 0
        return self._shown

    def _send(self, before: Window, window: Window) -> None:
        self._shown = window
        if self.layer.visible and not window.is_empty:
            show_part(self.layer, before.joined(window))
        put(self.layer, visible=not window.is_empty)
