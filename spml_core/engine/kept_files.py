"""What of a project no result may replace: its pictures and films; see :mod:`spml_core.io.outputs`."""

from __future__ import annotations

from pathlib import Path

from spml_core.films import is_film
from spml_core.images import walk_pictures
from spml_core.io.outputs import Kept
from spml_core.project import Project


def kept_files(
    project: Project, *, beside_pictures: bool = False, beside_films: bool = False
) -> tuple[Kept, ...]:
    """The pictures and films of a project.

    Parameters
    ----------
    project : Project
    beside_pictures, beside_films : bool
        Whether results may lie where pictures or films are: none could have the name of one.
    """
    # Whatever is added to the folder of a sequence or of a zarr array makes it another film.
    folders = [film.path for film in project.films if film.kind != "video" and film.path.is_dir()]
    inside = {film.path for film in project.films if film.kind == "sequence"}
    return (
        Kept("pictures of the project", [record.path for record in project.pictures], beside=beside_pictures),
        Kept("film", folders=folders, beside=True),
        Kept(
            "films of the project",
            [film.path for film in project.films if film.path not in inside],
            beside=beside_films,
        ),
    )


def given_files(path: Path) -> tuple[Kept, ...]:
    """The pictures of a folder, or a film, that are given to be read."""
    if is_film(path):
        folders = [path] if path.is_dir() else []
        return (Kept("film", folders=folders, beside=True), Kept("films that are read", [path], beside=True))
    if path.is_dir():
        return (Kept("pictures that are read", walk_pictures(path)),)
    return (Kept("pictures that are read", [path], beside=True),)
