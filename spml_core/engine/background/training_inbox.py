"""What the window has said to the training process. Needs no torch."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection
from typing import Any

from spml_core.engine.background.messages import (
    Continue,
    MarksChanged,
    Pause,
    ShowPicture,
    Stop,
    TrainingOrder,
)


class Inbox:
    """Listens whenever it is asked something, so that what it says is always the latest.

    Parameters
    ----------
    connection : Connection
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stopped = False
        self._paused = False
        self._shown: ShowPicture | None = None
        self._changed: set[int] | None = None

    def order(self) -> TrainingOrder | None:
        """Wait for the order; None if the window goes, or says stop, before it gives one."""
        with contextlib.suppress(EOFError, OSError):
            while not self._stopped:
                message = self._connection.recv()
                if isinstance(message, TrainingOrder):
                    self._take(ShowPicture(message.shown, message.shrink))
                    return message
                self._take(message)
        return None

    def stopped(self) -> bool:
        """Whether to stop: somebody said so, or nobody is there any more."""
        self._listen()
        return self._stopped

    def paused(self) -> bool:
        """Whether to wait."""
        self._listen()
        return self._paused and not self._stopped

    def shown(self) -> ShowPicture | None:
        """The picture that is looked at, and how much smaller than it is; None for none."""
        self._listen()
        return self._shown

    def take_changed(self) -> set[int] | None:
        """Pictures whose marks have changed since this was asked last; None if nothing was said."""
        self._listen()
        changed, self._changed = self._changed, None
        return changed

    def hang_up(self) -> None:
        """Nobody is there any more."""
        self._stopped = True

    def _listen(self) -> None:
        try:
            while not self._stopped and self._connection.poll():
                self._take(self._connection.recv())
        except (EOFError, OSError):
            self.hang_up()

    def _take(self, message: Any) -> None:
        match message:
            case Stop():
                self._stopped = True
            case Pause():
                self._paused = True
            case Continue():
                self._paused = False
            case ShowPicture():
                self._shown = None if message.picture_id is None else message
            case MarksChanged():
                self._changed = (self._changed or set()) | set(message.picture_ids)
            case _:
                text = f"A message of type {type(message).__name__} is none that a training process obeys."
                raise TypeError(text)
