"""A bar and a Cancel button for a job that goes on in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

Tell = Callable[[int, int], None]


class CancelledError(Exception):
    """The user doesn't want what the job does any more."""


class JobProgress(QWidget):
    """Hidden until a job begins.

    Parameters
    ----------
    name : str
        The bar's object name; the button's is ``NAME_cancel``.
    tip : str
        What cancelling leaves behind.
    """

    _progressed = Signal(int, int)

    def __init__(self, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cancelled = threading.Event()
        self.bar = QProgressBar()
        self.bar.setObjectName(name)
        self.bar.setFormat("%v of %m")
        self.button = QPushButton("Cancel")
        self.button.setObjectName(f"{name}_cancel")
        self.button.setToolTip(tip)
        self.button.clicked.connect(self.cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar, 1)
        layout.addWidget(self.button)
        self._progressed.connect(self._show)
        self.hide()

    def begin(self) -> Tell:
        """Show the bar; gives what the job shall call, in its thread, with (done, total) as it goes.

        The callable raises CancelledError once the job was cancelled, or this widget is gone.
        """
        self._cancelled = threading.Event()
        self.destroyed.connect(self._cancelled.set)
        self._show(0, 0)
        self.button.setEnabled(True)
        self.show()
        return _tell(self._progressed, self._cancelled)

    def cancel(self) -> None:
        """Let the job end at its next step."""
        self._cancelled.set()
        self.button.setEnabled(False)

    def end(self) -> None:
        """Hide the bar: the job has ended."""
        self.hide()

    def _show(self, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)


def _tell(progressed: Any, cancelled: threading.Event) -> Tell:
    # Not a method: the job must not keep the widget alive, nor touch it after its end.
    def tell(done: int, total: int) -> None:
        if cancelled.is_set():
            raise CancelledError
        try:
            progressed.emit(done, total)
        except RuntimeError as error:  # Qt deleted the widget just now
            raise CancelledError from error

    return tell
