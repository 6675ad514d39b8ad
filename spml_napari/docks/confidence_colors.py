"""Confidence as a colour: dark violet for none, through orange, to pale green for certain. Told apart by anybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QImage

_STOPS = np.array([0.0, 0.45, 0.75, 1.0])
# Lightness grows evenly, and hue never tells green from red alone.
_RED, _GREEN, _BLUE = (128, 220, 225, 150), (28, 96, 180, 225), (88, 50, 70, 190)
UNKNOWN = (128, 128, 128, 90)
"""Colour (red, green, blue, alpha) of frames to which nothing was propagated yet: grey on any theme."""


def confidence_colors(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return colours of confidences.

    Parameters
    ----------
    values : ndarray (n,), float32
        0..1, NaN where nothing is known.

    Returns
    -------
    ndarray (n, 4), uint8
        Red, green, blue, alpha.
    """
    known = np.nan_to_num(np.clip(values, 0, 1), nan=0.0)
    colors = np.empty((len(values), 4), np.uint8)
    for channel, stops in enumerate((_RED, _GREEN, _BLUE)):
        colors[:, channel] = np.interp(known, _STOPS, stops).round()
    colors[:, 3] = 255
    colors[np.isnan(values)] = UNKNOWN
    return colors


def band_image(values: NDArray[np.float32]) -> QImage:
    """Return an image one pixel high with the colours of confidences, to be drawn at any height."""
    colors = np.ascontiguousarray(confidence_colors(values))
    width = len(values)
    return QImage(colors.tobytes(), width, 1, 4 * width, QImage.Format.Format_RGBA8888).copy()
