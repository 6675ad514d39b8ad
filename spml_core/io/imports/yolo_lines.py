"""What the numbers of YOLO's lines are: boxes, outlines or key points, with scores and track numbers behind them.

A line doesn't say so itself. The data set does (``kpt_shape`` or ``task`` in its YAML), or all lines together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spml_core.errors import MarkError
from spml_core.io.imports.warnings import ImportWarnings

_SLACK = 0.02
"""Share of the picture by which rounded numbers may be off."""

Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class YoloLine:
    """A line.

    Attributes
    ----------
    where : str
        File and line, for messages.
    number : int
        Of the class.
    shares : tuple of float
        The numbers behind it, most of them shares of the picture.
    has_points : bool
        Whether one but the last is written with a decimal point.
    """

    where: str
    number: int
    shares: tuple[float, ...]
    has_points: bool


@dataclass(frozen=True)
class YoloShape:
    """What a line draws.

    Attributes
    ----------
    line : YoloLine
    edges : tuple of float
        Top, left, bottom and right of its box, or of that around its outline, as shares of the picture.
    outline : tuple of (x, y)
        Shares of the picture; empty for a box.
    """

    line: YoloLine
    edges: tuple[float, float, float, float]
    outline: Pairs = ()

    @property
    def is_box(self) -> bool:
        """Whether it is a box, upright or turned."""
        return not self.outline or _is_oriented_box(tuple(share for place in self.outline for share in place))


@dataclass(frozen=True)
class Hints:
    """What a data set's YAML says of its lines.

    Attributes
    ----------
    path : Path or None
        The file.
    key_points : tuple of int, or None
        ``kpt_shape``: the number of an object's key points, and the numbers of each, 2 or 3.
    task : str
        ``detect``, ``segment``, ``pose`` or ``obb``; "" if it isn't said.
    """

    path: Path | None = None
    key_points: tuple[int, int] | None = None
    task: str = ""


def parse_line(where: str, text: str) -> YoloLine:
    """A line of a class number and at least four finite numbers.

    Raises
    ------
    MarkError
        If it is none.
    """
    line = _parsed(where, text)
    if line is None:
        raise _refused(where, text.split())
    return line


def looks_like_labels(text: str) -> bool:
    """Whether a text's first line with anything in it could be YOLO's."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _parsed("", first) is not None


def read_shapes(
    lines: Sequence[YoloLine], hints: Hints, warnings: ImportWarnings, *, outlines: bool = False
) -> list[YoloShape]:
    """What all lines of a data set draw.

    A box has four numbers (centre, width and height); behind it may stand a score, the number of a track, or both, and
    those of key points, two or three each. All others are outlines, pairs of x and y, perhaps with a score and the
    number of a track.

    Parameters
    ----------
    lines : sequence of YoloLine
    hints : Hints
    warnings : ImportWarnings
        Is told of what may be meant otherwise.
    outlines : bool
        Whether the user says that these are outlines.

    Raises
    ------
    MarkError
        If a line fits nothing that the data set may hold, or its lines may be of two kinds.
    """
    long = [line for line in lines if len(line.shares) > 5]
    if hints.key_points is not None:
        return [_box(line) for line in _with_key_points(lines, hints)]
    if hints.task in ("pose", "detect"):
        return [_box(line) for line in lines]
    said = outlines or hints.task in ("segment", "obb")
    tail = _tail_of_outlines(long, said, warnings) if long else None
    return [_box(line) if tail is None or len(line.shares) <= 5 else _outline(line, tail) for line in lines]


def _parsed(where: str, text: str) -> YoloLine | None:
    words = text.split()
    try:
        number, shares = int(words[0]), tuple(float(word) for word in words[1:])
    except (ValueError, IndexError):
        return None
    if number < 0 or len(shares) < 4 or not all(map(math.isfinite, shares)):
        return None
    return YoloLine(where, number, shares, any("." in word for word in words[1:-1]))


def _refused(where: str, words: Sequence[object]) -> MarkError:
    return MarkError(
        f"{where} holds {' '.join(map(str, words))[:60]!r}, no class number and box.",
        "Write it as 3 0.5 0.5 0.2 0.1: class, centre x and y, width, height.",
    )


def _box(line: YoloLine) -> YoloShape:
    x, y, width, height = line.shares[:4]
    return YoloShape(line, (y - height / 2, x - width / 2, y + height / 2, x + width / 2))


def _outline(line: YoloLine, tail: int) -> YoloShape:
    numbers = line.shares[: len(line.shares) - tail]
    xs, ys = numbers[::2], numbers[1::2]
    return YoloShape(line, (min(ys), min(xs), max(ys), max(xs)), tuple(zip(xs, ys, strict=True)))


def _with_key_points(lines: Sequence[YoloLine], hints: Hints) -> Sequence[YoloLine]:
    """The lines, each with the numbers that ``kpt_shape`` asks for, or a mere box, and perhaps score and track."""
    assert hints.key_points is not None
    count, numbers = hints.key_points
    whole = 4 + count * numbers
    for line in lines:
        length = len(line.shares)
        if length > 6 and not whole <= length <= whole + 2:
            raise MarkError(
                f"{line.where} has {length} numbers behind its class; by kpt_shape a pose has {whole}.",
                f"Correct kpt_shape in {hints.path}, or take it out if the lines hold outlines.",
            )
    return lines


