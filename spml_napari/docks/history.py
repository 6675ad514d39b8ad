"""Undo, redo, and the list of what was done."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QPalette
from qtpy.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget

from spml_core.project import HistoryEntry
from spml_napari.docks.fold import Fold
from spml_napari.docks.following import follow
from spml_napari.docks.icon_button import IconButton
from spml_napari.docks.parts import SPACING
from spml_napari.session import Session

STEPS_SHOWN = 50
_ROWS_SHOWN = 8
_SCROLLING_KEYS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End}
)


class _Steps(QListWidget):
    """Can be scrolled; leaves all other keys to the window."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in _SCROLLING_KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()


class HistoryPanel(QWidget):
    """Undo and redo buttons that say what they would do, and the latest steps in a fold.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.undo = _button("undo", "Undo")
        self.redo = _button("redo", "Redo")
        self.undo.clicked.connect(session.undo)
        self.redo.clicked.connect(session.redo)
        self.steps = _Steps()
        self.steps.setObjectName("history_steps")
        self.steps.setAccessibleName("What was done, the latest step first")
        self.steps.setToolTip("What was done, the latest step first; steps that were undone are grey")
        self.steps.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.steps.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.steps.setMinimumSize(120, _ROWS_SHOWN * (self.steps.fontMetrics().height() + 4))
        self.fold = Fold("History", "Show what was done, step by step", self.steps)
        self.fold.header.setObjectName("history_fold")
        self.fold.toggled.connect(self._fill)
        row = QHBoxLayout()
        row.setSpacing(SPACING)
        row.addWidget(self.undo)
        row.addWidget(self.redo)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.fold)
        follow(self, {session.history_changed: self._on_history, session.project_changed: self._on_history})
        self._on_history()

    def _on_history(self) -> None:
        project = self.session.project
        back = None if project is None else project.can_undo()
        again = None if project is None else project.can_redo()
        _say(self.undo, "Undo", "Ctrl+Z", back)
        _say(self.redo, "Redo", "Ctrl+Shift+Z", again)
        self._fill()

    def _fill(self) -> None:
        if not self.fold.is_open:
            return
        self.steps.clear()
        if self.session.project is None:
            return
        faded = self.steps.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.Text)
        faded.setAlphaF(0.45)
        for entry in reversed(self.session.project.latest_steps(STEPS_SHOWN)):
            item = QListWidgetItem(entry.note, self.steps)
            item.setToolTip(
                f"{entry.note}, {entry.time} UTC" + (" (undone)" if entry.state == "undone" else "")
            )
            if entry.state == "undone":
                item.setForeground(faded)
                font = item.font()
                font.setItalic(True)
                item.setFont(font)


def _button(name: str, text: str) -> IconButton:
    button = IconButton(name, text, text)
    button.setObjectName(name)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return button


def _say(button: IconButton, verb: str, keys: str, entry: HistoryEntry | None) -> None:
    button.setEnabled(entry is not None)
    button.setToolTip(f"Nothing to {verb.lower()}" if entry is None else f"{verb} {entry.note} ({keys})")
