"""The process that trains. The window names :func:`serve_training` without loading torch."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection

from spml_core.engine.background.messages import Failed, Trained
from spml_core.engine.background.serving import give_way, leave_interrupts_to_parent
from spml_core.engine.background.training_inbox import Inbox
from spml_core.engine.background.work_failure import training_failure


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
    leave_interrupts_to_parent()
    give_way()
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
