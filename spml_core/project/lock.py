"""One writer at a time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import filelock

from spml_core.errors import ProjectError
from spml_core.io.own_files import refuse_link

_LOCK = "lock"
_HOLDER = "lock.pid"


class WriterLock:
    """The right to change a project. The system takes it back when the process ends, however it ends.

    Parameters
    ----------
    folder : Path
        The project.

    Raises
    ------
    ProjectError
        If another process (or another ``Project`` in this one) holds it, or no file can be made in the
        folder.
    """

    def __init__(self, folder: Path) -> None:
        self._holder = folder / _HOLDER
        refuse_link(folder / _LOCK)  # it would be emptied through it
        self._lock = filelock.FileLock(folder / _LOCK, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise ProjectError(
                f"{folder} is in use by {self._holder_words()}.", "Close it there first."
            ) from error
        except OSError as error:
            raise ProjectError(
                f"{folder} can't be written to: {error.strerror or error}.",
                "Use commands for reading only, or change its permissions; spml info, suggest and export read.",
            ) from error
        # Beside the lock, not in it: who asks in vain may empty that file. Only a hint, so a full disk is no
        # reason to stop.
        with contextlib.suppress(OSError):
            self._holder.unlink(missing_ok=True)  # a new file, never one that a link leads to
            with self._holder.open("x", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def release(self) -> None:
        """Give the right back; more than once does no harm."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._holder.unlink()
            self._lock.release()

    def _holder_words(self) -> str:
        try:
            pid = int(self._holder.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return "another program"
        return f"this program (process {pid})" if pid == os.getpid() else f"another program (process {pid})"
