"""Buttons that choose what a press on the picture does."""

from __future__ import annotations

from typing import NamedTuple

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QButtonGroup, QSizePolicy, QWidget
from superqt import QFlowLayout

from spml_napari.docks.following import follow
from spml_napari.docks.icon_button import IconButton
from spml_napari.session import Session
from spml_napari.view_state import Tool

_SIDE = 22
_GAP = 2
_FILL, _KEY, _DISABLED = 0.18, 0.75, 0.35


class ToolLook(NamedTuple):
    """How a tool is shown: what it is called, its key, and what it is for."""

    title: str
    key: str
    tip: str


TOOLS: dict[Tool, ToolLook] = {
    Tool.MOVE: ToolLook("Move", "V", "Drag moves the picture, the wheel zooms"),
    Tool.SCRIBBLE: ToolLook("Scribble", "S", "Draw a line over pixels of the current class"),
    Tool.POINT: ToolLook("Point", "P", "Click a place of the current class"),
    Tool.BOX: ToolLook("Box", "B", "Drag a box around an object of the current class"),
    Tool.ERASE: ToolLook("Erase", "E", "Rub marks out"),
    Tool.PICK: ToolLook("Pick", "G", "Pick segment: click a region of one look to give it the current class"),
    Tool.WHY: ToolLook("Why", "W", "Click a place to see which marks decided its class"),
}
TAGS = ToolLook("Tag", "T", "Say what is somewhere in this picture")
_TAGS_AFTER = Tool.BOX


class ToolButton(IconButton):
    """Icon, name and key of a tool; framed and filled while it is chosen.

    Parameters
    ----------
    name : str
        Which icon.
    look : ToolLook
    """

    def __init__(self, name: str, look: ToolLook, parent: QWidget | None = None) -> None:
        super().__init__(name, f"{look.title}: {look.tip} ({look.key})", look.title, _SIDE, parent)
        self._key = look.key
        self.setCheckable(True)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Just room for the name, and for the key beside the icon."""
        metrics = self.fontMetrics()
        key = metrics.horizontalAdvance(self._key)
        width = max(metrics.horizontalAdvance(self.text()) + 10, _SIDE + 2 * key + 14)
        return QSize(width, super().sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint the frame and the key over what Qt paints."""
        super().paintEvent(event)
        color = self.icon_color()
        color.setAlphaF(1.0 if self.isEnabled() else _DISABLED)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isChecked():
            painter.setPen(QPen(color, 1.4))
            fill = QColor(color)
            fill.setAlphaF(_FILL * color.alphaF())
            painter.setBrush(fill)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5), 4, 4)
        color.setAlphaF(_KEY * color.alphaF())
        painter.setPen(color)
        font = self.font()
        font.setPixelSize(max(self.fontInfo().pixelSize() - 3, 8))
        painter.setFont(font)
        painter.drawText(self.rect().adjusted(0, 4, -6, 0), Qt.AlignmentFlag.AlignRight, self._key)
        painter.end()


class ToolButtons(QWidget):
    """A button for each tool, wrapped into as many lines as the width needs.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    tags : ToolButton
        Unfolds the tags: checkable, and independent of the tool.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.tags = _button("tag", TAGS)
        self._buttons = {tool: _button(tool.value, look) for tool, look in TOOLS.items()}
        group = QButtonGroup(self)
        group.setExclusive(True)
        layout = QFlowLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(_GAP)
        layout.setVerticalSpacing(_GAP)
        for tool, button in self._buttons.items():
            group.addButton(button)
            layout.addWidget(button)
            if tool is _TAGS_AFTER:
                layout.addWidget(self.tags)
        widest = max(button.sizeHint().width() for button in (*self._buttons.values(), self.tags))
        for button in (*self._buttons.values(), self.tags):
            button.setMinimumWidth(widest)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        group.buttonClicked.connect(self._on_click)
        follow(self, {session.tool_changed: self._on_tool})
        self._on_tool()

    def button(self, tool: Tool) -> ToolButton:
        """The button of a tool."""
        return self._buttons[tool]

    def _on_click(self, clicked: ToolButton) -> None:
        self.session.set_tool(next(tool for tool, button in self._buttons.items() if button is clicked))

    def _on_tool(self) -> None:
        self._buttons[self.session.tool].setChecked(True)


def _button(name: str, look: ToolLook) -> ToolButton:
    button = ToolButton(name, look)
    button.setObjectName(f"tool_{name}")
    return button
