"""Pictures and films that a user gave, added to a project: in a thread of its own. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from spml_core.films import is_film
from spml_core.project import FilmRecord, Project
from spml_core.project.choosing import choose

Addition: TypeAlias = tuple[Project, int, tuple[FilmRecord, ...]]
"""The project, how many still pictures it got, and the films."""


def add_to_project(
    project: Project, paths: Sequence[Path], films: Sequence[Path], tell: Callable[[int, int], object]
) -> Addition:
    """Add files, and what is in folders, to a project; all or none.

    Parameters
    ----------
    project : Project
    paths : sequence of Path
        Pictures, films, and folders in which both are looked for.
    films : sequence of Path
        Films in any case: of a folder the pictures are the frames.
    tell : callable
        Called with (done, total) as it goes.

    Returns
    -------
    project : Project
    count : int
        Number of new still pictures.
    films : tuple of FilmRecord
        The new films.

    Raises
    ------
    PictureError, FilmError, ProjectError
        As for ``Project.add``.
    """
    stills, moving, left_out = [], list(films), list[str]()
    for path in paths:
        if path.is_dir() and not is_film(path):
            chosen = choose(path)
            left_out += chosen.warnings
            stills += chosen.pictures
            moving += chosen.films
        else:
            stills.append(path)
    pictures, added = project.add(stills, moving, tell)
    project.warnings = tuple(dict.fromkeys([*left_out, *project.warnings]))
    return project, len(pictures), added
