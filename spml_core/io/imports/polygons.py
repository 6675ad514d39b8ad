"""Polygons and circles to patches, by the centres of the pixels they enclose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spml_core.annotations import UNTOUCHED, Patch

_FAR = 1e9
"""Corners farther away than this many pixels are moved here, where numbers are still exact enough."""


def polygon_patch(code: int, points: Sequence[tuple[float, float]], size: tuple[int, int]) -> Patch | None:
    """A patch of the pixels whose centre a polygon encloses; None if it encloses none of the picture.

    Where a polygon crosses itself, what an even number of its loops enclose is outside.

    Parameters
    ----------
    code : int
        Class, or IGNORE.
    points : sequence of (y, x)
        Corners in pixels from the picture's top left corner, where the first pixel's centre is (0.5, 0.5).
    size : tuple of int
        Height and width of the picture.
    """
    ys, xs = np.clip(np.array(points, float), -_FAR, _FAR).T
    top, bottom = max(math.floor(ys.min()), 0), min(math.ceil(ys.max()), size[0])
    left, right = max(math.floor(xs.min()), 0), min(math.ceil(xs.max()), size[1])
    if top >= bottom or left >= right:
        return None
    # Each side of the polygon turns outside into inside for all pixels to the right of it.
    turns = np.zeros((bottom - top, right - left + 1), np.int64)
    for y0, x0, y1, x1 in zip(ys, xs, np.roll(ys, -1), np.roll(xs, -1), strict=True):
        first, last = np.ceil(np.clip(np.sort([y0, y1]), top, bottom) - 0.5).astype(int)
        rows = np.arange(first, last)
        if len(rows):
            crossing = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            columns = np.ceil(np.clip(crossing, left, right + 1) - 0.5).astype(int)
            np.add.at(turns, (rows - top, np.minimum(columns, right) - left), 1)
    inside = turns.cumsum(axis=1)[:, :-1] % 2 == 1
    return mask_patch(code, top, left, inside)


def disc_patch(code: int, center: tuple[float, float], radius: float, size: tuple[int, int]) -> Patch | None:
    """A patch of the pixels whose centre lies within a radius; places as for ``polygon_patch``."""
    y, x = center
    top, bottom = max(math.floor(y - radius), 0), min(math.ceil(y + radius), size[0])
    left, right = max(math.floor(x - radius), 0), min(math.ceil(x + radius), size[1])
    if top >= bottom or left >= right:
        return None
    rows, columns = np.arange(top, bottom) + 0.5 - y, np.arange(left, right) + 0.5 - x
    return mask_patch(code, top, left, rows[:, None] ** 2 + columns[None] ** 2 <= radius**2)


def mask_patch(
    code: int, top: int, left: int, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Patch | None:
    """A patch of one code where a mask (h, w) at (top, left) is true; None if it is nowhere."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    part = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    labels = np.where(part, np.uint8(code), np.uint8(UNTOUCHED))
    return Patch(top + int(rows[0]), left + int(columns[0]), labels)
