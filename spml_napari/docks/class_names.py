"""A list of classes to edit before there is a project: names, and colours from the default palette."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QModelIndex, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from spml_core.classes import ClassInfo, ClassTable, default_color
from spml_core.spelling import tidy
from spml_napari.docks.parts import swatch
from spml_napari.qt_types import there

_COLOR = Qt.ItemDataRole.UserRole
_PALETTE = 16
_START = ("background", "object")
_ROWS_SHOWN = 4


class ClassNames(QWidget):
    """Names and colours of the first classes of a project."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setObjectName("new_classes")
        self.list.setToolTip("Double click (or F2) to rename, right click for a colour, drag to reorder.")
        self.list.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.setIconSize(QSize(16, 16))
        self.list.customContextMenuRequested.connect(lambda at: self._choose_color(self.list.indexAt(at)))
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.add = QPushButton("Add class")
        self.add.setObjectName("new_class_add")
        self.add.setToolTip("Add a class at the end; more can follow at any time")
        self.add.clicked.connect(self._add_and_name)
        self.color = QPushButton("Colour")
        self.color.setObjectName("new_class_color")
        self.color.setToolTip("Choose the colour of the selected class")
        self.color.clicked.connect(lambda: self._choose_color(self.list.currentIndex()))
        self.remove = QPushButton("Remove")
        self.remove.setObjectName("new_class_remove")
        self.remove.setToolTip("Remove the selected class")
        self.remove.clicked.connect(lambda: self._remove(self.list.currentRow()))
        buttons = QHBoxLayout()
        for button in (self.add, self.color, self.remove):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        for name in _START:
            self._append(name)
        self.list.setCurrentRow(len(_START) - 1)
        height = self.list.sizeHintForRow(0) * _ROWS_SHOWN + 2 * self.list.frameWidth() + 6
        self.list.setFixedHeight(height)

    def names(self) -> list[str]:
        """Return the names as typed, in order."""
        return [tidy(there(self.list.item(row)).text()) for row in range(self.list.count())]

    def table(self) -> ClassTable:
        """Return the class table.

        Raises
        ------
        ClassError
            If there is no class, or a name is empty or stands twice.
        """
        items = [there(self.list.item(row)) for row in range(self.list.count())]
        return ClassTable(tuple(ClassInfo(tidy(i.text()), tuple(i.data(_COLOR))) for i in items))

    def set_color(self, row: int, color: tuple[int, int, int]) -> None:
        """Give a class another colour."""
        item = there(self.list.item(row))
        item.setData(_COLOR, list(color))
        item.setIcon(swatch(color, 16))

    def _append(self, name: str) -> QListWidgetItem:
        taken = {tuple(there(self.list.item(row)).data(_COLOR)) for row in range(self.list.count())}
        color = next(color for i in range(300) if (color := default_color(i)) not in taken)
        item = QListWidgetItem(swatch(color, 16), name)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        item.setData(_COLOR, list(color))
        self.list.addItem(item)
        self.remove.setEnabled(True)
        return item

    def _add_and_name(self) -> None:
        number = self.list.count()
        while (name := f"class {number}") in self.names():
            number += 1
        item = self._append(name)
        self.list.setCurrentItem(item)
        self.list.editItem(item)
        self.changed.emit()

    def _remove(self, row: int) -> None:
        self.list.takeItem(row)
        self.remove.setEnabled(self.list.count() > 1)
        self.changed.emit()

    def _choose_color(self, index: QModelIndex) -> None:
        if not index.isValid():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for i in range(_PALETTE):
            color = default_color(i)
            action = menu.addAction(swatch(color, 16), f"{color[0]}, {color[1]}, {color[2]}")
            there(action).triggered.connect(partial(self._on_color, index.row(), color))
        menu.popup(there(self.list.viewport()).mapToGlobal(self.list.visualRect(index).bottomLeft()))

    def _on_color(self, row: int, color: tuple[int, int, int], _checked: bool = False) -> None:
        self.set_color(row, color)
