"""Borders between regions as curves of cracks, and those as straight pieces (METHODS.md 1.9 step 4).

Curves run along the corners of pixels. A curve ends where three or more regions' cracks meet, or at the frame; a
closed one is cut at its first corner. All curves are followed and split at once, by whole-array steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spml_core.segments.watershed import Floats, IntImage, Ints, border_cracks


@dataclass(frozen=True)
class BorderPieces:
    """Straight pieces of the borders between regions.

    Attributes
    ----------
    piece : ndarray, (C,) int64
        Piece of each crack, ``0..P-1``. Cracks are ordered as by ``crack_pairs``: those between a pixel and its right
        neighbour in raster order, then those below.
    direction : ndarray, (P, 2) float64
        (dy, dx) from a piece's first corner to its last; (0, 0) for one that closes on itself.
    """

    piece: Ints
    direction: Floats


def straight_pieces(regions: IntImage, tolerance: float) -> BorderPieces:
    """Split all borders where they bend (Ramer 1972, Douglas and Peucker 1973).

    Parameters
    ----------
    regions : ndarray, (H, W) int32
        Every two different 4-neighbours have a crack between them.
    tolerance : float
        Pixels that a corner may lie beside the straight line of its piece.

    Returns
    -------
    BorderPieces
    """
    ends = _crack_ends(regions)
    curve, place, forward = _follow(ends, (regions.shape[0] + 1) * (regions.shape[1] + 1))
    order = np.lexsort((place, curve))
    count = len(order)
    # The corners of the curves one after the other: a curve of n cracks has n + 1 corners.
    starts_curve = np.diff(curve[order], prepend=-1) != 0
    number = np.cumsum(starts_curve) - 1
    head = np.arange(count) + number
    corners = np.empty(count + (int(number[-1]) + 1 if count else 0), np.int64)
    walked = np.where(forward[order, None], ends[order], ends[order, ::-1])
    corners[head], corners[head + 1] = walked[:, 0], walked[:, 1]
    points = np.stack(np.divmod(corners, regions.shape[1] + 1), 1).astype(np.float64)
    piece_of_place, direction = _split(points, np.flatnonzero(starts_curve) + number[starts_curve], tolerance)
    piece = np.empty(count, np.int64)
    piece[order] = piece_of_place[head]
    return BorderPieces(piece, direction)


def _crack_ends(regions: IntImage) -> Ints:
    """The two corners (C, 2) of every crack, numbered in raster order on the grid of (H + 1) x (W + 1) corners."""
    across = regions.shape[1] + 1
    right, below = border_cracks(regions)
    y, x = np.nonzero(right)
    upright = y * across + x + 1
    row, column = np.nonzero(below)
    lying = (row + 1) * across + column
    first = np.concatenate([upright, lying])
    step = np.concatenate([np.full(len(upright), across), np.ones(len(lying), np.int64)])
    return np.stack([first, first + step], 1).astype(np.int64)


def _follow(ends: Ints, num_corners: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Curve of each crack, its place along it, and whether the curve runs through it from first corner to second.

    Every crack is walked both ways, as half-cracks ``c`` and ``c + C``. Each half-crack learns by doubling how far it
    is from the end of its walk and which half-crack is the last one there.
    """
    count = len(ends)
    halves = np.arange(2 * count)
    tail = np.concatenate([ends[:, 0], ends[:, 1]])
    tip = np.concatenate([ends[:, 1], ends[:, 0]])
    twin = (halves + count) % (2 * count) if count else halves
    leaving = np.bincount(tail, minlength=num_corners)
    through = leaving == 2
    # At a corner of two cracks the sum of the half-cracks that leave it gives the other one.
    total = np.bincount(tail, weights=halves, minlength=num_corners).astype(np.int64)
    following = np.where(through[tip], total[tip] - twin, halves)
    last, distance = _run_to_end(following)
    ring = following[last] != last
    if ring.any():
        # Nothing stops a walk around a closed curve: let its smallest corner do so.
        lowest = _lowest_of_ring(following, np.minimum(tail, tip), ring)
        stops = ring & (tip == lowest)
        following = np.where(stops, halves, following)
        last, distance = _run_to_end(following)
    walked = last < last[twin]
    half = np.where(walked[:count], halves[:count], twin[:count])
    return last[half], -distance[half], half < count


def _run_to_end(following: Ints) -> tuple[Ints, Ints]:
    """The fixed point that each element runs into and the number of steps to it."""
    reach = following.copy()
    distance = (following != np.arange(len(following))).astype(np.int64)
    for _ in range(len(following).bit_length()):
        distance = distance + distance[reach]
        further = reach[reach]
        if np.array_equal(further, reach):
            break
        reach = further
    return reach, distance


def _lowest_of_ring(following: Ints, value: Ints, ring: NDArray[np.bool_]) -> Ints:
    """Smallest value on the ring of each element that is on one."""
    lowest = value.copy()
    reach = following
    for _ in range(int(np.count_nonzero(ring)).bit_length()):
        lowest = np.minimum(lowest, lowest[reach])
        reach = reach[reach]
    return lowest


def _split(points: Floats, starts: Ints, tolerance: float) -> tuple[Ints, Floats]:
    """Pieces of the curves that start at ``starts``: the piece that leaves each point, and directions of pieces.

    A curve's last point belongs to no piece of its own; what stands there has no meaning.
    """
    count = len(points)
    ends = np.append(starts[1:], count)[: len(starts)] - 1
    breaks = np.zeros(count, bool)
    breaks[starts] = True
    curve_end = np.zeros(count, bool)
    curve_end[ends] = True
    while True:
        first = np.flatnonzero(breaks)
        if count == 0:
            return np.zeros(0, np.int64), np.zeros((0, 2))
        piece = np.cumsum(breaks) - 1
        # A piece ends on the next one's first point, unless its curve ends before.
        following = np.append(first[1:], count)
        last = np.where(curve_end[following - 1], following - 1, np.minimum(following, count - 1))
        chord = points[last] - points[first]
        length = np.hypot(chord[:, 0], chord[:, 1])
        offset = points - points[first[piece]]
        aside = np.abs(offset[:, 0] * chord[piece, 1] - offset[:, 1] * chord[piece, 0])
        # A closed piece has no line: its corners' distances from its ends take the place.
        away = np.where(
            length[piece] > 0, aside / np.maximum(length[piece], 1), np.hypot(offset[:, 0], offset[:, 1])
        )
        widest = np.maximum.reduceat(away, first)
        split = np.flatnonzero((widest > tolerance)[piece] & (away == widest[piece]))
        if len(split) == 0:
            return piece, chord
        # The first of equally far corners.
        _, firsts = np.unique(piece[split], return_index=True)
        breaks[split[firsts]] = True
