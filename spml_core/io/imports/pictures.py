"""What every importer asks: which picture, which class, and is it inside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from spml_core.annotations import Mark
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.images import Folders, Match, PictureNames
from spml_core.io.imports.claims import AreOne, Claim, nested_folders, no_other_folders, settle
from spml_core.io.imports.files import find_files, kinds_of_files
from spml_core.io.imports.warnings import ImportWarnings

Sizes: TypeAlias = Mapping[str, tuple[int, int]]
"""Height and width of each picture, by its stem; of frames of films, too, if it is a ``PictureNames``."""

MarksByPicture: TypeAlias = dict[str, list[Mark]]
"""The marks of each picture that has any, by its stem."""

Reader: TypeAlias = Callable[[Path | str, Sizes, ClassTable, ImportWarnings], MarksByPicture]
"""Reads one kind of marks from a file or folder."""


def find_pictures(
    words: Sequence[tuple[str, str]],
    pictures: Sizes,
    warnings: ImportWarnings,
    are_one: AreOne = no_other_folders,
) -> list[str | None]:
    """Name of the picture that each of a file's names, file names or paths means.

    None where there is no such picture, or its folders speak of another one; of those the warnings are told.

    Parameters
    ----------
    words : sequence of (str, str)
        Each with where it stands, for messages.
    pictures : mapping
    warnings : ImportWarnings
    are_one : callable, optional
        As for ``settle``.

    Raises
    ------
    MarkError
        If the folders of several names of one picture differ, and none agrees with its own.
    """
    names = _names(pictures)
    matches: dict[str, Match | None] = {}
    claims: list[Claim | None] = []
    for where, word in words:
        if word not in matches:
            matches[word] = names.match(word)
        match = matches[word]
        claims.append(None if match is None else Claim(f"{where}, {word!r}", match))
    return settle(claims, "names", names, warnings, are_one)


def named_pictures(
    words: Sequence[tuple[str, str]], pictures: Sizes, warnings: ImportWarnings
) -> list[str | None]:
    """``find_pictures`` for names each of which must be a picture's.

    Raises
    ------
    MarkError
        Also if there is no such picture; it begins with where that stands.
    """
    names = _names(pictures)
    for where, word in {word: (where, word) for where, word in reversed(words)}.values():
        if not is_known(word, names):
            raise unknown_picture(where, word, pictures)
    return find_pictures(words, pictures, warnings)


def is_known(word: str, pictures: Sizes) -> bool:
    """Whether there is a picture of this name, whatever the folders say."""
    return _names(pictures).match(word) is not None


def unknown_picture(where: str, word: str, pictures: Sizes) -> MarkError:
    """The error that there is no such picture; it begins with ``where``."""
    return MarkError(
        f"{where}: there is no picture {word!r}.",
        f"Give the stem or file name of a picture{_of_frames(pictures)}.",
    )


def is_named_after_picture(path: Path, pictures: Sizes, source: Path) -> bool:
    """Whether a file found in ``source`` (or ``source`` itself) has the name of a picture, or of a frame."""
    return _names(pictures).match_file(path, source) is not None


@dataclass(frozen=True)
class Said:
    """What a file of marks says of its picture.

    Attributes
    ----------
    path : Path
    names : sequence of (str, bool)
        Names, file names or paths, the surest first, each with whether its folders may be those of another place.
    """

    path: Path
    names: Sequence[tuple[str, bool]] = ()


def pictures_of_files(
    files: Sequence[Said], source: Path, pictures: Sizes, warnings: ImportWarnings
) -> list[str | None]:
    """Name of the picture that each file of marks belongs to: by its own name, or else by what it says.

    Own first: programs write names into their files that later renaming makes untrue. But what it says of folders
    counts. None for files whose folders speak of another picture; the warnings are told.

    Parameters
    ----------
    files : sequence of Said
    source : Path
        The folder that they were found in, or the only file itself.
    pictures : mapping
    warnings : ImportWarnings

    Raises
    ------
    MarkError
        If a file belongs to no picture, or two to one.
    """
    names = _names(pictures)
    claims: list[Claim | None] = []
    for file in files:
        match = _match(file, source, names)
        if match is None:
            raise MarkError(
                f"{file.path} belongs to no picture: there is none named {file.path.stem!r}.",
                f"Name it as its picture{_of_frames(pictures)}, or take it out of the folder.",
            )
        claims.append(Claim(str(file.path), match))
    return settle(claims, "files", names, warnings, nested_folders)


def _match(file: Said, source: Path, names: PictureNames) -> Match | None:
    own = names.match_file(file.path, source)
    place = Folders.of_file(file.path, source)
    found = (names.match(word, loose=loose, place=place) for word, loose in file.names)
    said = [match for match in found if match is not None]
    if own is None:
        return next((match for match in said if match.fits), next(iter(said), None))
    same = [match for match in said if match.name == own.name and match.said.key]
    surest = max((own, *same), key=lambda match: match.agreement)
    denied = next((match for match in same if not match.fits), None)
    return denied if denied is not None and surest.agreement == 0 else surest


def find_picture_files(
    folder: Path | str,
    suffixes: Collection[str],
    what: str,
    pictures: Sizes,
    warnings: ImportWarnings,
    said: Callable[[Path], Said] = Said,
) -> dict[str, Path]:
    """Return the files of a folder and its subfolders that are named as pictures: one for each.

    Parameters
    ----------
    folder, suffixes, what
        As for ``find_files``.
    pictures : mapping
    warnings : ImportWarnings
        Is told of files whose folders speak of other pictures.
    said : callable, optional
        Gives what a file says of its picture.

    Returns
    -------
    dict
        Path by the picture's name.

    Raises
    ------
    MarkError
        If there is no such folder, no file, one belongs to no picture, or two are of one.
    """
    paths = find_files(folder, suffixes, what)
    if not paths:
        raise MarkError(
            f"There is no {kinds_of_files(suffixes)} in {folder}.", f"Give the folder that holds the {what}."
        )
    found: dict[str, Path] = {}
    named = pictures_of_files([said(path) for path in paths], Path(folder), pictures, warnings)
    for path, name in zip(paths, named, strict=True):
        if name is not None:
            check_only_file(name, path, found)
    return found


def check_only_file(name: str, path: Path, found: dict[str, Path]) -> None:
    """Note that a file is a picture's.

    Raises
    ------
    MarkError
        If it has one already.
    """
    if found.setdefault(name, path) != path:
        raise MarkError(
            f"Two files belong to the picture {name!r}: {found[name]} and {path}.", "Keep one of them."
        )


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
