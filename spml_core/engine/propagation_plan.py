"""Which frames must be computed, from which marked frames, and in what order. Needs no torch.

A frame's result depends on the marks of the nearest marked frame before it and the nearest after it, and on nothing
else that a user marks. So the marked frames cut a film into gaps, and a correction makes two gaps stale.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spml_core.engine.marked_frames import MarkedFrame
from spml_core.engine.propagation_keys import DIRECTIONS, Direction, frame_keys
from spml_core.errors import ConfigError, ProjectError
from spml_core.project import FilmRecord


@dataclass(frozen=True)
class PlannedSpan:
    """Frames to compute from the same marked frames.

    Attributes
    ----------
    first, last : int
        Both included.
    before, after : MarkedFrame or None
        The marked frame to start from at or before ``first``, and that at or after ``last``.
    keys : mapping of int to str
        The frames to compute and the keys of their results.
    """

    first: int
    last: int
    before: MarkedFrame | None
    after: MarkedFrame | None
    keys: Mapping[int, str]

    @property
    def passes(self) -> int:
        """Frames to go over, those that are passed in both directions twice."""
        return (self.last - self.first + 1) * (2 if self.before and self.after else 1)


def check_direction(direction: str) -> Direction:
    """Return the direction.

    Raises
    ------
    ConfigError
        If it is none.
    """
    for known in DIRECTIONS:
        if direction == known:
            return known
    raise ConfigError(f"Unknown direction {direction!r}.", f"Use {', '.join(DIRECTIONS)}.")


def check_range(film: FilmRecord, first: int | None, last: int | None) -> tuple[int, int]:
    """First and last frame of a range, both included; None stands for the film's own.

    Raises
    ------
    ConfigError
        If it holds no frame, or goes beyond the film.
    """
    start = 0 if first is None else first
    end = film.count - 1 if last is None else last
    if not (0 <= start < film.count and end < film.count):
        behind = "" if last is None else f" to frame {end}"
        raise ConfigError(
            f"The range from frame {start}{behind} goes beyond the film {film.name!r}.",
            f"Its frames are 0 to {film.count - 1}.",
        )
    if end < start:
        raise ConfigError(
            f"The range from frame {start} to frame {end} holds no frame.", "Give its first frame first."
        )
    return start, end


def plan_spans(
    marked: Sequence[MarkedFrame],
    first: int,
    last: int,
    direction: Direction,
    base: str,
    known: Mapping[int, str],
    around: int | None = None,
) -> list[PlannedSpan]:
    """Spans that hold all frames of a range whose results are missing or outdated, each frame in one of them.

    A marked frame goes with the frames that are computed from it, else it is a span of its own.

    Parameters
    ----------
    marked, first, last, direction, base
        As of :func:`frame_keys`.
    known : mapping of int to str
        Keys of the final results that are there.
    around : int, optional
        The spans nearest to this frame come first; without, they come as in the film.

    Returns
    -------
    list of PlannedSpan

    Raises
    ------
    ProjectError
        If no marked frame lies where the direction needs one.
    """
    frames = frame_keys(marked, first, last, direction, base)
    if not frames:
        side, needed = ("after", "before") if direction == "forward" else ("before", "after")
        raise ProjectError(
            f"All marked frames lie {side} the range from frame {first} to frame {last}, so going {direction}"
            " reaches none of it.",
            f"Mark a frame in it or {needed} it, or choose another direction.",
        )
    gaps: dict[tuple[int, int], dict[int, str]] = {}
    for index, (before, after, key) in frames.items():
        if known.get(index) != key:
            gaps.setdefault(_gap(marked, index, before is after, direction), {})[index] = key
    spans = [_span(marked, keys, direction) for keys in gaps.values()]
    if around is not None:
        spans.sort(key=lambda span: max(span.first - around, around - span.last, 0))
    return spans


def _gap(marked: Sequence[MarkedFrame], index: int, is_marked: bool, direction: Direction) -> tuple[int, int]:
    """Numbers of the marked frames around a frame; one that is marked itself belongs to the gap it opens."""
    places = [frame.index for frame in marked]
    place = bisect_left(places, index)
    if not is_marked:
        return place - 1, place
    return (place - 1, place) if direction == "backward" else (place, place + 1)


def _span(marked: Sequence[MarkedFrame], keys: Mapping[int, str], direction: Direction) -> PlannedSpan:
    by_place = {frame.index: frame for frame in marked}
    first, last = min(keys), max(keys)
    if first == last and first in by_place:
        # Nothing but the marked frame: nobody needs to come over from the next one.
        alone = by_place[first]
        forward = direction != "backward"
        return PlannedSpan(first, last, alone if forward else None, None if forward else alone, keys)
    before = max((place for place in by_place if place <= first), default=None)
    after = min((place for place in by_place if place >= last), default=None)
    return PlannedSpan(
        first,
        last,
        None if before is None or direction == "backward" else by_place[before],
        None if after is None or direction == "forward" else by_place[after],
        keys,
    )
