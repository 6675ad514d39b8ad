"""What every importer asks: which picture, which class, and is it inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from spml_core.annotations import Mark
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.warnings import ImportWarnings

Sizes: TypeAlias = Mapping[str, tuple[int, int]]
"""Height and width of each picture, by its stem."""

MarksByPicture: TypeAlias = dict[str, list[Mark]]
"""The marks of each picture that has any, by its stem."""

Reader: TypeAlias = Callable[[Path | str, Sizes, ClassTable, ImportWarnings], MarksByPicture]
"""Reads one kind of marks from a file or folder."""


def find_picture(image: str, pictures: Sizes) -> str | None:
    """Stem of the picture that a stem, file name or path means; None if there is none."""
    name = PurePosixPath(image.replace("\\", "/")).name
    return next((word for word in (image, name, PurePosixPath(name).stem) if word in pictures), None)


def named_picture(where: str, image: str, pictures: Sizes) -> str:
    """Stem of the picture that a stem, file name or path means.

    Raises
    ------
    MarkError
        If there is no such picture; it begins with ``where``.
    """
    stem = find_picture(image, pictures)
    if stem is None:
        raise MarkError(
            f"{where}: there is no picture {image!r}.", "Give the stem or file name of a picture."
        )
    return stem


def picture_of_file(path: Path, pictures: Sizes, said: str | None = None) -> str:
    """Stem of the picture that a file of marks belongs to: the file's own, or else what the file says.

    Own first: programs write names into their files that later renaming makes untrue.

    Raises
    ------
    MarkError
        If neither is a picture.
    """
    stem = path.stem if path.stem in pictures else find_picture(said or "", pictures)
    if stem is None:
        raise MarkError(
            f"{path} belongs to no picture: there is none named {path.stem!r}.",
            "Name it as its picture, or take it out of the folder.",
        )
    return stem


def named_class(where: str, word: str, classes: ClassTable) -> int:
    """Code of a class given by its name or index.

    Raises
    ------
    ClassError
        If there is no such class; it begins with ``where``.
    """
    try:
        return classes.index(word)
    except ClassError as error:
        raise ClassError(f"{where}: {error.problem}", error.remedy) from error


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
