"""What processes that answer the window have in common. Loads no torch: what they need, they load themselves."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

from spml_core.engine.background.answer_queue import failure

_NICENESS = 5


def leave_interrupts_to_parent() -> None:
    """Ctrl-C in a terminal reaches parent and child alike: the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def give_way() -> None:
    """Let the window, and all else that a user waits for, go first."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(max(0, _NICENESS - os.nice(0)))


def serve(connection: Connection, prepare: Callable[[], Callable[[], object]]) -> None:
    """Get ready and serve until the other end is closed; what goes wrong before is sent to the window.

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    prepare : callable
        Loads what it takes; what it gives is called then.
    """
    leave_interrupts_to_parent()
    with contextlib.suppress(OSError):  # the window may have gone while torch was loaded
        try:
            run = prepare()
        except Exception as error:
            connection.send(failure(error))
            return
        run()
