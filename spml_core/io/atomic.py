"""Writing a file so that there is always either the old one or the whole new one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from spml_core.errors import StorageError
from spml_core.io.temporary import temporary_file

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Some network drives can't bring a folder to the disk, and a folder may be writable but not readable.
_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM})


@contextlib.contextmanager
def storage_errors(path: Path | str) -> Iterator[None]:
    """Turn an OSError about ``path`` into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise StorageError(
                f"There is no room to write {path}: {reason}.", "Free some disk space and try again."
            ) from error
        raise StorageError(
            f"{path} can't be written: {reason}.", "Check that the folder is there and may be written to."
        ) from error


def write_atomic(path: Path | str, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file, or leave everything as it was.

    The bytes go to a temporary file in the same folder and to the disk itself before the name moves over to
    them, so neither a kill nor a power cut leaves half a file.

    Parameters
    ----------
    path : path
        Replaced if it exists. Its folder must exist.
    content : bytes or callable
        The bytes, or a function that writes them to the open file it is given.

    Raises
    ------
    StorageError
        If the disk is full or the file can't be written: the temporary file is gone, the old file untouched. Or, and it
        says so, if the new file is in place but the disk failed to keep its name.
    """
    path = Path(path)
    with storage_errors(path):
        descriptor, temporary = temporary_file(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(_mode_for(path))
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    keep_name(path)


def keep_name(path: Path) -> None:
    """Bring the name that a file or folder has just got to the disk, where the system can.

    Raises
    ------
    StorageError
        If the disk fails. It says that the file is in place: only a power cut could still undo that.
    """
    if os.name == "nt":  # Windows can't open folders
        return
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _CANNOT_SYNC:
            return
        raise StorageError(
            f"{path} is written, but its folder can't be brought to the disk: {error.strerror or error}.",
            "It may be lost in a power cut. Check the disk, and write it again.",
        ) from error


def _mode_for(path: Path) -> int:
    """Permissions of the file to be replaced, or readable by all: mkstemp's own are for secrets."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o644
