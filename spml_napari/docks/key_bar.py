"""A slim bar: what the mouse and the keys do with the chosen tool, and at its end what happened last."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QEvent, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetrics, QKeySequence, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from spml_napari.docks.following import follow
from spml_napari.qt_types import flags
from spml_napari.session import Session
from spml_napari.shortcuts import SHORTCUTS
from spml_napari.view_state import Tool

_GAP = 16
_PAD = 5

MOUSE: dict[Tool, tuple[tuple[str, str], ...]] = {
    Tool.MOVE: (("Drag", "Move the picture"), ("Wheel", "Zoom")),
    Tool.SCRIBBLE: (("Drag", "Draw"),),
    Tool.POINT: (("Click", "Set a point"),),
    Tool.KEY_POINT: (("Click", "Set a part's centre"), ("Drag", "As wide as its object")),
    Tool.BOX: (("Drag", "From corner to corner"),),
    Tool.ERASE: (("Drag", "Rub out"),),
    Tool.PICK: (("Click", "Give a segment the class"), ("Drag", "Several")),
    Tool.ANSWER: (("Click", "Accept what is suggested"), ("1-9, 0", "Give another class")),
    Tool.WHY: (("Click", "What decided this place?"),),
}
"""What the left button does with each tool."""

_TAKE_BACK = ("Right button", "Take the stroke back")
_ALWAYS = (("Middle button", "Move the picture"),)


@dataclass(frozen=True)
class Hint:
    """A key, or what the mouse does, and what comes of it."""

    key: str
    text: str


def hints(tool: Tool, is_film: bool = False) -> list[Hint]:
    """All hints for a tool, the most useful first; those of films where a frame of one is shown."""
    keys: dict[str, list[tuple[str, ...]]] = {}
    for shortcut in SHORTCUTS:
        if shortcut.film and not is_film:
            continue
        if shortcut.bar and (not shortcut.tools or tool in shortcut.tools):
            keys.setdefault(shortcut.bar, []).append(shortcut.keys)
    found = [Hint(key, text) for key, text in MOUSE[tool]]
    found += [Hint("  ".join(map(shown_key, group)), text) for text, group in keys.items()]
    if tool in (Tool.SCRIBBLE, Tool.KEY_POINT, Tool.BOX, Tool.ERASE, Tool.PICK, Tool.ANSWER):
        found.append(Hint(*_TAKE_BACK))
    if tool is not Tool.MOVE:
        found += [Hint(key, text) for key, text in _ALWAYS]
    return found


def shown_key(keys: tuple[str, ...]) -> str:
    """Return the first of the keys as the system writes it; the number keys as a range."""
    if len(keys) > 2:
        return f"{keys[0]}-{keys[-2]}, {keys[-1]}"
    native = QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
    return native or keys[0]


class KeyBar(QWidget):
    """Hints on the left, as many as there is room for (all of them in the tooltip), the status on the right.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("key_bar")
        self.session = session
        self._is_film = False
        self.strip = HintStrip(self)
        self.status = ElidedLabel(self)
        self.status.setObjectName("status_line")
        self.status.setToolTip(
            "What was done last. Every mark is on the disk at once: there is nothing to save."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 1, 6, 1)
        layout.setSpacing(_GAP)
        layout.addWidget(self.strip, 1)
        layout.addWidget(self.status)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        follow(
            self,
            {
                session.tool_changed: self._show_hints,
                session.picture_changed: self._on_picture,
                session.saved: self._on_saved,
                session.project_changed: self._on_project,
            },
        )
        self._show_hints()

    def say(self, text: str) -> None:
        """Show a word on the right."""
        self.status.set_text(text)

    def resizeEvent(self, event: object) -> None:  # noqa: N802 (Qt's name)
        """Leave most of the bar to the hints."""
        self.status.setMaximumWidth(max(20, self.width() * 2 // 5))

    def _on_picture(self) -> None:
        if (self.session.film is not None) != self._is_film:
            self._show_hints()

    def _show_hints(self) -> None:
        self._is_film = self.session.film is not None
        self.strip.set_hints(hints(self.session.tool, self._is_film))

    def _on_saved(self, what: str) -> None:
        self.say(f"saved: {what}")

    def _on_project(self) -> None:
        self.say("" if self.session.project is None else f"{self.session.project.path.name}: all is saved")


class HintStrip(QWidget):
    """Keys in little frames, each with a word; what doesn't fit any more is left out whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("key_hints")
        self._hints: list[Hint] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_hints(self, hints: list[Hint]) -> None:
        """Show these."""
        self._hints = hints
        lines = [f"{hint.key}: {hint.text}" for hint in hints]
        self.setToolTip("\n".join(lines))
        self.setAccessibleName(", ".join(lines))
        self.update()

    def shown(self) -> list[Hint]:
        """Those that there is room for."""
        room = self.width()
        found: list[Hint] = []
        for hint in self._hints:
            room -= self._width(hint) + (_GAP if found else 0)
            if room < 0:
                break
            found.append(hint)
        return found

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One line."""
        return QSize(400, self.fontMetrics().height() + 8)

    def _width(self, hint: Hint) -> int:
        metrics = self.fontMetrics()
        return metrics.horizontalAdvance(hint.key) + metrics.horizontalAdvance(hint.text) + 3 * _PAD

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw frames and words in the theme's colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = self.palette().color(QPalette.ColorRole.WindowText)
        frame = QColor(color)
        frame.setAlpha(110)
        metrics, height = self.fontMetrics(), self.height()
        x = 0.0
        for hint in self.shown():
            key = metrics.horizontalAdvance(hint.key)
            box = QRectF(x + 0.5, 2.5, key + 2 * _PAD - 1, height - 5)
            painter.setPen(frame)
            painter.drawRoundedRect(box, 3, 3)
            painter.setPen(color)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, hint.key)
            x += key + 3 * _PAD
            words = metrics.horizontalAdvance(hint.text)
            place = QRectF(x, 0, words + 1, height)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, hint.text)
            x += words + _GAP
        painter.end()


class ElidedLabel(QLabel):
    """One line of text on the right that is cut with an ellipsis where there is no room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.full_text = ""
        self.setAlignment(flags(Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignVCenter))
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(20)

    def set_text(self, text: str) -> None:
        """Show a text, cut to the room there is."""
        self.full_text = text
        self.updateGeometry()
        self._fit()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The whole text."""
        metrics = self.fontMetrics()
        width = max(metrics.horizontalAdvance(self.full_text), metrics.boundingRect(self.full_text).width())
        return QSize(width + 4, metrics.height())

    def resizeEvent(self, event: object) -> None:  # noqa: N802 (Qt's name)
        """Cut anew."""
        self._fit()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Cut anew in another font."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        metrics, room = QFontMetrics(self.font()), self.contentsRect().width()
        cut = metrics.elidedText(self.full_text, Qt.TextElideMode.ElideRight, room)
        # Glyphs may reach past what they advance by: aligned right, the first letter would lose its edge.
        whole = cut == self.full_text and metrics.boundingRect(cut).width() < room
        side = Qt.AlignmentFlag.AlignRight if whole else Qt.AlignmentFlag.AlignLeft
        self.setAlignment(flags(side, Qt.AlignmentFlag.AlignVCenter))
        self.setText(cut)
