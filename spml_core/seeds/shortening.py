"""Shorter scribbles, for studying how little a person needs to draw (METHODS.md 1.10.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.morphology import skeletonize

from spml_core.annotations import Scribble, rasterize
from spml_core.classes import IGNORE, MAX_CLASSES
from spml_core.errors import ConfigError

Anchor: TypeAlias = Literal["middle", "start", "random"]
"""Which stretch of a line is kept: around its middle, from its start, or one by lot."""

RATIOS = (1.0, 0.8, 0.5, 0.3, 0.0)
"""The shares of the published scribble sets."""

DOT_DIAMETER = 6.0
LINE_WIDTH = 3.0

_EIGHT = np.ones((3, 3), int)


def shorten_scribbles(
    scribbles: Iterable[Scribble], ratio: float, *, anchor: Anchor = "middle", seed: int = 0
) -> list[Scribble]:
    """Keep one stretch of each scribble, ``ratio`` times as long.

    At ratio 0 each becomes a dot of 6 pixels' diameter at its middle, whatever the anchor.

    Parameters
    ----------
    scribbles : iterable of Scribble
    ratio : float
        From 0 to 1; 1 leaves the scribbles as they are.
    anchor : str
        See :data:`Anchor`.
    seed : int
        For ``"random"``.

    Raises
    ------
    ConfigError
        If the ratio is out of range or the anchor unknown.
    """
    _check(ratio, anchor)
    rng = np.random.default_rng(seed)
    return [_shortened(scribble, ratio, anchor, rng) for scribble in scribbles]


def shorten_raster(
    labels: NDArray[np.uint8],
    ratio: float,
    *,
    unlabeled: int = IGNORE,
    anchor: Anchor = "middle",
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Shorten scribbles that are known only as pixels.

    Each 8-connected piece of a class counts as one scribble. Its line is the longest of the shortest ways between two
    points of its skeleton; shortened, it is drawn anew 3 pixels wide.

    Parameters
    ----------
    labels : ndarray (H, W), uint8
        Classes, and ``unlabeled`` where nobody drew. If that isn't 255, pixels of 255 (IGNORE) stay as they
        are.
    ratio, anchor, seed
        As for :func:`shorten_scribbles`.
    unlabeled : int

    Returns
    -------
    ndarray (H, W), uint8
        At ratio 1 a copy of ``labels``.

    Raises
    ------
    ConfigError
        If the ratio is out of range or the anchor unknown.
    """
    _check(ratio, anchor)
    if ratio == 1:
        return labels.copy()
    lines = [
        Scribble(int(code), tuple(map(tuple, line.tolist())), LINE_WIDTH)
        for code in np.unique(labels)
        if code not in (unlabeled, IGNORE)
        for line in piece_lines(labels == code)
    ]
    shape: tuple[int, int] = labels.shape[0], labels.shape[1]
    drawn = rasterize(shorten_scribbles(lines, ratio, anchor=anchor, seed=seed), shape, MAX_CLASSES)
    drawn[drawn == MAX_CLASSES] = unlabeled
    if unlabeled != IGNORE:
        drawn[labels == IGNORE] = IGNORE
    return drawn


def piece_lines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """The line through each 8-connected piece of a mask (H, W): its points as (y, x), each (n, 2)."""
    pieces, _ = ndimage.label(mask, structure=_EIGHT)
    lines = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        skeleton = skeletonize(pieces[box] == number)  # type: ignore[no-untyped-call]
        lines.append(longest_way(skeleton) + np.array([box[0].start, box[1].start]))
    return lines


def longest_way(skeleton: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The longest of the shortest ways between two pixels of a skeleton, (n, 2) as (y, x), end to end.

    Ways step to the eight neighbours. The ends are found as the pixel farthest from any one, and the one farthest from
    that: exactly the longest in a skeleton without loops, and nearly in others.

    Parameters
    ----------
    skeleton : ndarray (h, w), bool
        Connected, and not empty.
    """
    y, x = np.nonzero(skeleton)
    number = np.full((skeleton.shape[0] + 2, skeleton.shape[1] + 2), -1)
    number[y + 1, x + 1] = np.arange(len(y))
    starts, stops, steps = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = number[y + 1 + dy, x + 1 + dx]
        start = np.flatnonzero(other >= 0)
        starts.append(start)
        stops.append(other[start])
        steps.append(np.full(len(start), np.hypot(dy, dx)))
    ends = (np.concatenate(starts), np.concatenate(stops))
    graph = coo_array((np.concatenate(steps), ends), shape=(len(y), len(y))).tocsr()
    first = _farthest(dijkstra(graph, directed=False, indices=0))
    away, before = dijkstra(graph, directed=False, indices=first, return_predecessors=True)
    at = _farthest(away)
    way = [at]
    while at != first:
        at = int(before[at])
        way.append(at)
    return np.stack([y[way], x[way]], axis=1).astype(np.float64)


def _farthest(distances: NDArray[Any]) -> int:
    return int(np.where(np.isfinite(distances), distances, -1).argmax())


def _check(ratio: float, anchor: Anchor) -> None:
    if not 0 <= ratio <= 1:
        raise ConfigError(f"Scribbles can't be shortened to {ratio} of their length.", "Give 0 to 1.")
    if anchor not in get_args(Anchor):
        raise ConfigError(f"Unknown anchor {anchor!r}.", f"Use one of: {', '.join(get_args(Anchor))}.")


def _shortened(scribble: Scribble, ratio: float, anchor: Anchor, rng: np.random.Generator) -> Scribble:
    if ratio == 1:
        return scribble
    line = np.asarray(scribble.points, np.float64)
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    if ratio == 0:
        middle = _stretch(line, length / 2, length / 2)[:1]
        return replace(scribble, points=tuple(middle), width=DOT_DIAMETER)
    spare = length * (1 - ratio)
    start = {"middle": spare / 2, "start": 0.0, "random": spare * rng.random()}[anchor]
    return replace(scribble, points=tuple(_stretch(line, start, start + length * ratio)))


def _stretch(line: NDArray[np.float64], start: float, stop: float) -> Sequence[tuple[float, float]]:
    """Points of a line (n, 2) from one arc length to another, with the line's corners between them."""
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
    between = along[(along > start) & (along < stop)]
    places = np.concatenate([[start], between, [stop]])
    y, x = np.interp(places, along, line[:, 0]), np.interp(places, along, line[:, 1])
    return [(float(a), float(b)) for a, b in zip(y, x, strict=True)]
