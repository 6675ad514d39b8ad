"""Files and folders under another name until they are whole, and what is left of them after a kill.

Their names tell who is at work on them: what a process left that is no more is cleared away by the next one that
writes into the same folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

ASIDE = "old"
"""Folder in a temporary one for what is about to be replaced, under its own name."""

_SUFFIX = ".tmp"
_MOST_BYTES = 100  # of the name that is written in the end: names have 255 at the most
_NAME = re.compile(r"\..*\.spml-([0-9a-f]{8})-([0-9]+)-[^.]*\.tmp", re.DOTALL)
_QUERY, _STILL_ACTIVE = 0x1000, 259  # of Windows


def temporary_file(path: Path) -> tuple[int, Path]:
    """Make a file beside ``path``, to be moved there; its descriptor and its name.

    Raises
    ------
    OSError
        If it can't be made.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=_SUFFIX)
    return descriptor, Path(name)


def temporary_folder(path: Path) -> Path:
    """Make a folder beside ``path``, to be moved there; for all to read.

    Raises
    ------
    OSError
        If it can't be made.
    """
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path), suffix=_SUFFIX))
    folder.chmod(0o755)  # mkdtemp's own permissions are for secrets
    return folder


def clear_leftovers(folder: Path) -> None:
    """Remove from a folder what processes of this machine began to write and didn't live to finish.

    What they had put aside to replace it, and didn't, is put back.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match is None or match[1] != _machine() or is_running(int(match[2])):
                continue
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    _put_back(Path(entry.path) / ASIDE, folder)
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink()


def _put_back(aside: Path, folder: Path) -> None:
    if aside.is_symlink() or not aside.is_dir():
        return
    for old in list(aside.iterdir()):
        if not (folder / old.name).exists():
            old.rename(folder / old.name)


def is_running(pid: int) -> bool:
    """Whether there is a process of this number; True where nobody can tell."""
    if os.name == "nt":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


def _is_running_on_windows(pid: int) -> bool:
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(_QUERY, False, pid)
    if not handle:
        return False
    try:
        code = ctypes.c_ulong()
        return not kernel.GetExitCodeProcess(handle, ctypes.byref(code)) or code.value == _STILL_ACTIVE
    finally:
        kernel.CloseHandle(handle)


def _prefix(path: Path) -> str:
    short = os.fsdecode(os.fsencode(path.name)[:_MOST_BYTES])
    with contextlib.suppress(UnicodeError):
        short = path.name.encode()[:_MOST_BYTES].decode(errors="ignore")
    return f".{short}.spml-{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """A word for this machine: the numbers of processes on others, which may share a disk, mean nothing here."""
    return hashlib.blake2b(platform.node().encode(errors="replace"), digest_size=4).hexdigest()
