"""Polygons and circles to patches, by the centres of the pixels they enclose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spml_core.annotations import UNTOUCHED, Patch

_FAR = 1e9
"""Corners farther away than this many pixels are moved here, where numbers are still exact enough."""

_MOST_CROSSINGS = 2**25
"""Times that a polygon may cross the middles of the picture's rows, if it hasn't more pixels: a few seconds.
More is no outline of anything."""

_AT_ONCE = 2**20
"""Crossings that are worked out at once."""


def polygon_patch(code: int, points: Sequence[tuple[float, float]], size: tuple[int, int]) -> Patch | None:
    """A patch of the pixels whose centre a polygon encloses; None if it encloses none of the picture, or is a tangle.

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
    next_ys, next_xs = np.roll(ys, -1), np.roll(xs, -1)
    ends = np.ceil(np.clip(np.sort([ys, next_ys], axis=0), top, bottom) - 0.5).astype(np.int64)
    sides = np.flatnonzero(ends[1] > ends[0])
    first, count = ends[0, sides], ends[1, sides] - ends[0, sides]
    through = np.cumsum(count)
    if not len(sides) or through[-1] > max(_MOST_CROSSINGS, size[0] * size[1]):
        return None
    y0, x0 = ys[sides], xs[sides]
    slope = (next_xs[sides] - x0) / (next_ys[sides] - y0)
    # Each side of the polygon turns outside into inside for all pixels to the right of it.
    turns = np.zeros((bottom - top, right - left + 1), np.int32)
    cuts = np.searchsorted(through, np.arange(0, through[-1], _AT_ONCE), side="right")
    for some in np.split(np.arange(len(sides)), cuts[1:]):
        many = count[some]
        of = np.repeat(some, many)
        rows = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(many) - many, many)
        crossing = x0[of] + (rows + 0.5 - y0[of]) * slope[of]
        columns = np.ceil(np.clip(crossing, left, right + 1) - 0.5).astype(np.int64)
        np.add.at(turns, (rows - top, np.minimum(columns, right) - left), 1)
    inside = turns.cumsum(axis=1)[:, :-1] % 2 == 1
    return mask_patch(code, top, left, inside)


def disc_patch(code: int, center: tuple[float, float], radius: float, size: tuple[int, int]) -> Patch | None:
    """A patch of the pixels whose centre lies within a radius; places as for ``polygon_patch``."""
    y, x = np.clip(center, -_FAR, _FAR).tolist()
    radius = min(radius, 4 * _FAR)
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
