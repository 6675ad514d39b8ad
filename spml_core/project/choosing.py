"""What a user chose to add, told apart: still pictures and films."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from spml_core.errors import PictureError
from spml_core.films import ANIMATION_SUFFIXES, COMMON_VIDEO_SUFFIXES, VIDEO_SUFFIXES, is_film
from spml_core.images import check_stems, common_folder, left_out, place_of, walk_files, walk_pictures
from spml_core.images.left_out import twins_line
from spml_core.images.listing import ALL_SUFFIXES, without_twins
from spml_core.spelling import is_writable

Images: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""A folder of pictures and films, a film, or the paths of some pictures and films."""

FILM_FILES = VIDEO_SUFFIXES | ANIMATION_SUFFIXES | {".tif", ".tiff"}
"""Suffixes of files that are or may be films: a TIFF, GIF or WebP is one if it has several pages or frames."""

_FIRST_FILMS = COMMON_VIDEO_SUFFIXES | {".tif", ".tiff", ".zarr"}

FILM_FOLDERS = frozenset({".zarr"})


@dataclass(frozen=True)
class Chosen:
    """Paths of still pictures, no two with one stem, and of films; each once.

    ``root`` is the folder that holds all the pictures: folders inside it belong to their names. ``warnings`` say what
    of a folder was left out.
    """

    pictures: list[Path]
    films: list[Path]
    root: Path | None = None
    warnings: tuple[str, ...] = ()


def choose(images: Images, films: Iterable[str | os.PathLike[str]] = ()) -> Chosen:
    """Tell still pictures from films.

    Parameters
    ----------
    images : path, or iterable of paths
        A folder, in all of whose subfolders pictures and films are found, or a film; or the paths of pictures and
        films. Videos, TIFF files with several pages, and zarr arrays are films.
    films : iterable of path
        What is to be taken as a film in any case: also a folder, whose pictures are then its frames.

    Raises
    ------
    PictureError
        If there is none at all, two pictures share a stem, or a file's name isn't UTF-8.
    """
    given = list(films)
    root: Path | None = None
    warnings: tuple[str, ...] = ()
    if isinstance(images, str | os.PathLike):
        path = Path(images)
        if path.exists() and is_film(path):
            return Chosen([], _once([path, *given]))
        if path.is_file():
            raise PictureError(
                f"{path} is neither a folder nor a film.", "Give the folder that holds the pictures."
            )
        root = path.resolve()
        found, moving, warnings = in_folder(path, given)
        if not found and not moving and not given:
            raise PictureError(
                " ".join([f"There is no picture in {path}.", *warnings]),
                "Put PNG, JPEG, TIFF or video files there.",
            )
    else:
        found = _once(images)
        moving = [
            path for path in found if path.suffix.lower() in FILM_FILES | FILM_FOLDERS and is_film(path)
        ]
        if not found and not given:
            raise PictureError("No picture was chosen.", "Give at least one.")
    taken = {Path(path).resolve() for path in (*moving, *given)}
    # The pictures of a folder that is a film are its frames.
    still = [path for path in found if taken.isdisjoint((path.resolve(), place_of(path).parent))]
    check_stems(still)
    root = root or common_folder(map(place_of, still))
    chosen = Chosen(still, _once([*moving, *given]), root, warnings)
    for path in (*chosen.pictures, *chosen.films):
        if not is_writable(path.name):
            raise PictureError(f"The name of {path} isn't UTF-8.", "Rename the file.")
    return chosen


def in_folder(
    folder: Path, given: Iterable[str | os.PathLike[str]] = ()
) -> tuple[list[Path], list[Path], tuple[str, ...]]:
    """Pictures (films of one file among them) and films of a folder, and what is to be said of the rest.

    ``given`` are taken as films in any case. Raises PictureError if the folder isn't there.
    """
    everything = walk_files(folder, ALL_SUFFIXES | FILM_FILES, FILM_FOLDERS)
    films = [
        path for path in everything if path.suffix.lower() in FILM_FILES | FILM_FOLDERS and is_film(path)
    ]
    moving = without_twins(films, _FIRST_FILMS)
    still = walk_pictures(folder)
    taken = {*moving, *still}
    twins = [
        path
        for path in everything
        if path not in taken and (path in films or path.suffix.lower() in ALL_SUFFIXES)
    ]
    told = {*taken, *twins, *(Path(path) for path in given)}
    warnings = (*twins_line(folder, len(twins)), *left_out(folder, told, FILM_FOLDERS))
    return still, moving, warnings


def _once(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    return list({place_of(os.fspath(path)): Path(path) for path in paths}.values())
