"""The process that trains. The window names :func:`serve_training` without loading torch."""

from __future__ import annotations

import contextlib
import os
import signal
from multiprocessing.connection import Connection

from spml_core.engine.background.messages import Failed, Trained
from spml_core.engine.background.training_failure import training_failure
from spml_core.engine.background.training_inbox import Inbox

_NICENESS = 5


def serve_training(connection: Connection) -> None:
    """Train what the first message, a :class:`TrainingOrder`, asks for; the target of a spawned process.

    Obeys :class:`Stop`, :class:`Pause`, :class:`Continue`, :class:`ShowPicture` and :class:`MarksChanged`, the last one
    without an id where only classes changed. Sends training events, :class:`Preview`, and at the end :class:`Trained`
    or :class:`Failed`. When the other end is closed it stops as if told to, and the model is kept. The database is only
    read; the run's folder is written to.

    What takes long to load is loaded before the order is waited for, so a process can be started in advance.

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    """
    # Ctrl-C in a terminal reaches parent and child alike: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(max(0, _NICENESS - os.nice(0)))
    inbox = Inbox(connection)
    end: Trained | Failed | None
    try:
        from spml_core.engine.background.training_session import TrainingSession

        order = inbox.order()
        end = None if order is None else TrainingSession(order, inbox, connection).run()
    except Exception as error:
        end = training_failure(error)
    with contextlib.suppress(OSError):  # the window may have gone
        if end is not None:
            connection.send(end)
        connection.close()
