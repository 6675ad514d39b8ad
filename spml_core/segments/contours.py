"""Edge strength of a picture from colour gradients at several scales (METHODS.md 1.9 step 1)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.errors import PictureError

# Lab units per pixel (summed over scales) at which the strength reaches 1 - 1/e.
_TYPICAL = 60.0


def edge_strength(rgb: NDArray[np.uint8], scales: Sequence[float] = (1.5, 3.0)) -> NDArray[np.float32]:
    """Gradient magnitude in CIE Lab, averaged over Gaussian scales and squeezed into 0..1.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
        sRGB picture.
    scales : sequence of float
        Standard deviations of the Gaussian blur, in pixels.

    Returns
    -------
    ndarray, (H, W) float32
        0 in flat areas, towards 1 on strong contours. The scale is absolute, so tiles of one picture agree.

    Raises
    ------
    PictureError
        If the picture isn't (H, W, 3) of 8 bit or has no pixel.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise PictureError(
            f"Contours need an RGB picture of 8 bit; this one has shape {rgb.shape} and type {rgb.dtype}.",
            "Convert it to (rows, columns, 3) uint8 first.",
        )
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    total = np.zeros(rgb.shape[:2], np.float32)
    for scale in scales:
        smooth = cv2.GaussianBlur(lab, (0, 0), scale, borderType=cv2.BORDER_REFLECT)
        across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
        down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
        # Channels add up: a contour seen in lightness and in colour is stronger than either.
        total += cv2.magnitude(across, down).reshape(*rgb.shape[:2], 3).sum(2)
    # Rounding noise in flat areas would otherwise make regions of nothing.
    quantised = np.round(total * 1024) / 1024
    strength: NDArray[np.float32] = -np.expm1(quantised / (-_TYPICAL * len(scales)))
    return strength
