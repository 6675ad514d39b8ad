"""What a project keeps lies inside it: nothing is written or deleted through links that came with it.

A project may come from anyone, as an archive that holds links to files of whoever opens it. The folder of the project
itself, and its pictures and films, may be links; what is inside may not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from spml_core.errors import ProjectError
from spml_core.images import PROJECT_DATABASE
from spml_core.io.atomic import storage_errors

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # Windows has none; there the look before has to do
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for a reader
MOST_BYTES = 1 << 26
"""Of a file of settings or summaries, which have to be read as a whole."""
_BINARY = getattr(os, "O_BINARY", 0)


def check_own(path: Path) -> Path:
    """See that a file or folder inside a project is no link, nor any folder between it and the project.

    Parameters
    ----------
    path : Path
        Needn't exist. One that lies in no project is taken as it is.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ProjectError
        It names the link.
    """
    inside: list[Path] = []
    for place in (path, *path.parents):
        if place != path and (place / PROJECT_DATABASE).exists():
            for each in inside:
                refuse_link(each)
            break
        inside.append(place)
    return path


def refuse_link(path: Path) -> None:
    """Raise a ProjectError if there is a link, or on Windows a junction."""
    try:
        about = path.lstat()
    except OSError:
        return
    if stat.S_ISLNK(about.st_mode) or _is_junction(about):
        target = ""
        with contextlib.suppress(OSError, ValueError):
            target = f" to {path.readlink()}"
        raise ProjectError(
            f"{path} is a link{target}: what belongs to a project must lie in it.",
            "Put the file or folder itself in its place, or remove the link.",
        )


def check_layout(path: Path) -> None:
    """See that what a project writes to is what it should be, before anything is opened.

    Raises
    ------
    ProjectError
        If a file or folder of it is a link, or a thing of another kind, as a pipe.
    """
    for name in (
        *(f"{PROJECT_DATABASE}{end}" for end in ("", "-wal", "-shm", "-journal")),
        "lock",
        "lock.pid",
    ):
        refuse_link(path / name)
        _require(path / name, stat.S_ISREG, "file")
    for name in ("films", "cache", "runs", "predictions"):
        folder = path / name
        refuse_link(folder)
        _require(folder, stat.S_ISDIR, "folder")
    for folder in (path / "runs", path / "predictions"):
        with contextlib.suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
            for entry in entries:
                refuse_link(Path(entry.path))


def own_folder(path: Path) -> Path:
    """Make a folder of a project, with its parents, if it isn't there; see :func:`check_own`.

    Raises
    ------
    ProjectError
        If one is a link.
    StorageError
        If it can't be made.
    """
    check_own(path)
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def read_own(path: Path, most: int = MOST_BYTES, *, end: bool = False) -> bytes:
    """Content of a small file of a project.

    Parameters
    ----------
    path : Path
    most : int
        Bytes that there may be.
    end : bool
        Whether of more only the last ``most`` bytes are read.

    Raises
    ------
    OSError
        If it isn't there, can't be read or is no plain file.
    ValueError
        If it has more bytes than there may be.
    """
    descriptor = os.open(path, os.O_RDONLY | _BINARY | _NO_WAIT)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if about.st_size > most:
            if not end:
                raise ValueError(f"it has {about.st_size} bytes, {most} are the most")
            file.seek(-most, os.SEEK_END)
        return file.read(most)


@contextlib.contextmanager
def open_to_append(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of a project for reading and appending, made if it isn't there; never through a link.

    Raises
    ------
    ProjectError
        If it is a link, or no plain file.
    StorageError
        If it can't be written.
    """
    check_own(path)
    with storage_errors(path):
        try:
            descriptor = os.open(
                path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_FOLLOW | _BINARY | _NO_WAIT, 0o666
            )
        except OSError as error:
            if error.errno == errno.ELOOP:
                refuse_link(path)
            raise
        with os.fdopen(descriptor, "a+b") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ProjectError(f"{path} is no plain file.", "Remove it.")
            yield file


def _require(path: Path, is_kind: Callable[[int], bool], what: str) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not is_kind(mode):
        raise ProjectError(f"{path} is no plain {what}.", "Remove it, or restore the project from a copy.")


def _is_junction(about: os.stat_result) -> bool:
    return getattr(about, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
