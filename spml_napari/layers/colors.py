"""The class table's colours as napari takes them: one table for marks, predictions, points and boxes."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from spml_core.classes import ClassTable
from spml_napari.layers.marks_raster import VOID

HATCHING = 254
"""Raster value of the stripes over what is unsure."""

_HATCHING_COLOR = (1.0, 1.0, 1.0, 0.9)
_VOID_COLOR = (0.5, 0.5, 0.5, 0.6)
_CLEAR = (0.0, 0.0, 0.0, 0.0)


def rgba(color: tuple[int, int, int], alpha: float = 1.0) -> tuple[float, float, float, float]:
    """Return a class's colour (0..255) as red, green, blue and alpha in 0..1."""
    red, green, blue = color
    return red / 255, green / 255, blue / 255, alpha


def class_colors(classes: ClassTable) -> NDArray[np.float32]:
    """Colours of all classes, (K, 4) float32 in 0..1."""
    return np.array([rgba(info.color) for info in classes], np.float32)


def label_colormap(classes: ClassTable, hidden: Set[int] = frozenset()) -> DirectLabelColormap:
    """Colours of raster values: a class's code + 1, 0 and ``hidden`` classes clear, void grey, hatching white.

    Parameters
    ----------
    classes : ClassTable
    hidden : set of int
        Codes of classes that aren't shown.
    """
    # napari takes a table of nothing but None and 0 for no table at all, so hidden classes stay in it.
    colors: dict[int | None, tuple[float, float, float, float]] = {
        None: _CLEAR,
        0: _CLEAR,
        HATCHING: _HATCHING_COLOR,
        VOID: _VOID_COLOR,
    }
    for code, info in enumerate(classes):
        colors[code + 1] = _CLEAR if code in hidden else rgba(info.color)
    return DirectLabelColormap(color_dict=colors)
