"""What the user is told, in napari's own notifications: whole, and none over another.

napari shows one line of a message, cut, until an arrow is pressed, and lays the next message over it.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QRect, Qt, QTimer
from qtpy.QtWidgets import QDialog, QWidget

from spml_napari.tools.native import native_canvas

_SHOW = {"info": show_info, "warning": show_warning, "error": show_error}
_SLIDING_IN_MS = 300  # what napari takes for it, and a little
_READING_MS = 60
"""Per character: of what napari gives every message, 4 s, a long one would take more to read."""
_EDGE = 8
_MOST_WIDTH = 620
_BREAK = "\u200b"


class Toasts(QObject):
    """The notifications over the canvas of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # Weakly: napari's window must be able to go, and a message may come as it closes.
        self._canvas = ref(native_canvas(viewer))

    def show(self, level: str, text: str) -> None:
        """Tell something; the levels are info, warning and error."""
        _SHOW[level](text)
        # The newest slides in where it will cover the one before: that makes room first.
        QTimer.singleShot(_SLIDING_IN_MS, self.arrange)

    def arrange(self) -> None:
        """Give each the height of its text, the newest at the bottom."""
        canvas = self._canvas()
        if canvas is None or not isalive(canvas):
            return
        bottom = canvas.height() - _EDGE
        for toast in reversed(_toasts(canvas)):
            width, height = _unfold(toast, canvas.width() - 2 * _EDGE)
            toast.setGeometry(QRect(canvas.width() - _EDGE - width, bottom - height, width, height))
            bottom -= height + _EDGE


def _toasts(canvas: QWidget) -> list[Any]:
    """Napari's notifications on a canvas, the oldest first."""
    dialogs = canvas.findChildren(QDialog, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return [d for d in dialogs if d.property("expanded") is not None and d.isVisible()]


def _unfold(toast: Any, most_width: int) -> tuple[int, int]:
    """Let a notification show all of its text; the width and height that it needs."""
    label = toast.message
    metrics = label.fontMetrics()
    text: str = label.text()
    beside = toast.MIN_WIDTH - _room(toast)
    longest = max(map(metrics.horizontalAdvance, text.split()), default=0) + 4
    widest = max(min(most_width, _MOST_WIDTH), toast.MIN_WIDTH)
    width = min(max(toast.MIN_WIDTH, longest + beside), widest)
    room = width - beside
    if longest > room:
        label.setText(_breakable(text, room // metrics.maxWidth()))
    label.setElideMode(Qt.TextElideMode.ElideNone)
    height = label.heightForWidth(room)
    label.setFixedSize(room, height)
    for margins in (toast.row1.contentsMargins(), toast.verticalLayout.contentsMargins()):
        height += margins.top() + margins.bottom()
    if toast.row2_widget.isVisible():
        height += toast.row2_widget.sizeHint().height()
    toast.geom_anim.stop()
    toast.setFixedWidth(width)
    toast.setProperty("expanded", True)
    toast.expand_button.hide()  # nothing is left to unfold
    toast.timer.setInterval(
        max(toast.DISMISS_AFTER, _READING_MS * len(text))
    )  # also begins it anew if it runs
    return width, max(height, toast.minimumHeight())


def _room(toast: Any) -> int:
    """Width that the text has in a notification of the least width."""
    outer, row = toast.verticalLayout.contentsMargins(), toast.row1.contentsMargins()
    taken = sum(m.left() + m.right() for m in (outer, row)) + 3 * toast.row1.spacing()
    buttons = toast.expand_button.maximumWidth() + toast.close_button.maximumWidth()
    return int(toast.MIN_WIDTH - taken - buttons - toast.severity_icon.maximumWidth())


def _breakable(text: str, most: int) -> str:
    """Allow breaks anywhere in words that may be longer than a line, such as the names of files."""
    return " ".join(_BREAK.join(word) if len(word) > most else word for word in text.split(" "))
