"""The kinds of marks. Coordinates are (y, x) in pixels; the centre of the first pixel is (0, 0)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from spml_core.classes import IGNORE, MAX_CLASSES
from spml_core.errors import MarkError

UNTOUCHED = 254
"""Code in a patch for a pixel the patch says nothing about: never a class, and not IGNORE."""

Path2D: TypeAlias = tuple[tuple[float, float], ...]

Acceptance = Literal["", "class", "picture"]
"""Where a patch comes from: "" a person drew or imported it, "class" one class of a prediction was accepted,
"picture" a whole prediction was reviewed and accepted."""

ACCEPTANCES: tuple[Acceptance, ...] = get_args(Acceptance)


@dataclass(frozen=True)
class Scribble:
    """A line drawn with a round pen: ``points`` as (y, x) pairs, ``width`` (at least 1) in pixels."""

    class_index: int
    points: Path2D
    width: float

    def __post_init__(self) -> None:
        _check_class(self, self.class_index)
        _check_line(self, self.points, self.width)


@dataclass(frozen=True)
class Point:
    """A click at (y, x)."""

    class_index: int
    y: float
    x: float

    def __post_init__(self) -> None:
        _check_class(self, self.class_index)
        _check_finite(self, self.y, self.x)


@dataclass(frozen=True)
class Box:
    """A box around an object, from (top, left) up to, not including, (bottom, right)."""

    class_index: int
    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        _check_class(self, self.class_index)
        _check_finite(self, self.top, self.left, self.bottom, self.right)
        if self.bottom <= self.top or self.right <= self.left:
            raise MarkError(
                f"A box from ({self.top}, {self.left}) to ({self.bottom}, {self.right}) encloses nothing.",
                "Give top < bottom and left < right.",
            )


@dataclass(frozen=True)
class Tag:
    """The class is somewhere in the picture.

    ``complete`` tells whether the picture's tags are all the classes it holds, background (class 0) aside. A
    picture's list is complete if all its tags say so.
    """

    class_index: int
    complete: bool = True

    def __post_init__(self) -> None:
        _check_class(self, self.class_index)


@dataclass(frozen=True)
class KeyPoint:
    """The centre (y, x) of a part of an object: around it lies the part, far from all key points background.

    ``size`` is the square root of the object's area, in pixels; all its key points have the same.
    """

    class_index: int
    y: float
    x: float
    size: float

    def __post_init__(self) -> None:
        _check_class(self, self.class_index)
        _check_finite(self, self.y, self.x, self.size)
        if self.size <= 0:
            raise MarkError(
                f"A key point has size {self.size}.", "Give the square root of its object's area."
            )


@dataclass(frozen=True, eq=False)
class Patch:
    """A small raster of codes laid over the picture: imported scribbles and masks, brush strokes.

    Parameters
    ----------
    top, left : int
        Where the raster's first pixel lies in the picture.
    labels : ndarray (h, w), uint8
        A class, IGNORE (255) for void, or UNTOUCHED (254) for a pixel left as it was. Kept as a read-only
        copy.
    accepted : str
        Whether this is an accepted prediction: then it lies under all that people marked themselves. See
        ``Acceptance``.
    """

    top: int
    left: int
    labels: npt.NDArray[np.uint8]
    accepted: Acceptance = ""

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 2 or labels.size == 0 or labels.dtype != np.uint8:
            raise MarkError(
                f"A patch of shape {labels.shape} and type {labels.dtype} can't be painted.",
                "Give a two-dimensional uint8 raster.",
            )
        if self.top < 0 or self.left < 0:
            raise MarkError(f"A patch starts at ({self.top}, {self.left}).", "Start it inside the picture.")
        if self.accepted not in ACCEPTANCES:
            raise MarkError(
                f"A patch has accepted = {self.accepted!r}.",
                f"It is one of {', '.join(map(repr, ACCEPTANCES))}.",
            )
        labels = labels.copy()
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Patch):
            return NotImplemented
        mine, its = ((p.top, p.left, p.accepted) for p in (self, other))
        return mine == its and np.array_equal(self.labels, other.labels)

    def __hash__(self) -> int:
        return hash((self.top, self.left, self.accepted, self.labels.shape, self.labels.tobytes()))


@dataclass(frozen=True)
class Erasure:
    """A line like a scribble's, under which everything painted goes back to unlabeled."""

    points: Path2D
    width: float

    def __post_init__(self) -> None:
        _check_line(self, self.points, self.width)


Mark: TypeAlias = Scribble | Point | KeyPoint | Box | Tag | Patch | Erasure


def classes_of(mark: Mark) -> tuple[int, ...]:
    """Return the class indexes a mark speaks of, in ascending order, each once."""
    if isinstance(mark, Erasure):
        return ()
    if isinstance(mark, Patch):
        seen = np.zeros(256, bool)
        seen[mark.labels] = True  # three times as fast as counting
        return tuple(int(code) for code in np.flatnonzero(seen[:MAX_CLASSES]))
    return (mark.class_index,)


def with_classes(mark: Mark, new_index: Mapping[int, int]) -> Mark:
    """Return the same mark with every class index replaced by ``new_index[class_index]``."""
    if isinstance(mark, Erasure):
        return mark
    if isinstance(mark, Patch):
        table = np.arange(256, dtype=np.uint8)
        for old in classes_of(mark):
            table[old] = new_index[old]
        return replace(mark, labels=table[mark.labels])
    return replace(mark, class_index=new_index[mark.class_index])


def _kind(mark: object) -> str:
    return type(mark).__name__.lower()


def _check_class(mark: object, index: int) -> None:
    if not 0 <= index < MAX_CLASSES:
        raise MarkError(
            f"A {_kind(mark)} has class index {index}.",
            f"Class indexes go from 0 to {MAX_CLASSES - 1}; void ({IGNORE}) is painted with a patch.",
        )


def _check_finite(mark: object, *numbers: float) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise MarkError(f"A {_kind(mark)} has coordinates {numbers}.", "Give finite numbers.")


def _check_line(mark: object, points: Path2D, width: float) -> None:
    if not points:
        raise MarkError(f"A {_kind(mark)} has no points.", "Give at least one.")
    for y, x in points:
        _check_finite(mark, y, x)
    if not (math.isfinite(width) and width >= 1):
        raise MarkError(f"A {_kind(mark)} has width {width}.", "Give at least 1 pixel.")
