"""Which pictures a folder holds, and a fingerprint of each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from spml_core.errors import PictureError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})

MORE_SUFFIXES = frozenset({".jpe", ".jfif", ".mpo", ".bmp", ".gif", ".webp"})
"""Pictures, too; but where one of ``SUFFIXES`` has the same stem, they are passed over: masks, often."""

ALL_SUFFIXES = SUFFIXES | MORE_SUFFIXES

PROJECT_DATABASE = "project.sqlite"
"""A folder with this file is a project: the index PNGs inside it are no pictures."""


def walk_pictures(folder: Path | str) -> list[Path]:
    """Every PNG, JPEG, TIFF, BMP, GIF and WebP under ``folder``, sorted, whether or not their stems differ.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders, except hidden ones and projects.

    Returns
    -------
    list of Path
        Possibly empty. The suffix decides, in any case; hidden files are skipped, and a BMP, GIF or WebP that has the
        stem of a PNG, JPEG or TIFF.

    Raises
    ------
    PictureError
        If the folder isn't there.
    """
    return without_twins(walk_files(folder, ALL_SUFFIXES), SUFFIXES)


def without_twins(paths: Iterable[Path], first: Collection[str]) -> list[Path]:
    """Those of ``paths`` with one of the suffixes ``first``, and of the others those whose stem none of these has."""
    paths = list(paths)
    stems = {path.stem for path in paths if path.suffix.lower() in first}
    return [path for path in paths if path.suffix.lower() in first or path.stem not in stems]


def walk_files(
    folder: Path | str, suffixes: Collection[str], folder_suffixes: Collection[str] = ()
) -> list[Path]:
    """Every file under ``folder`` with one of some suffixes (in lower case, with their dots), sorted.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders, except hidden ones and projects. Hidden files are skipped.
    suffixes : collection of str
    folder_suffixes : collection of str
        Folders with one of these are found like files, and not looked into.

    Raises
    ------
    PictureError
        If the folder isn't there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}.", "Give the folder that holds the pictures.")
    found: list[Path] = []
    for where, subfolders, files in os.walk(folder):
        if PROJECT_DATABASE in files:
            subfolders.clear()
            continue
        here = Path(where)
        seen = [name for name in subfolders if not name.startswith(".")]
        whole = [name for name in seen if Path(name).suffix.lower() in folder_suffixes]
        subfolders[:] = [name for name in seen if name not in whole]
        shown = (name for name in files if not name.startswith("."))
        found += [here / name for name in shown if Path(name).suffix.lower() in suffixes]
        found += [here / name for name in whole]
    return sorted(found)


def list_pictures(folder: Path | str) -> list[Path]:
    """Every picture under ``folder``, sorted, each with a stem of its own.

    The stem is a picture's name everywhere else: marks, predictions and tables refer to it.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders, except hidden ones and projects.

    Returns
    -------
    list of Path
        At least one.

    Raises
    ------
    PictureError
        If the folder isn't there, holds no picture, or holds two pictures of one stem.
    """
    pictures = walk_pictures(folder)
    if not pictures:
        raise PictureError(f"There is no picture in {folder}.", "Put PNG, JPEG or TIFF files there.")
    check_stems(pictures)
    return pictures


def place_of(path: str | os.PathLike[str]) -> Path:
    """Absolute path of a file or folder under its own name: links above it are followed, it itself isn't.

    A link is called as its user called it; its target may have any name.
    """
    path = Path(path)
    if path.name in ("", ".."):
        return path.resolve()
    return path.parent.resolve() / path.name


def check_stems(pictures: Iterable[Path]) -> None:
    """Complain of two pictures with one stem.

    Raises
    ------
    PictureError
        It names both.
    """
    by_stem: dict[str, Path] = {}
    for path in pictures:
        twin = by_stem.setdefault(path.stem, path)
        if twin is not path:
            raise PictureError(
                f"Two pictures share the name {path.stem!r}: {twin} and {path}.", "Rename one of them."
            )


def content_hash(path: Path | str) -> str:
    """BLAKE2b fingerprint (40 hex digits) of a file's bytes, read in pieces.

    Raises
    ------
    PictureError
        If the file can't be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    except OSError as error:
        raise PictureError(
            f"{path} can't be read: {error.strerror}.", "Check that it is there and readable."
        ) from error
