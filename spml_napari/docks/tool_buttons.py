"""Buttons that choose what a press on the picture does."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from qtpy.QtCore import QEvent, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from qtpy.QtWidgets import QButtonGroup, QSizePolicy, QWidget

from spml_napari.docks.following import follow
from spml_napari.docks.icon_button import IconButton
from spml_napari.session import Session
from spml_napari.view_state import Tool

_SIDE = 22
_GAP = 2
_IN_LINE = 4
_WIDEST = 72
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
    Tool.KEY_POINT: ToolLook(
        "Key point",
        "K",
        "Press at the centre of a part of an object, and drag a circle about as large as the whole object;"
        " a click takes the last size",
    ),
    Tool.BOX: ToolLook("Box", "B", "Drag a box around an object of the current class"),
    Tool.ERASE: ToolLook("Erase", "E", "Rub marks out"),
    Tool.PICK: ToolLook("Pick", "G", "Pick segment: click a region of one look to give it the current class"),
    Tool.ANSWER: ToolLook(
        "Answer",
        "Q",
        "Click a region to accept the class suggested for it; a number gives it another one, Tab goes to the"
        " region whose answer would teach most",
    ),
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
        font = self.font()
        font.setPixelSize(max(self.fontInfo().pixelSize() - 2, 9))
        self.setFont(font)

    @property
    def named_width(self) -> int:
        """Width in pixels that the name needs, and the key beside the icon."""
        metrics = self.fontMetrics()
        key = metrics.horizontalAdvance(self._key)
        return max(metrics.horizontalAdvance(self.text()) + 2, _SIDE + 2 * key + 4)

    @property
    def bare_width(self) -> int:
        """Width in pixels of the icon with the key beside it, and no name."""
        return _SIDE + 2 * self.fontMetrics().horizontalAdvance(self._key) + 4

    def show_name(self, is_shown: bool) -> None:
        """Show the name under the icon, or the icon alone."""
        style = Qt.ToolButtonStyle
        self.setToolButtonStyle(style.ToolButtonTextUnderIcon if is_shown else style.ToolButtonIconOnly)

    def height_of(self, is_named: bool) -> int:
        """Height in pixels with the name, or without it."""
        return _SIDE + 8 + (self.fontMetrics().height() if is_named else 0)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Just room for what is shown."""
        is_named = self.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextUnderIcon
        return QSize(self.named_width if is_named else self.bare_width, self.height_of(is_named))

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
        font.setPixelSize(max(self.fontInfo().pixelSize() - 1, 8))
        painter.setFont(font)
        painter.drawText(self.rect().adjusted(0, 3, -4, 0), Qt.AlignmentFlag.AlignRight, self._key)
        painter.end()


class ToolButtons(QWidget):
    """A button for each tool, wrapped into as many lines as the width needs; without names where room is scarce.

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
        self.tags = _button("tag", TAGS, self)
        self._buttons: dict[Tool, ToolButton] = {}
        self._placed: list[ToolButton] = []
        self._room: int | None = None
        group = QButtonGroup(self)
        group.setExclusive(True)
        for tool, look in TOOLS.items():
            button = self._buttons[tool] = _button(tool.value, look, self)
            group.addButton(button)
            self._placed.append(button)
            if tool is _TAGS_AFTER:
                self._placed.append(self.tags)
        for before, after in pairwise(self._placed):
            QWidget.setTabOrder(before, after)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        group.buttonClicked.connect(self._on_click)
        follow(self, {session.tool_changed: self._on_tool})
        self._on_tool()

    def button(self, tool: Tool) -> ToolButton:
        """The button of a tool."""
        return self._buttons[tool]

    @property
    def is_named(self) -> bool:
        """Whether the buttons show their names: where a line of four has room for them."""
        return self._room is None or self._room >= self._line(named=True)

    def set_room(self, width: int) -> None:
        """Say how wide a line can be at any rate.

        It is not our own width that decides about names: a scroll bar that comes and goes with our height would
        change it, and so itself.
        """
        if width != self._room:
            self._room = width
            self.updateGeometry()
            self._place()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Four buttons in a line."""
        width = self._line(self.is_named)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """One button."""
        named = self.is_named
        return QSize(self._needed(named), self._placed[0].height_of(named))

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Fewer fit into a line of a narrow dock."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """Height of the lines that this width makes."""
        lines = -(-len(self._placed) // self._in_line(width))
        return lines * (self._placed[0].height_of(self.is_named) + _GAP) - _GAP

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Place the buttons."""
        super().resizeEvent(event)
        self._place()

    def event(self, event: QEvent) -> bool:
        """Place the buttons anew when one of them needs another size, as with another font."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
            self._place()
        return super().event(event)

    def _needed(self, named: bool) -> int:
        return max(button.named_width if named else button.bare_width for button in self._placed)

    def _line(self, named: bool) -> int:
        """Width of four buttons."""
        return _IN_LINE * (self._needed(named) + _GAP) - _GAP

    def _in_line(self, width: int) -> int:
        """How many buttons go into a line of this width, all lines about equally long."""
        most = max(1, (width + _GAP) // (self._needed(self.is_named) + _GAP))
        lines = -(-len(self._placed) // most)
        return -(-len(self._placed) // lines)

    def _place(self) -> None:
        named, in_line = self.is_named, self._in_line(self.width())
        width = min((self.width() + _GAP) // in_line - _GAP, _WIDEST)
        height = self._placed[0].height_of(named)
        for number, button in enumerate(self._placed):
            line, place = divmod(number, in_line)
            button.show_name(named)
            button.setGeometry(place * (width + _GAP), line * (height + _GAP), width, height)

    def _on_click(self, clicked: ToolButton) -> None:
        self.session.set_tool(next(tool for tool, button in self._buttons.items() if button is clicked))

    def _on_tool(self) -> None:
        self._buttons[self.session.tool].setChecked(True)


def _button(name: str, look: ToolLook, parent: QWidget) -> ToolButton:
    button = ToolButton(name, look, parent)
    button.setObjectName(f"tool_{name}")
    return button
