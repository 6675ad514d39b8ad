"""What the lines of YOLO's label files say: boxes, tracks, poses or outlines, told by the whole folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spml_core.errors import MarkError
from spml_core.io.imports.warnings import ImportWarnings

Shares = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture."""

_OVER = 0.05
"""By how much of the picture a place may lie outside it: outlines are clipped late, or not at all."""

_HOW_TO_SAY = "Say what they are in data.yaml: kpt_shape: [number of key points, 2 or 3] for poses."


@dataclass(frozen=True)
class YoloLine:
    """A line of a label file.

    Attributes
    ----------
    where : str
        File and line, for errors and warnings.
    number : int
        Of the class.
    words : tuple of str
        The numbers behind it, as they are written.
    """

    where: str
    number: int
    words: tuple[str, ...]

    @property
    def values(self) -> list[float]:
        """The numbers."""
        return [float(word) for word in self.words]

    @classmethod
    def parsed(cls, where: str, text: str) -> YoloLine:
        """The line ``text``.

        Raises
        ------
        MarkError
            If it isn't a class number with at least four finite numbers.
        """
        words = text.split()
        try:
            number, values = int(words[0]), [float(word) for word in words[1:]]
        except (ValueError, OverflowError):
            number, values = -1, []
        if number < 0 or len(values) < 4 or not all(map(math.isfinite, values)):
            raise MarkError(
                f"{where} holds {text.strip()[:60]!r}, no class number and box.",
                "Write it as 3 0.5 0.5 0.2 0.1: class, centre x and y, width, height.",
            )
        return cls(where, number, tuple(words[1:]))


def is_label(text: str) -> bool:
    """Whether a line of a text file may be a line of a label file."""
    try:
        YoloLine.parsed("", text)
    except MarkError:
        return False
    return True


def boxes_of(
    lines: Sequence[YoloLine], key_points: tuple[int, int] | None, warnings: ImportWarnings
) -> list[Shares]:
    """The box of every line.

    A box has four numbers (centre, width and height); behind it may stand a score, the number of a track, or both. A
    pose has key points behind the box, two or three numbers each. All others are outlines: pairs of x and y, perhaps
    with a score and the number of a track; the box around them is taken.

    Parameters
    ----------
    lines : sequence of YoloLine
        All lines of a data set: one alone doesn't tell.
    key_points : (int, int) or None
        ``kpt_shape`` in ``data.yaml``: how many a pose has, and the numbers of each.
    warnings : ImportWarnings
        Is told what was taken for outlines and might be poses.

    Raises
    ------
    MarkError
        If a line can't be told to be a track or an outline, or has another number of key points.
    """
    if key_points is not None:
        length = 4 + key_points[0] * key_points[1]
        return [_of_pose(line, length) for line in lines]
    long = [line for line in lines if len(line.words) > 5]
    poses = _are_poses(long)
    tracks = not poses and _are_tracks(long)
    if not poses and not tracks and _may_be_poses(long):
        warnings.add(
            "Lines of equal length were taken for outlines; if they are poses, say so by kpt_shape in data.yaml",
            long[0].where,
        )
    return [
        _around(line)
        if len(line.words) > 5 and not poses and not (tracks and len(line.words) == 6)
        else _centred(line)
        for line in lines
    ]


def _of_pose(line: YoloLine, length: int) -> Shares:
    # A score and the number of a track may follow, or stand alone behind a box without key points.
    if len(line.words) not in (4, 5, 6, length, length + 1, length + 2):
        raise MarkError(
            f"{line.where} has {len(line.words)} numbers behind its class; by kpt_shape a pose has {length}.",
            "Correct kpt_shape in data.yaml, or the file.",
        )
    return _centred(line)


def _are_poses(lines: Sequence[YoloLine]) -> bool:
    """Whether all are boxes with key points of three numbers, the third being 0, 1 or 2: how well one is seen."""
    lengths = {len(line.words) for line in lines}
    if len(lengths) != 1 or (lengths.pop() - 4) % 3:
        return False
    return all(
        _is_box(line) and all(float(word) in (0, 1, 2) and _is_whole(word) for word in line.words[6::3])
        for line in lines
    )


def _are_tracks(lines: Sequence[YoloLine]) -> bool:
    """Whether those of six numbers are boxes with a score and the number of a track.

    Raises
    ------
    MarkError
        If they may as well be outlines of three corners.
    """
    six = [line for line in lines if len(line.words) == 6]
    if not six:
        return False
    if not all(_is_whole(line.words[5]) and 0 <= line.values[4] <= 1 and _is_box(line) for line in six):
        return False
    if any(line.values[5] > 1 for line in six):
        return True
    # The numbers 0 and 1 are places, too. Written without a point among others with one they are none.
    if all("." in "".join(line.words[:5]) for line in six):
        return True
    raise MarkError(
        f"{six[0].where} may be a box with a score and the number of a track, or an outline of three corners.",
        _HOW_TO_SAY,
    )


def _may_be_poses(lines: Sequence[YoloLine]) -> bool:
    """Whether all could be boxes with as many key points of two numbers, which all lie in their boxes."""
    lengths = {len(line.words) for line in lines}
    if len(lines) < 2 or len(lengths) != 1 or next(iter(lengths)) % 2:
        return False
    return all(_is_box(line) and _inside(line) and not _is_parallelogram(line) for line in lines)


def _inside(line: YoloLine) -> bool:
    left, top, right, bottom = _centred(line)
    places = line.values[4:]
    return all(
        (left - _OVER <= x <= right + _OVER and top - _OVER <= y <= bottom + _OVER) or x == y == 0
        for x, y in _pairs(places)
    )


def _is_parallelogram(line: YoloLine) -> bool:
    """Whether four corners are those of a turned box."""
    if len(line.words) != 8:
        return False
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = _pairs(line.values)
    return max(abs(ax + cx - bx - dx), abs(ay + cy - by - dy)) < 0.01


def _is_box(line: YoloLine) -> bool:
    left, top, right, bottom = _centred(line)
    return (
        left < right
        and top < bottom
        and all(-_OVER <= edge <= 1 + _OVER for edge in (left, top, right, bottom))
    )


def _is_whole(word: str) -> bool:
    return float(word).is_integer()


def _centred(line: YoloLine) -> Shares:
    x, y, width, height = line.values[:4]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def corners_of(line: YoloLine) -> list[tuple[float, float]]:
    """The corners (x, y) of an outline, without the score and the number of a track that may follow."""
    values, words = line.values, line.words
    if len(values) > 6 and _is_whole(words[-1]) and not -_OVER <= values[-1] <= 1 + _OVER:
        values = values[:-1]  # the number of a track
    if len(values) % 2:
        values = values[:-1]  # a score
    return list(_pairs(values))


def _around(line: YoloLine) -> Shares:
    if len(line.words) == 7:
        raise MarkError(
            f"{line.where} holds {' '.join(line.words)[:60]!r} behind its class, neither a box nor an outline.",
            _HOW_TO_SAY,
        )
    xs, ys = zip(*corners_of(line), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _pairs(values: Sequence[float]) -> Iterable[tuple[float, float]]:
    return zip(values[::2], values[1::2], strict=True)
