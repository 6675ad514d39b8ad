"""What a child process of the window runs first. Imports neither Qt nor napari: a child has no window."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from spml_core.cores import share_cores

_SECONDS_AFTER_THE_WINDOW = 5.0


def child_main(target: str, niceness: int, connection: Connection, *arguments: Any) -> None:
    """Import the target and call it with the connection and the arguments.

    Parameters
    ----------
    target : str
        ``"module:function"``.
    niceness : int
        By how much the child gives way to the window (POSIX only); 0 not at all.
    connection : Connection
        The child's end of the pipe.
    *arguments
        More for the target.
    """
    # Ctrl-C in a terminal reaches parent and child alike: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if niceness and hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(niceness)
    share_cores()
    threading.Thread(target=_leave_with_the_window, name="leave-with-the-window", daemon=True).start()
    module, _, function = target.partition(":")
    getattr(import_module(module), function)(connection, *arguments)


def _leave_with_the_window() -> None:
    """End this process some seconds after a window that was killed, whatever it computes."""
    window = multiprocessing.parent_process()
    if window is not None:
        multiprocessing.connection.wait([window.sentinel])
        time.sleep(_SECONDS_AFTER_THE_WINDOW)
        os._exit(1)
