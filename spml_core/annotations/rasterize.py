"""From marks to the weak label map and the tag vector that training takes (METHODS.md 0.2, 1.10)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from spml_core.annotations.marks import (
    UNTOUCHED,
    Box,
    Erasure,
    KeyPoint,
    Mark,
    Patch,
    Path2D,
    Point,
    Scribble,
    Tag,
    classes_of,
)
from spml_core.errors import MarkError

LabelMap = npt.NDArray[np.uint8]

_PIECE = 32.0
"""Long lines are painted in pieces this long, in pixels: the work then follows length, not bounding box."""


def rasterize(
    marks: Iterable[Mark], shape: tuple[int, int], num_classes: int, point_radius: float = 3.0
) -> LabelMap:
    """Paint marks, in order, into a weak label map: later ones overwrite earlier ones.

    Accepted predictions (patches with ``accepted``) are painted on a sheet of their own, which lies under what
    people marked themselves: whichever came first, an accepted label shows only where no person's mark does.
    An erasure clears both sheets of all that was painted before it; a prediction accepted after it shows
    there.

    A scribble covers the pixels whose centre lies within half its width of its line, a point those within
    ``point_radius`` of it, and always the pixel it fell on. Boxes, key points and tags paint nothing: turning
    them into pixels is the business of the seeds.

    Parameters
    ----------
    marks : iterable of Mark
    shape : tuple of int
        Height and width of the picture.
    num_classes : int
        K, from 1 to 254.
    point_radius : float
        In pixels.

    Returns
    -------
    ndarray (H, W), uint8
        A class 0..K-1, K where nobody painted (UNLABELED), 255 where void was painted (IGNORE).

    Raises
    ------
    MarkError
        If a mark has a class index of K or more.
    """
    labels = np.full(shape, num_classes, np.uint8)
    accepted: LabelMap | None = None
    for mark in marks:
        _check_classes(mark, num_classes)
        match mark:
            case Scribble():
                _paint_line(labels, mark.points, mark.width / 2, mark.class_index)
            case Erasure():
                for sheet in (labels,) if accepted is None else (labels, accepted):
                    _paint_line(sheet, mark.points, mark.width / 2, num_classes)
            case Point():
                _paint_point(labels, mark, point_radius)
            case Patch() if mark.accepted:
                if accepted is None:
                    accepted = np.full(shape, num_classes, np.uint8)
                _paint_patch(accepted, mark)
            case Patch():
                _paint_patch(labels, mark)
            case Box() | Tag() | KeyPoint():
                pass
    if accepted is not None:
        np.copyto(labels, accepted, where=labels == num_classes)
    return labels


def tag_vector(marks: Iterable[Mark], labels: LabelMap, num_classes: int) -> npt.NDArray[np.bool_]:
    """Which classes a picture is known to hold: those tagged, boxed, painted or with a key point.

    Parameters
    ----------
    marks : iterable of Mark
        Tags, boxes and key points count here; painted marks count by what is left of them in ``labels``.
    labels : ndarray (H, W), uint8
        The picture's weak label map.
    num_classes : int
        K.

    Returns
    -------
    ndarray (K,), bool

    Raises
    ------
    MarkError
        If a tag, box or key point has a class index of K or more.
    """
    present = np.bincount(labels.ravel(), minlength=num_classes)[:num_classes] > 0
    for mark in marks:
        if isinstance(mark, Tag | Box | KeyPoint):
            _check_classes(mark, num_classes)
            present[mark.class_index] = True
    return present


def _check_classes(mark: Mark, num_classes: int) -> None:
    used = classes_of(mark)
    if used and used[-1] >= num_classes:
        raise MarkError(
            f"A {type(mark).__name__.lower()} has class index {used[-1]}; there are {num_classes} classes.",
            "Add the class, or take the mark away.",
        )


def _paint_patch(labels: LabelMap, patch: Patch) -> None:
    under = labels[patch.top :, patch.left :][: patch.labels.shape[0], : patch.labels.shape[1]]
    over = patch.labels[: under.shape[0], : under.shape[1]]
    np.copyto(under, over, where=over != UNTOUCHED)


def _paint_point(labels: LabelMap, point: Point, radius: float) -> None:
    _paint_segment(labels, (point.y, point.x), (point.y, point.x), radius, point.class_index)
    row, column = math.floor(point.y + 0.5), math.floor(point.x + 0.5)
    if 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]:
        labels[row, column] = point.class_index


def _paint_line(labels: LabelMap, points: Path2D, radius: float, code: int) -> None:
    if len(points) == 1:
        _paint_segment(labels, points[0], points[0], radius, code)
    for (y0, x0), (y1, x1) in itertools.pairwise(points):
        pieces = max(1, math.ceil(math.hypot(y1 - y0, x1 - x0) / _PIECE))
        for i in range(pieces):
            a, b = i / pieces, (i + 1) / pieces
            start = (y0 + a * (y1 - y0), x0 + a * (x1 - x0))
            stop = (y0 + b * (y1 - y0), x0 + b * (x1 - x0))
            _paint_segment(labels, start, stop, radius, code)


def _paint_segment(
    labels: LabelMap, start: tuple[float, float], stop: tuple[float, float], radius: float, code: int
) -> None:
    """Paint the pixels whose centre lies within ``radius`` of the straight line between two (y, x) places."""
    top = max(math.ceil(min(start[0], stop[0]) - radius), 0)
    bottom = min(math.floor(max(start[0], stop[0]) + radius), labels.shape[0] - 1)
    left = max(math.ceil(min(start[1], stop[1]) - radius), 0)
    right = min(math.floor(max(start[1], stop[1]) + radius), labels.shape[1] - 1)
    if top > bottom or left > right:
        return
    y = np.arange(top, bottom + 1)[:, None] - start[0]
    x = np.arange(left, right + 1)[None, :] - start[1]
    dy, dx = stop[0] - start[0], stop[1] - start[1]
    squared = dy * dy + dx * dx
    along = np.clip((y * dy + x * dx) / squared, 0, 1) if squared > 0 else 0.0
    distance = (y - along * dy) ** 2 + (x - along * dx) ** 2
    # Half a thousandth of a pixel: a pen through pixel centres paints the same however its line was cut.
    labels[top : bottom + 1, left : right + 1][distance <= radius**2 + 1e-6] = code
