"""The process that propagates marks. The window names :func:`serve_propagation` without loading torch."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection
from pathlib import Path

from spml_core.engine.background.propagate_messages import PropagateOrder
from spml_core.engine.background.serving import give_way, leave_interrupts_to_parent
from spml_core.engine.background.training_inbox import Inbox
from spml_core.engine.background.work_failure import propagation_failure
from spml_core.project import Project


def serve_propagation(connection: Connection) -> None:
    """Propagate what the first message, a :class:`PropagateOrder`, asks for; the target of a spawned process.

    Obeys :class:`Stop`, :class:`Pause`, :class:`Continue` and :class:`MarksChanged`, the last one also where only
    classes changed. Sends events of propagation, at the end :class:`Propagated` or :class:`Failed`. When the other end
    is closed it stops as if told to, and all that is computed is kept. The database is only read; what is written are
    the film's results, and the cache.

    What takes long to load is loaded before the order is waited for, so a process can be started in advance.

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    """
    leave_interrupts_to_parent()
    give_way()
    inbox = PropagationInbox(connection)
    with contextlib.suppress(OSError):  # the window may have gone
        try:
            import spml_core.engine.propagate  # noqa: F401 - loaded in advance

            order = inbox.propagation()
            if order is not None:
                _propagate(order, inbox, connection)
        except Exception as error:
            connection.send(propagation_failure(error))
        connection.close()


class PropagationInbox(Inbox):
    """What the window has said to the propagating process."""

    def propagation(self) -> PropagateOrder | None:
        """Wait for the order; None if the window goes, or says stop, before it gives one."""
        with contextlib.suppress(EOFError, OSError):
            while not self._stopped:
                message = self._connection.recv()
                if isinstance(message, PropagateOrder):
                    return message
                self._take(message)
        return None

    def marks_changed(self) -> bool:
        """Whether marks or classes have changed since this was asked last."""
        return self.take_changed() is not None


def _propagate(order: PropagateOrder, inbox: PropagationInbox, connection: Connection) -> None:
    from spml_core.engine.propagate import propagate_film

    with Project.open(Path(order.project), write=False) as project:
        events = propagate_film(
            project,
            project.film(order.film),
            first=order.first,
            last=order.last,
            direction=order.direction,
            flow=order.flow,
            device=order.device,
            around=order.around,
            should_stop=inbox.stopped,
            paused=inbox.paused,
            marks_changed=inbox.marks_changed,
        )
        with contextlib.closing(events):
            for event in events:
                try:
                    connection.send(event)
                except OSError:
                    inbox.hang_up()
