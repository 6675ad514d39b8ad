"""The dock of the tools: what a press on the picture does, the pen, tags, undo and redo."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from spml_napari.docks.brush import BrushSize
from spml_napari.docks.fold import Fold
from spml_napari.docks.following import follow
from spml_napari.docks.history import HistoryPanel
from spml_napari.docks.parts import MARGIN, SPACING, note, scrolling
from spml_napari.docks.tags import TagsPanel
from spml_napari.docks.tool_buttons import ToolButtons
from spml_napari.qt_types import there
from spml_napari.session import Session
from spml_napari.view_state import Tool

REGIONS = (10, 5000)
"""Fewest and most regions that a picture is cut into for picking."""
_DEFAULT_REGIONS = 300
_SIDE_BY_SIDE = 620
_USUAL_WIDTH = 250
_NARROWEST = 120
_SHARES = (3, 2, 2, 2)
_NO_PROJECT = "Open a project, or make one, to mark its pictures with these tools."


class ToolsDock(QWidget):
    """Tools, brush size or number of regions, history and tags. A wide dock shows its groups side by side.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    buttons : ToolButtons
    brush : BrushSize
    tags : TagsPanel
    history : HistoryPanel
    """

    region_count_changed = Signal(int)
    """Into how many regions a picture shall be cut, about, for the pick tool."""
    folded = Signal()
    """Tags or history were folded in or out: another height is needed."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tools_dock")
        self.session = session
        self.buttons = ToolButtons(session)
        self.brush = BrushSize(session)
        self.tags = TagsPanel(session)
        self.history = HistoryPanel(session)
        self._regions = QSpinBox()
        self._pen = QStackedWidget()
        self._tag_fold = Fold("Tags", "Say what is somewhere in this picture (T)", self.tags)
        self._tag_fold.header.setObjectName("tags_fold")
        self._hint = note(_NO_PROJECT)
        self._hint.setObjectName("no_project")
        self._content = QWidget()
        self._groups = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._lay_out()
        self.buttons.tags.toggled.connect(self._tag_fold.set_open)
        self._tag_fold.toggled.connect(self._on_tags)
        for fold in (self._tag_fold, self.history.fold):
            fold.toggled.connect(self._on_fold)
        self._regions.valueChanged.connect(self.region_count_changed)
        follow(self, {session.project_changed: self._on_project, session.tool_changed: self._on_tool})
        self._on_project()
        self._on_tool()

    @property
    def region_count(self) -> int:
        """Into how many regions a picture shall be cut, about, for the pick tool."""
        return self._regions.value()

    def toggle_tags(self) -> None:
        """Unfold the tags, or fold them in: what the key T does."""
        self._tag_fold.set_open(not self._tag_fold.is_open)

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as all groups one under the other need at the present width."""
        layout = self._content.layout()
        width = self.width() if _NARROWEST <= self.width() < _SIDE_BY_SIDE else _USUAL_WIDTH
        height = layout.totalHeightForWidth(width) if layout is not None else 0
        frame = self._area.height() - there(self._area.viewport()).height()
        return QSize(_USUAL_WIDTH, height + frame)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Put the groups side by side where there is room, as in a dock at the top or bottom."""
        super().resizeEvent(event)
        bar = there(self._area.verticalScrollBar()).sizeHint().width()
        self.buttons.set_room(self.width() - 2 * MARGIN - bar)
        wide = self.width() >= _SIDE_BY_SIDE
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if direction != self._groups.direction():
            self._groups.setDirection(direction)
            for place, share in enumerate(_SHARES):
                self._groups.setStretch(place, share if wide else 0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Let the wheel scroll the dock, not change a number that it happens to pass over."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _lay_out(self) -> None:
        for settings in (self.brush, self._region_row()):
            self._pen.addWidget(settings)
        self._pen.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for group in (self.buttons, self._pen, self.history, self._tag_fold):
            self._groups.addWidget(group)
        for group in (self._pen, self.history, self._tag_fold):
            self._groups.setAlignment(group, Qt.AlignmentFlag.AlignTop)
        self._groups.setSpacing(SPACING)
        inside = QVBoxLayout(self._content)
        inside.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        inside.setSpacing(SPACING)
        inside.addWidget(self._hint)
        inside.addLayout(self._groups)
        inside.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        self._area = scrolling(self._content)
        outside.addWidget(self._area)
        for widget in (self.brush.slider, self.brush.number, self._regions):
            widget.installEventFilter(self)

    def _region_row(self) -> QWidget:
        tip = "The pick tool cuts the picture into about so many regions: more of them are smaller"
        label = QLabel("Regions")
        label.setToolTip(tip)
        label.setBuddy(self._regions)
        self._regions.setObjectName("region_count")
        self._regions.setAccessibleName("Number of regions for the pick tool")
        self._regions.setRange(*REGIONS)
        self._regions.setValue(_DEFAULT_REGIONS)
        self._regions.setSingleStep(50)
        self._regions.setKeyboardTracking(False)
        self._regions.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._regions.setToolTip(tip)
        there(self._regions.lineEdit()).returnPressed.connect(self._regions.clearFocus)
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(label)
        layout.addStretch(1)
        layout.addWidget(self._regions)
        return row

    def _on_tool(self) -> None:
        """Show the setting that matters: regions while they are picked, else the pen."""
        self._pen.setCurrentIndex(int(self.session.tool is Tool.PICK))

    def _on_fold(self) -> None:
        self.updateGeometry()
        self.folded.emit()

    def _on_tags(self, is_open: bool) -> None:
        self.buttons.tags.setChecked(is_open)
        if is_open:
            # Once the list has its place.
            QTimer.singleShot(0, self._show_tags)

    def _show_tags(self) -> None:
        if self._tag_fold.is_open:
            self._area.ensureWidgetVisible(self._tag_fold, 0, 0)

    def _on_project(self) -> None:
        is_open = self.session.project is not None
        self._hint.setVisible(not is_open)
        for group in (self.buttons, self._pen, self._tag_fold, self.history):
            group.setEnabled(is_open)
