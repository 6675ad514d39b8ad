"""The class table as Qt sees it: one row a class, everything read from the session and written through it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, cast

from qtpy.QtCore import QAbstractTableModel, QMimeData, QModelIndex, QObject, Qt
from qtpy.QtGui import QIcon

from spml_core.classes import ClassInfo
from spml_core.wording import counted
from spml_napari.docks.following import follow
from spml_napari.docks.parts import swatch
from spml_napari.qt_types import flags
from spml_napari.session import Session

ROW_MIME = "application/x-spml-class-row"
_NUMBER_KEYS = 9


class Column(IntEnum):
    """What a column of the table shows."""

    COLOR = 0
    NAME = 1
    KEY = 2
    VISIBLE = 3
    MARKS = 4


_TITLES = {
    Column.COLOR: "",
    Column.NAME: "Class",
    Column.KEY: "",
    Column.VISIBLE: "",
    Column.MARKS: "Marks",
}
_TIPS = {
    Column.COLOR: "Click a colour to change it",
    Column.NAME: "Click a class to mark with it; double-click a name to change it",
    Column.KEY: "Press this key on the picture to mark with the class",
    Column.VISIBLE: "Click an eye to show or hide a class in the overlay",
    Column.MARKS: "How many marks of the whole project speak of the class",
}


class ClassesModel(QAbstractTableModel):
    """Classes of the session's project.

    ``Qt.CheckStateRole`` of ``Column.VISIBLE`` tells and sets whether a class is shown in the overlay.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    resizing : bool
        Whether rows are just being added or taken away, so that a new current row is nobody's choice.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._rows: tuple[ClassInfo, ...] = ()
        self._marks: tuple[int, ...] = ()
        self.resizing = False
        self._read()
        follow(
            self,
            {
                session.project_changed: self._on_classes,
                session.classes_changed: self._on_classes,
                session.marks_changed: self._on_marks,
                session.overlay_changed: self._on_overlay,
            },
        )

    def mark_count(self, row: int) -> int:
        """How many marks speak of a class."""
        return self._marks[row] if row < len(self._marks) else 0

    # Reading ----------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Number of classes."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Title and explanation of a column."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return _TITLES[Column(section)]
            if role == Qt.ItemDataRole.ToolTipRole:
                return _TIPS[Column(section)]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        row, column = index.row(), Column(index.column())
        if not 0 <= row < len(self._rows):
            return None
        info = self._rows[row]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(row, column)
        if role == Qt.ItemDataRole.DecorationRole and column is Column.COLOR:
            return _true_swatch(info.color)
        if role == Qt.ItemDataRole.CheckStateRole and column is Column.VISIBLE:
            return Qt.CheckState.Checked if self.shown(row) else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.TextAlignmentRole and column is Column.MARKS:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.TextAlignmentRole and column is Column.KEY:
            return int(Qt.AlignmentFlag.AlignCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        return None

    def shown(self, row: int) -> bool:
        """Whether a class is shown in the overlay."""
        return row not in self.session.overlay.hidden

    def _text(self, row: int, column: Column) -> str | None:
        if column is Column.NAME:
            return self._rows[row].name
        if column is Column.KEY:
            return str(row + 1) if row < _NUMBER_KEYS else ""
        if column is Column.MARKS:
            return str(self.mark_count(row))
        return None

    def _tip(self, row: int, column: Column) -> str:
        info = self._rows[row]
        if column is Column.COLOR:
            return f"Colour of {info.name}: click to change it"
        if column is Column.KEY:
            return f"Press {row + 1} to mark with {info.name}" if row < _NUMBER_KEYS else ""
        if column is Column.VISIBLE:
            return f"{'Hide' if self.shown(row) else 'Show'} {info.name} in the overlay"
        if column is Column.MARKS:
            return f"{counted(self.mark_count(row), 'mark')} in the whole project"
        return info.name

    # Writing ----------------------------------------------------------------------------------------

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Rows can be dragged between rows, names edited."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        can = [Qt.ItemFlag.ItemIsEnabled, Qt.ItemFlag.ItemIsSelectable, Qt.ItemFlag.ItemIsDragEnabled]
        if index.column() == Column.NAME:
            can.append(Qt.ItemFlag.ItemIsEditable)
        return cast(Qt.ItemFlag, flags(*can))

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Rename a class, or show or hide it; what can't be is reported by the session and changes nothing."""
        row = index.row()
        if role == Qt.ItemDataRole.EditRole and index.column() == Column.NAME:
            return self.rename(row, str(value))
        if role == Qt.ItemDataRole.CheckStateRole and index.column() == Column.VISIBLE:
            self.show_class(row, Qt.CheckState(value) == Qt.CheckState.Checked)
            return True
        return False

    def rename(self, row: int, name: str) -> bool:
        """Give a class another name."""
        name, old = " ".join(name.split()), self._rows[row].name
        if name == old:
            return True
        return self.session.edit_classes(
            lambda project: project.rename_class(row, name), f"class {old} is now {name}"
        )

    def show_class(self, row: int, shown: bool) -> None:
        """Show or hide a class in the overlay."""
        hidden = self.session.overlay.hidden
        self.session.view(hidden=hidden - {row} if shown else hidden | {row})

    def move(self, row: int, new_row: int) -> bool:
        """Put a class at another place of the table; its label code and number key follow."""
        if row == new_row or not 0 <= new_row < len(self._rows):
            return False
        name = self._rows[row].name
        return self.session.edit_classes(
            lambda project: project.move_class(row, new_row), f"class {name} moved"
        )

    # Dragging ---------------------------------------------------------------------------------------

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802
        """Classes are moved, not copied."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:  # noqa: N802
        """Only our own rows can be dropped here."""
        return [ROW_MIME]

    def mimeData(self, indexes: list[QModelIndex]) -> QMimeData:  # noqa: N802
        """The row that is dragged."""
        data = QMimeData()
        data.setData(ROW_MIME, str(indexes[0].row()).encode())
        return data

    def dropMimeData(  # noqa: N802
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: QModelIndex
    ) -> bool:
        """Move the dragged class in front of ``row``; to the end if that is -1."""
        if action != Qt.DropAction.MoveAction or not data.hasFormat(ROW_MIME):
            return False
        source = int(bytes(data.data(ROW_MIME)).decode())
        if row < 0:
            row = parent.row() if parent.isValid() else len(self._rows)
        self.move(source, row - 1 if row > source else row)
        return False  # the table is already as it shall be: nothing is left for the view to take away

    # Following --------------------------------------------------------------------------------------

    def _read(self) -> None:
        project = self.session.project
        self._rows = () if project is None else self.session.classes.classes
        self._marks = () if project is None else project.mark_counts()

    def _on_classes(self) -> None:
        # Rows come and go at the end, then all are redrawn: a reset would lose the current row and an open editor.
        project = self.session.project
        old, new = len(self._rows), 0 if project is None else len(self.session.classes)
        self.resizing = True
        if new > old:
            self.beginInsertRows(QModelIndex(), old, new - 1)
            self._read()
            self.endInsertRows()
        elif new < old:
            self.beginRemoveRows(QModelIndex(), new, old - 1)
            self._read()
            self.endRemoveRows()
        else:
            self._read()
        self.resizing = False
        self._redraw(Column.COLOR, Column.MARKS)

    def _on_marks(self, pictures: object) -> None:
        project = self.session.project
        counts = () if project is None else project.mark_counts()
        if counts != self._marks:
            self._marks = counts
            self._redraw(Column.MARKS, Column.MARKS)

    def _on_overlay(self) -> None:
        self._redraw(Column.VISIBLE, Column.VISIBLE)

    def _redraw(self, first: Column, last: Column) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0, first), self.index(len(self._rows) - 1, last))


def _true_swatch(color: tuple[int, int, int]) -> QIcon:
    """A swatch that Qt doesn't tint where its row is selected."""
    made = swatch(color)
    made.addPixmap(made.pixmap(made.availableSizes()[0]), QIcon.Mode.Selected)
    return made
