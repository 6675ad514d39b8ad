"""Pictures with their classes blended in, for people to look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.errors import PictureError
from spml_core.io.atomic import write_atomic
from spml_core.io.exports.exporter import Exporter, ExportOptions, LabelledPicture

_ROWS = 512
_JPEG_SIDE = 65_535


class OverlayExporter(Exporter):
    """``NAME.png`` or ``NAME.jpg``: the picture as 8-bit RGB, each class but the background in its colour.

    Classes have a contour one pixel wide, in full colour.
    """

    def add(self, item: LabelledPicture) -> Path:  # noqa: D102
        is_jpeg = self.options.overlay_file == "jpg"
        if is_jpeg and max(item.labels.shape) > _JPEG_SIDE:
            raise PictureError(
                f"{item.path} is {item.labels.shape[0]} x {item.labels.shape[1]} pixels;"
                f" a JPEG holds up to {_JPEG_SIDE} a side.",
                "Choose PNG.",
            )
        colors, tinted = overlay_colors(self.classes, self.options)
        rgb = blend(item.read_rgb(), item.labels, colors, tinted, self.options.opacity)
        path = self.out / f"{item.name}.{self.options.overlay_file}"
        image = Image.fromarray(rgb)
        if is_jpeg:
            write_atomic(path, lambda file: image.save(file, format="JPEG", quality=90, subsampling=0))
        else:
            write_atomic(path, lambda file: image.save(file, format="PNG"))
        return path


def overlay_colors(
    classes: ClassTable, options: ExportOptions
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colours by code, (256, 3) uint8, and which codes are shown, (256,) bool: all classes but the background."""
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(classes)] = [info.color for info in classes]
    tinted = np.zeros(256, bool)
    tinted[list(options.object_classes(classes))] = True
    return colors, tinted


def blend(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    colors: NDArray[np.uint8],
    tinted: NDArray[np.bool_],
    opacity: float,
) -> NDArray[np.uint8]:
    """Tint a picture by its labels and draw contours.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
    labels : ndarray, (H, W) uint8
    colors : ndarray, (256, 3) uint8
        By code.
    tinted : ndarray, (256,) bool
        Codes to show; under the others the picture stays as it is.
    opacity : float
        0..1.

    Returns
    -------
    ndarray, (H, W, 3) uint8
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    weights = np.where(tinted, round(opacity * 255), 0).astype(np.uint8)
    out = np.empty_like(rgb)
    for top in range(0, len(rgb), _ROWS):  # in bands: sums need twice the bytes
        above = min(top, 1)
        codes = labels[top - above : top + _ROWS + 1]
        contour = cv2.dilate(codes, cross) != cv2.erode(codes, cross)
        band = np.s_[above : above + min(_ROWS, len(rgb) - top)]
        codes, contour = codes[band], contour[band]
        weight = np.where(contour & tinted[codes], 255, weights[codes]).astype(np.uint16)[..., None]
        part = rgb[top : top + _ROWS] * (255 - weight) + colors[codes] * weight
        out[top : top + _ROWS] = (part + 127) // 255
    return out
