"""Which pictures a folder holds, and a fingerprint of each."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from spml_core.errors import PictureError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})

PROJECT_DATABASE = "project.sqlite"
"""A folder with this file is a project: the index PNGs inside it are no pictures."""


def walk_pictures(folder: Path | str) -> list[Path]:
    """Every PNG, JPEG and TIFF under ``folder``, sorted, whether or not their stems differ.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders, except hidden ones and projects.

    Returns
    -------
    list of Path
        Possibly empty. The suffix decides, in any case; hidden files are skipped.

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
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        here = Path(where)
        found += [
            here / name
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def list_pictures(folder: Path | str) -> list[Path]:
    """Every PNG, JPEG and TIFF under ``folder``, sorted, each with a stem of its own.

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
    by_stem: dict[str, Path] = {}
    for path in pictures:
        twin = by_stem.setdefault(path.stem, path)
        if twin is not path:
            raise PictureError(
                f"Two pictures share the name {path.stem!r}: {twin} and {path}.", "Rename one of them."
            )
    return pictures


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
