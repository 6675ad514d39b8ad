"""The dock of the tools: what a press on the picture does, the pen, tags, undo and redo."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QBoxLayout,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from spml_napari.docks.brush import BrushSize
from spml_napari.docks.fold import Fold
from spml_napari.docks.following import follow
from spml_napari.docks.history import HistoryPanel
from spml_napari.docks.parts import MARGIN, SPACING, note, scrolling
from spml_napari.docks.region_count import RegionCount
from spml_napari.docks.suggest_options import SuggestOptions
from spml_napari.docks.tags import TagsPanel
from spml_napari.docks.tool_buttons import ToolButtons
from spml_napari.qt_types import there
from spml_napari.session import Session
from spml_napari.view_state import Tool

_SIDE_BY_SIDE = 620
_USUAL_WIDTH = 250
_NARROWEST = 120
_SHARES = (3, 2, 2, 2, 2)
_CUTS = (Tool.PICK, Tool.ANSWER)
_NO_PROJECT = "Open a project, or make one, to mark its pictures with these tools."


class ToolsDock(QWidget):
    """Tools, brush size or number of regions, history, suggestions, tags. A wide dock shows its groups side by side.

    Parameters
    ----------
    session : Session
    suggestions : SuggestOptions, optional
        Settings of suggestions; without, there are none to set.

    Attributes
    ----------
    buttons : ToolButtons
    brush : BrushSize
    tags : TagsPanel
    history : HistoryPanel
    """

    region_count_changed = Signal(int)
    """Into how many regions a picture shall be cut, about, for the pick and answer tools."""
    folded = Signal()
    """Tags, history or suggestions were folded in or out: another height is needed."""

    def __init__(
        self, session: Session, suggestions: SuggestOptions | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("tools_dock")
        self.session = session
        self.buttons = ToolButtons(session)
        self.brush = BrushSize(session)
        self.tags = TagsPanel(session)
        self.history = HistoryPanel(session)
        self.regions = RegionCount()
        self._pen = QStackedWidget()
        self._tag_fold = Fold("Tags", "Say what is somewhere in this picture (T)", self.tags)
        self._tag_fold.header.setObjectName("tags_fold")
        self._suggest_fold = (
            None
            if suggestions is None
            else Fold("Suggestions", "When and how marks are answered with a segmentation", suggestions)
        )
        self._hint = note(_NO_PROJECT)
        self._hint.setObjectName("no_project")
        self._content = QWidget()
        self._groups = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._lay_out()
        self.buttons.tags.toggled.connect(self._tag_fold.set_open)
        self._tag_fold.toggled.connect(self._on_tags)
        for fold in (self._tag_fold, self.history.fold, self._suggest_fold):
            if fold is not None:
                fold.toggled.connect(self._on_fold)
        self.regions.changed.connect(self.region_count_changed)
        follow(self, {session.project_changed: self._on_project, session.tool_changed: self._on_tool})
        self._on_project()
        self._on_tool()

    @property
    def region_count(self) -> int:
        """Into how many regions a picture shall be cut, about, for the pick and answer tools."""
        return self.regions.count

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
        for settings in (self.brush, self.regions):
            self._pen.addWidget(settings)
        self._pen.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for group in self._all_groups():
            self._groups.addWidget(group)
            if group is not self.buttons:
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
        for widget in (self.brush.slider, self.brush.number, self.regions.slider, self.regions.number):
            widget.installEventFilter(self)

    def _all_groups(self) -> list[QWidget]:
        groups = [self.buttons, self._pen, self.history, self._suggest_fold, self._tag_fold]
        return [group for group in groups if group is not None]

    def _on_tool(self) -> None:
        """Show the setting that matters: regions while they are picked, else the pen."""
        self._pen.setCurrentIndex(int(self.session.tool in _CUTS))

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
        for group in self._all_groups():
            group.setEnabled(is_open)
