"""What every importer asks: which picture, which class, and is it inside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeAlias

from spml_core.annotations import Mark
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.images import PictureNames
from spml_core.io.imports.files import find_files, kinds_of_files
from spml_core.io.imports.warnings import ImportWarnings

Sizes: TypeAlias = Mapping[str, tuple[int, int]]
"""Height and width of each picture, by its stem; of frames of films, too, if it is a ``PictureNames``."""

MarksByPicture: TypeAlias = dict[str, list[Mark]]
"""The marks of each picture that has any, by its stem."""

Reader: TypeAlias = Callable[[Path | str, Sizes, ClassTable, ImportWarnings], MarksByPicture]
"""Reads one kind of marks from a file or folder."""


def find_picture(image: str, pictures: Sizes) -> str | None:
    """Name of the picture that a name, file name or path means; None if there is none. See ``PictureNames.find``."""
    return _names(pictures).find(image)


def named_picture(where: str, image: str, pictures: Sizes) -> str:
    """Name of the picture that a name, file name or path means.

    Raises
    ------
    MarkError
        If there is no such picture; it begins with ``where``.
    """
    name = find_picture(image, pictures)
    if name is None:
        raise MarkError(
            f"{where}: there is no picture {image!r}.",
            f"Give the stem or file name of a picture{_of_frames(pictures)}.",
        )
    return name


def is_named_after_picture(path: Path, pictures: Sizes) -> bool:
    """Whether a file has the name of a picture, or of a frame."""
    return _names(pictures).of_file(path) is not None


def picture_of_file(path: Path, pictures: Sizes, said: str | None = None) -> str:
    """Name of the picture that a file of marks belongs to: that of the file itself, or else what the file says.

    Own first: programs write names into their files that later renaming makes untrue.

    Raises
    ------
    MarkError
        If neither is a picture.
    """
    names = _names(pictures)
    name = names.of_file(path) or names.find(said or "")
    if name is None:
        raise MarkError(
            f"{path} belongs to no picture: there is none named {path.stem!r}.",
            f"Name it as its picture{_of_frames(pictures)}, or take it out of the folder.",
        )
    return name


def find_picture_files(
    folder: Path | str, suffixes: Collection[str], what: str, pictures: Sizes
) -> dict[str, Path]:
    """Return the files of a folder and its subfolders that are named as pictures: one for each.

    Parameters
    ----------
    folder, suffixes, what
        As for ``find_files``.
    pictures : mapping

    Returns
    -------
    dict
        Path by the picture's name; that of a file named as no picture by its own stem, for the complaint to come.

    Raises
    ------
    MarkError
        If there is no such folder, no file, or two are of one picture.
    """
    names = _names(pictures)
    found: dict[str, Path] = {}
    for path in find_files(folder, suffixes, what):
        name = names.of_file(path) or path.stem
        if name in found:
            raise MarkError(
                f"Two files belong to the picture {name!r}: {found[name]} and {path}.", "Keep one of them."
            )
        found[name] = path
    if not found:
        raise MarkError(
            f"There is no {kinds_of_files(suffixes)} in {folder}.", f"Give the folder that holds the {what}."
        )
    return found


def _names(pictures: Sizes) -> PictureNames:
    return pictures if isinstance(pictures, PictureNames) else PictureNames(pictures)


def _of_frames(pictures: Sizes) -> str:
    return ", or FILM/NUMBER or FILM/STEM of a frame" if _names(pictures).films else ""


def is_inside(y: float, x: float, size: tuple[int, int]) -> bool:
    """Whether a place lies in a picture: pixel centres are whole numbers, so x goes from -0.5 to the width."""
    return -0.5 <= y < size[0] and -0.5 <= x < size[1]


def check_inside(where: str, y: float, x: float, stem: str, pictures: Sizes) -> tuple[float, float]:
    """The place (y, x) itself, no further right or down than the last pixel's centre.

    Raises
    ------
    MarkError
        If it lies outside the picture; it begins with ``where``.
    """
    height, width = pictures[stem]
    if not is_inside(y, x, (height, width)):
        raise MarkError(
            f"{where}: the point x = {x:g}, y = {y:g} lies outside {stem}, {width} wide and {height} high.",
            "Give x and y in pixels from the top left corner.",
        )
    return min(y, height - 1), min(x, width - 1)


def check_size(where: str, height: object, width: object, stem: str, pictures: Sizes) -> None:
    """Complain if a file says another size of its picture; what isn't a positive number says nothing.

    Raises
    ------
    MarkError
        It begins with ``where``.
    """
    said = tuple(int(n) if isinstance(n, int | float) and 0 < n < 2**31 else 0 for n in (height, width))
    if all(said) and said != tuple(pictures[stem]):
        raise MarkError(
            f"{where} is for {said[0]} x {said[1]} pixels, its picture {stem!r} has"
            f" {pictures[stem][0]} x {pictures[stem][1]}.",
            "Draw on the picture at its full size.",
        )
