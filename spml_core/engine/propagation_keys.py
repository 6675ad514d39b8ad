"""What a frame's result was computed from, as a word: where that is still right, nothing is computed again.

Needs no torch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from spml_core.engine.film_bases import FilmBases
from spml_core.engine.film_results import FilmResults
from spml_core.engine.marked_frames import MarkedFrame, read_marked_frames
from spml_core.project import FilmRecord, Project

Direction: TypeAlias = Literal["both", "forward", "backward"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

ALGORITHM = 1
"""Version of :mod:`spml_core.video.propagation`, which loads torch: results of another one are outdated."""


def base_key(film: FilmRecord, flow: str) -> str:
    """A word for all that results depend on besides marks: the film's content, the flow, the algorithm."""
    return f"{ALGORITHM} {film.content_hash} {flow}"


def frame_keys(
    marked: Sequence[MarkedFrame], first: int, last: int, direction: Direction, base: str
) -> dict[int, tuple[MarkedFrame | None, MarkedFrame | None, str]]:
    """Which marked frames each frame depends on, and the key of its result.

    Parameters
    ----------
    marked : sequence of MarkedFrame
        Ascending.
    first, last : int
        Both included.
    direction : str
        "forward" and "backward" only go out from one side.
    base : str
        Stands for all else that results depend on.

    Returns
    -------
    dict
        From the frame to the marked frames before and after it (both are the frame itself if it is marked; None where
        there is none or the direction leaves it out) and the key. Frames that nothing reaches aren't there.
    """
    places = [frame.index for frame in marked]
    found: dict[int, tuple[MarkedFrame | None, MarkedFrame | None, str]] = {}
    for index in range(first, last + 1):
        earlier, later = bisect_right(places, index), bisect_left(places, index)
        before = marked[earlier - 1] if earlier else None
        after = marked[later] if later < len(marked) else None
        if before is not after:
            before = None if direction == "backward" else before
            after = None if direction == "forward" else after
        if before or after:
            words = (base, before and before.digest, after and after.digest)
            key = blake2b("|".join(map(str, words)).encode(), digest_size=16).hexdigest()
            found[index] = before, after, key
    return found


def up_to_date(
    project: Project, film: FilmRecord, *, direction: Direction = "both", flow: str = "dis"
) -> NDArray[np.bool_]:
    """Which frames' results are those that propagation would compute now, (count,) bool."""
    fresh = np.zeros(film.count, bool)
    with FilmBases(project, film) as bases:
        marked = bases.of(read_marked_frames(project, film))
    keys = frame_keys(marked, 0, film.count - 1, direction, base_key(film, flow))
    with FilmResults.of(project, film) as results:
        known = results.keys()
    for index, (_, _, key) in keys.items():
        fresh[index] = known.get(index) == key
    return fresh
