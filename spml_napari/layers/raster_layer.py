"""A napari Labels layer that only shows: nobody edits it but us, and only the touched part is sent to the screen."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from spml_napari.layers.geometry import Window, placement


def raster_layer(name: str, colormap: DirectLabelColormap, opacity: float = 1.0) -> Labels:
    """Return a Labels layer of one pixel that napari's own tools can't draw on."""
    layer = Labels(np.zeros((1, 1), np.uint8), name=name, colormap=colormap, opacity=opacity)
    layer.editable = False
    return layer


def put(layer: Layer, **wanted: Any) -> None:
    """Set attributes of a layer that aren't as wanted yet: to napari each setting is a change, and costs time."""
    for name, value in wanted.items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)


def give_data(layer: Layer, data: Any) -> None:
    """Give a layer other data, and let it know their extent, also while it is hidden."""
    layer.data = data
    if not layer.visible:
        # Napari would go on with the extent of the data before; a new scale makes it look again.
        layer.scale = layer.scale


def show_raster(layer: Labels, values: NDArray[np.uint8], shrink: int) -> None:
    """Show another raster, ``shrink`` times smaller than the picture under it.

    The array is kept, so that parts of it may be written to; see :func:`show_part`.
    """
    put(layer, **placement(shrink))
    give_data(layer, values)
    # New data make a layer editable again. Only a layer that isn't has no strokes of its own, so that nothing can be
    # undone into the raster of another picture.
    layer.editable = False


def show_part(layer: Labels, window: Window) -> None:
    """Send a part of the layer's array, which was written to, to the screen: no more than that is uploaded."""
    if window.is_empty or not layer.visible:
        return
    part = np.ascontiguousarray(layer.data[window.slices])
    layer.events.labels_update(data=part, offset=[window.top, window.left])
