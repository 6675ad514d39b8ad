"""Child processes that have said their last word end by themselves, but not for ever."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer

from spml_napari.workers import ChildProcess

_MS_TO_LEAVE = 10_000


class LeavingChildren(QObject):
    """Those that nobody listens to any more."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._children: list[ChildProcess] = []

    def let_leave(self, child: ChildProcess) -> None:
        """Give a child time to end; one that doesn't is ended."""
        if not child.alive:
            child.deleteLater()
            return
        self._children.append(child)
        child.ended.connect(lambda _: self._end(child))
        limit = QTimer(child)
        limit.setSingleShot(True)
        limit.timeout.connect(lambda: self._end(child))
        limit.start(_MS_TO_LEAVE)

    def close(self) -> None:
        """End all of them now."""
        for child in self._children:
            child.close(timeout=0.2)
        self._children.clear()

    def _end(self, child: ChildProcess) -> None:
        if child in self._children:
            self._children.remove(child)
            child.close(timeout=0)
            child.deleteLater()
