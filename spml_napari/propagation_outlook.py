"""What a propagation would compute, and what was computed from marks that have changed since. No Qt, no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from spml_core.engine.film_bases import FilmBases
from spml_core.engine.film_results import FilmResults
from spml_core.engine.marked_frames import MarkedFrame, read_marked_frames
from spml_core.engine.propagation_keys import base_key, frame_keys
from spml_core.engine.propagation_plan import check_direction
from spml_core.project import FilmRecord, Project


@dataclass(frozen=True)
class PropagationOutlook:
    """What a propagation would find to do.

    Attributes
    ----------
    film_id : int
    todo : int
        Frames of the range that would be computed.
    reached : int
        Frames of the range that the marks reach, up to date or not.
    outdated : frozenset of int
        Frames of the film whose result comes from other marks or choices than are there now.
    missing : str
        What has to be done first, in words; empty if nothing has.
    """

    film_id: int
    todo: int
    reached: int
    outdated: frozenset[int]
    missing: str = ""


def look_ahead(
    project: Project, film: FilmRecord, frames: tuple[int, int] | None, direction: str, flow: str
) -> PropagationOutlook:
    """See what a propagation would find to do; in any thread.

    Parameters
    ----------
    project : Project
    film : FilmRecord
    frames : (int, int) or None
        First and last frame of the range; None is the whole film.
    direction, flow : str

    Raises
    ------
    SpmlError
        If the project or the film's results can't be read.
    """
    marked = read_marked_frames(project, film)
    with FilmBases(project, film) as bases:
        marked = bases.of(marked)
    with FilmResults.of(project, film) as results:
        known = results.keys()
    first, last = frames or (0, film.count - 1)
    way, base = check_direction(direction), base_key(film, flow)
    # Where the direction doesn't go, what both ways came to is as good as it was.
    keys = frame_keys(marked, 0, film.count - 1, "both", base)
    reached = keys if way == "both" else frame_keys(marked, 0, film.count - 1, way, base)
    keys = keys | reached
    wanted = {index: reached[index][2] for index in range(first, last + 1) if index in reached}
    todo = sum(known.get(index) != key for index, key in wanted.items())
    outdated = frozenset(index for index, key in known.items() if index not in keys or keys[index][2] != key)
    missing = _missing(project, marked, direction, reached=len(wanted))
    return PropagationOutlook(film.id, 0 if missing else todo, len(wanted), outdated, missing)


def raft_is_here() -> bool:
    """Whether weights of the learned flow were downloaded, where torch keeps such; asked without loading torch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    return any((home / "hub" / "checkpoints").glob("raft_small*.pth"))


def _missing(project: Project, marked: tuple[MarkedFrame, ...], direction: str, reached: int) -> str:
    if not project.writable:
        return "This project is open for reading only, so nothing can be propagated in it."
    if not marked:
        return "Mark an object and what is around it on one frame first."
    told = frozenset[int]().union(*(frame.classes for frame in marked))
    if len(told) < 2:
        name = project.classes.names[next(iter(told))]
        return f"So far only “{name}” is marked. Mark a second class, such as what is around the object."
    if not reached:
        side = "after" if direction == "forward" else "before"
        return (
            f"All marked frames lie {side} the chosen ones: mark one of these, or choose others or another"
            " direction."
        )
    return ""
