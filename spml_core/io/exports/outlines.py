"""Outlines of masks along the edges of their pixels, so that nothing is lost: filled again, they are the mask.

A corner is the point (y, x) where the pixels (y-1, x-1) and (y, x) meet. The outlines of a mask turn at some corners
and go straight on at all others. In a row of corners every second stretch between two turns is part of an outline, and
in a column too: the turns, sorted by row and by column and paired, are all edges there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Outlines:
    """Closed ways around a mask and its holes. Every second edge lies in a row, the others in a column.

    Attributes
    ----------
    y, x : ndarray, (N,) int64
        The turns. Where two ways, or a way and itself, touch at a corner it stands twice.
    across, along : ndarray, (N,) int64
        For each turn the one at the other end of its edge in the row, and of that in the column.
    columns : ndarray, (N / 2, 2) int64
        Upper and lower end of every edge in a column, by column, then from top to bottom.
    ways : list of list of int
        Each begins at its upper left turn and goes along the row first. Of a connected mask the first one goes around
        the whole, the others around its holes.
    """

    y: NDArray[np.int64]
    x: NDArray[np.int64]
    across: NDArray[np.int64]
    along: NDArray[np.int64]
    columns: NDArray[np.int64]
    ways: list[list[int]]


def trace_outlines(mask: NDArray[np.bool_]) -> Outlines:
    """Find the ways around a mask and its holes.

    Pixels of the mask that touch by a corner only are held together; the holes' pixels aren't.

    Parameters
    ----------
    mask : ndarray, (h, w) bool
        Connected, by sides or corners; at least one pixel.
    """
    padded = np.pad(mask, 1)
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    turns = upper_left ^ upper_right ^ lower_left ^ lower_right
    touches = (upper_left == lower_right) & (upper_right == lower_left) & (upper_left != upper_right)
    y, x = np.nonzero(turns)
    touch_y, touch_x = np.nonzero(touches)
    # Where two pixels touch, two ways turn: one comes from above, one from below. The one from above goes to the side
    # on which it leaves the two together.
    to_left = upper_right[touches]
    none = np.zeros(len(y), bool)
    from_below = np.concatenate([none, np.zeros_like(to_left), np.ones_like(to_left)])
    to_right = np.concatenate([none, ~to_left, to_left])
    y, x = np.concatenate([y, touch_y, touch_y]), np.concatenate([x, touch_x, touch_x])

    rows = np.lexsort((to_right, x, y)).reshape(-1, 2)
    columns = np.lexsort((from_below, y, x)).reshape(-1, 2)
    across, along = np.empty(len(y), np.int64), np.empty(len(y), np.int64)
    across[rows] = rows[:, ::-1]
    along[columns] = columns[:, ::-1]
    return Outlines(
        y, x, across, along, columns, _follow(rows[:, 0].tolist(), across.tolist(), along.tolist())
    )


def _follow(starts: list[int], across: list[int], along: list[int]) -> list[list[int]]:
    ways = []
    seen = [False] * len(across)
    for start in starts:  # from the top, so each way is met at its upper left turn first
        if seen[start]:
            continue
        way = []
        at = start
        while not seen[at]:
            end = across[at]
            seen[at] = seen[end] = True
            way += [at, end]
            at = along[end]
        ways.append(way)
    return ways


def polygon_of(outlines: Outlines, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """One polygon around the mask and all its holes, which are joined to it by cuts of no width.

    From each hole's upper left turn a cut goes to the left up to the next outline. That one reaches higher up, or as
    high and further to the left, so no cut leads back and all end at the outermost way.

    Parameters
    ----------
    outlines : Outlines
        Of ``mask``.
    mask : ndarray, (h, w) bool

    Returns
    -------
    ndarray, (N, 2) int64
        x and y, at least four points. Filled, by the even-odd or the non-zero rule, it is the mask.
    """
    y, x = outlines.y.tolist(), outlines.x.tolist()
    following = [0] * len(y)
    leaves_along_column = [False] * len(y)
    for number, way in enumerate(outlines.ways):
        # Around holes the other way, so that filling by winding number gives the same.
        turns = way if number == 0 else way[::-1]
        for here, there in zip(turns, [*turns[1:], turns[0]], strict=True):
            following[here] = there
        for here in turns[1::2]:
            leaves_along_column[here] = True

    stride = mask.shape[0] + 2
    tops = outlines.columns[:, 0]
    keys = outlines.x[tops] * stride + outlines.y[tops]
    cuts = []
    for way in outlines.ways[1:]:
        start = way[0]
        free = np.flatnonzero(~mask[y[start], : x[start]])
        end = int(free[-1]) + 1 if free.size else 0
        top, bottom = outlines.columns[
            np.searchsorted(keys, end * stride + y[start], side="right") - 1
        ].tolist()
        goes_down = leaves_along_column[top]
        # Every cut of an edge is put in right behind its first end, so the one nearest to that comes last.
        cuts.append((-y[start] if goes_down else y[start], top if goes_down else bottom, start, end))
    for _, tail, start, end in sorted(cuts):
        before = int(outlines.across[start])
        there, back, again = len(y), len(y) + 1, len(y) + 2
        y += [y[start]] * 3
        x += [end, end, x[start]]
        following += [start, following[tail], back]
        following[tail] = there
        following[before] = again

    points: list[tuple[int, int]] = []
    at = first = outlines.ways[0][0]
    while True:
        if not points or points[-1] != (x[at], y[at]):
            points.append((x[at], y[at]))
        at = following[at]
        if at == first:
            return np.array(points, np.int64)
