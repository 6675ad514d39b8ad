"""The table of classes: chosen, renamed, recoloured, shown, hidden and dragged with the mouse or the keyboard."""

from __future__ import annotations

from typing import cast

from qtpy.QtCore import QModelIndex, QPoint, QRectF, Qt, Signal
from qtpy.QtGui import QKeyEvent, QMouseEvent, QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from spml_napari.docks.classes_model import ClassesModel, Column
from spml_napari.docks.following import follow
from spml_napari.docks.icons import paint_icon
from spml_napari.qt_types import flags, there

_ROOM = 4
_NAVIGATION = frozenset(
    {
        Qt.Key.Key_Up,
        Qt.Key.Key_Down,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_PageDown,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
        Qt.Key.Key_F2,
    }
)


class _EyeDelegate(QStyledItemDelegate):
    """Draws an open or a closed eye in the colour of the text."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        shown = Qt.CheckState(index.data(Qt.ItemDataRole.CheckStateRole)) == Qt.CheckState.Checked
        side = min(16, option.rect.height() - 4, option.rect.width() - 4)
        rect = QRectF(0, 0, side, side)
        rect.moveCenter(QRectF(option.rect).center())
        color = option.palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.Text)
        paint_icon(painter, "eye" if shown else "eye_off", rect, color)

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        no_box = ~QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
        option.features = cast(QStyleOptionViewItem.ViewItemFeature, option.features & no_box)


class ClassesView(QTableView):
    """Shows a :class:`ClassesModel`. The current row is the session's current class.

    It takes only the keys it needs: digits and letters go on to the window, where they choose classes and tools.

    Parameters
    ----------
    model : ClassesModel
    """

    color_wanted = Signal(int)
    """The colour of this row was clicked."""
    delete_wanted = Signal(int)
    """The delete key was pressed on this row."""
    menu_wanted = Signal(object)
    """A context menu is asked for at this QPoint of the screen."""

    def __init__(self, model: ClassesModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_table")
        self.setModel(model)
        self._model = model
        self._eye = _EyeDelegate(self)
        self.setItemDelegateForColumn(Column.VISIBLE, self._eye)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(
            flags(QAbstractItemView.EditTrigger.DoubleClicked, QAbstractItemView.EditTrigger.EditKeyPressed)
        )
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)
        self.clicked.connect(self._on_click)
        there(self.selectionModel()).currentRowChanged.connect(self._on_row)
        self._lay_out()
        self.follow_class()
        model.rowsInserted.connect(self.follow_class)
        model.rowsRemoved.connect(self.follow_class)
        follow(self, {model.session.class_changed: self.follow_class})

    def follow_class(self) -> None:
        """Make the session's class the current row, and bring it into sight."""
        row = self._model.session.class_index
        if row != self.currentIndex().row() and row < self._model.rowCount():
            self.setCurrentIndex(self._model.index(row, Column.NAME))
            self.scrollTo(self.currentIndex())

    def edit_name(self, row: int) -> None:
        """Open the editor of a class's name."""
        index = self._model.index(row, Column.NAME)
        self.setCurrentIndex(index)
        self.scrollTo(index)
        self.edit(index)

    # Events -----------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Arrows choose, Return renames, Delete asks to delete; all else is left to the window."""
        row = self.currentIndex().row()
        key = event.key()
        if self.state() == QAbstractItemView.State.EditingState:
            super().keyPressEvent(event)  # the editor has seen it already, and let it pass
            return
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if not plain or row < 0:
            event.ignore()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.edit_name(row)
        elif key == Qt.Key.Key_Delete:
            self.delete_wanted.emit(row)
        elif key in _NAVIGATION:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """A press on an eye shows or hides its class, and leaves the current class as it is."""
        if not self._turn_eye(event):
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Two quick presses on an eye are two presses."""
        if not self._turn_eye(event):
            super().mouseDoubleClickEvent(event)

    def _turn_eye(self, event: QMouseEvent) -> bool:
        index = self.indexAt(event.pos())
        if event.button() != Qt.MouseButton.LeftButton or index.column() != Column.VISIBLE:
            return False
        self._model.show_class(index.row(), not self._model.shown(index.row()))
        return True

    def _on_click(self, index: QModelIndex) -> None:
        if index.column() == Column.COLOR:
            self.color_wanted.emit(index.row())

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid() and not self._model.resizing:  # Qt moves the current row when rows go
            self._model.session.set_class(index.row())

    def _on_menu(self, point: QPoint) -> None:
        self.menu_wanted.emit(there(self.viewport()).mapToGlobal(point))

    # Looks ------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        line = self.fontMetrics().height()
        rows = there(self.verticalHeader())
        rows.setVisible(False)
        rows.setMinimumSectionSize(1)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(line + 2 * _ROOM)
        columns = there(self.horizontalHeader())
        columns.setMinimumSectionSize(1)
        columns.setHighlightSections(False)
        columns.setSectionsClickable(False)
        columns.setDefaultAlignment(flags(Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignVCenter))
        for column in Column:
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        for column in (Column.COLOR, Column.VISIBLE):
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            columns.resizeSection(column, line + 2 * _ROOM)
        self.setMinimumHeight(5 * (line + 2 * _ROOM))
