"""The line that a pen leaves behind, and the parts of it that lie on the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spml_napari.tools.tool import Place

_LEAST_STEP = 0.5
"""Movements shorter than this many pixels of the picture add no point."""


class Line:
    """Places where a pen was, in order; each differs from the one before."""

    def __init__(self, place: Place) -> None:
        self.places: list[Place] = [_rounded(place)]

    def go_to(self, place: Place, least: float = _LEAST_STEP) -> tuple[Place, Place] | None:
        """Lengthen the line; the new piece, or None if the pen hardly moved."""
        last, place = self.places[-1], _rounded(place)
        if math.dist(last, place) <= least:
            return None
        self.places.append(place)
        return last, place


def cut_to_picture(
    places: Sequence[Place], height: int, width: int, margin: float
) -> list[tuple[Place, ...]]:
    """Pieces of a line that come within ``margin`` of a picture's pixels, in order.

    A line that leaves the picture and comes back elsewhere falls into pieces, so that nothing is drawn between; one
    that stays is returned whole.
    """
    if len(places) == 1:
        return [tuple(places)] if _meets(places[0], places[0], height, width, margin) else []
    pieces: list[list[Place]] = []
    is_on = False
    for i in range(len(places) - 1):
        start, stop = places[i], places[i + 1]
        meets = _meets(start, stop, height, width, margin)
        if meets and is_on:
            pieces[-1].append(stop)
        elif meets:
            pieces.append([start, stop])
        is_on = meets
    return [tuple(piece) for piece in pieces]


def _rounded(place: Place) -> Place:
    """A hundredth of a pixel is as fine as anybody draws; more digits would only fill the disk."""
    return round(place[0], 2), round(place[1], 2)


def _meets(start: Place, stop: Place, height: int, width: int, margin: float) -> bool:
    """Whether a straight line comes into the rectangle of the picture grown by ``margin``."""
    first, last = 0.0, 1.0
    for a, b, size in ((start[0], stop[0], height), (start[1], stop[1], width)):
        low, high = -0.5 - margin, size - 0.5 + margin
        if a == b:
            if not low <= a <= high:
                return False
            continue
        enters, leaves = sorted(((low - a) / (b - a), (high - a) / (b - a)))
        first, last = max(first, enters), min(last, leaves)
    return first <= last
