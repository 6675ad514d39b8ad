"""Pictures beside their labels."""

from __future__ import annotations

import shutil
from pathlib import Path

from spml_core.errors import PictureError
from spml_core.images import Picture
from spml_core.io.atomic import write_atomic


def copy_picture(path: Path, folder: Path) -> Path:
    """Copy a picture's file as it is into a folder; the copy. A picture that lies there already is left alone.

    Only what is a picture: the path, from a foreign project, may lead to any file of whoever exports.

    Raises
    ------
    PictureError
        If the picture can't be read, or isn't one.
    StorageError
        If the copy can't be written.
    """
    copy = folder / path.name
    if copy.exists() and copy.samefile(path):
        return copy
    Picture(path).source  # noqa: B018 - complains if it is none
    try:
        source = path.open("rb")
    except OSError as error:
        raise PictureError(
            f"{path} can't be read: {error.strerror}.", "Check that it is there and readable."
        ) from error
    with source:
        write_atomic(copy, lambda file: shutil.copyfileobj(source, file, 2**20))
    return copy