def _tail_of_outlines(lines: Sequence[YoloLine], said: bool, warnings: ImportWarnings) -> int | None:
    """How many numbers follow each outline, of lines of more than five numbers; None if they are boxes."""
    lengths = {len(line.shares) for line in lines}
    if lengths == {6} and not said:
        return None if _are_boxes(lines) else 0
    if not said and len(lengths) == 1 and _all(lines, _has_visibilities):
        return None
    if len(lengths) == 1 and _all(lines, _is_oriented_box):
        return max(lengths) - 8
    odd = next((line for line in lines if len(line.shares) % 2), None)
    if odd is not None:
        # A score behind each outline, or the number of a track.
        if not all(len(line.shares) % 2 for line in lines) or (lengths == {7} and not said):
            raise _refused(odd.where, [odd.number, *(f"{share:g}" for share in odd.shares)])
        return 1
    if min(lengths) >= 8 and _are_tracked(lines):
        return 2
    maybe = len(lines) > 1 and len(lengths) == 1 and not said
    if maybe and not _all(lines, _is_along_pixels) and _all(lines, _is_pose):
        warnings.add(
            "Lines of equal length were taken for outlines; if they are poses, say so by kpt_shape in data.yaml",
            lines[0].where,
        )
    return 0


def _all(lines: Sequence[YoloLine], check: Callable[[tuple[float, ...]], bool]) -> bool:
    return all(check(line.shares) for line in lines)


def _are_boxes(lines: Sequence[YoloLine]) -> bool:
    """Whether lines of six numbers are boxes with a score and the number of a track, not outlines of three corners.

    Raises
    ------
    MarkError
        If they may be either.
    """
    if not _all(lines, _is_tracked_box):
        if any(share > 1 + _SLACK for line in lines for share in line.shares):
            odd = next(line for line in lines if not _is_tracked_box(line.shares))
            raise MarkError(
                f"{odd.where} is neither a box with a score and a track's number, nor an outline of three corners.",
                "Give boxes as class, centre x and y, width, height, as shares of the picture.",
            )
        return False
    # The numbers 0 and 1 are places, too. Written without a point among others with one they are none.
    if any(max(line.shares[4:]) > 1 for line in lines) or all(line.has_points for line in lines):
        return True
    raise MarkError(
        f"{lines[0].where} may be a box with a score and the number of a track, or an outline of three corners.",
        "Say what they are in data.yaml: task: detect, or task: segment.",
    )


def _is_box(shares: tuple[float, ...]) -> bool:
    x, y, width, height = shares[:4]
    return (
        0 < width <= 1 + _SLACK
        and 0 < height <= 1 + _SLACK
        and all(c - s / 2 >= -_SLACK and c + s / 2 <= 1 + _SLACK for c, s in ((x, width), (y, height)))
    )


def _is_tail(score: float, track: float) -> bool:
    return 0 <= score <= 1 and track.is_integer() and track >= -1


def _is_tracked_box(shares: tuple[float, ...]) -> bool:
    one, two = shares[4:6]
    return _is_box(shares) and (_is_tail(one, two) or _is_tail(two, one))


def _has_visibilities(shares: tuple[float, ...]) -> bool:
    """Whether behind a box come key points x, y and 0, 1 or 2, and perhaps score and track number."""
    behind, tail = shares[4:], (len(shares) - 4) % 3
    points = behind[: len(behind) - tail] if tail else behind
    if not points or not _is_box(shares):
        return False
    return (
        all(visibility in (0, 1, 2) for visibility in points[2::3])
        and all(0 <= place <= 1 + _SLACK for place in (*points[::3], *points[1::3]))
        and (tail == 0 or 0 <= behind[len(points)] <= 1)
        and (tail < 2 or behind[-1].is_integer())
    )


def _is_oriented_box(shares: tuple[float, ...]) -> bool:
    """Whether the four corners of a parallelogram come first, and nothing but a score and a track number then."""
    if not 8 <= len(shares) <= 10:
        return False
    corners, tail = np.reshape(shares[:8], (4, 2)), shares[8:]
    closes = np.abs(corners[0] + corners[2] - corners[1] - corners[3]).max() <= _SLACK / 4
    return bool(closes) and (not tail or 0 <= tail[0] <= 1) and (len(tail) < 2 or tail[1].is_integer())


def _are_tracked(lines: Sequence[YoloLine]) -> bool:
    """Whether a score and a track number follow each outline: no place in it, or one far from the others."""
    if not _all(lines, lambda shares: _is_tail(*shares[-2:])):
        return False
    return any(line.shares[-1] > 1 for line in lines) or _all(lines, _ends_outside)


def _ends_outside(shares: tuple[float, ...]) -> bool:
    *others, last = np.reshape(shares, (-1, 2))
    low, high = np.min(others, axis=0), np.max(others, axis=0)
    return bool(((last < low - _SLACK) | (last > high + _SLACK)).any())


def _is_along_pixels(shares: tuple[float, ...]) -> bool:
    """Whether the sides of an outline go across and along in turn, as those of pixels do."""
    places = np.reshape(shares, (-1, 2))
    same = np.abs(places - np.roll(places, -1, axis=0)) < 1e-6
    return bool(same.any(axis=1).all())


def _is_pose(shares: tuple[float, ...]) -> bool:
    """Whether the first four numbers can be a box around all places behind them."""
    if not _is_box(shares):
        return False
    x, y, width, height = shares[:4]
    behind = np.array(shares[4:])

    def are_inside(places: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
        seen = places[(places != 0).any(axis=1)]
        off = np.abs(seen - [x, y]) - [width / 2 + _SLACK, height / 2 + _SLACK]
        return bool((off <= 0).all())

    by_three = len(behind) % 3 == 0 and bool((behind[2::3] <= 1).all() and (behind[2::3] >= 0).all())
    return are_inside(behind.reshape(-1, 2)) or (by_three and are_inside(behind.reshape(-1, 3)[:, :2]))
