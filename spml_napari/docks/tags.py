"""Tags: check boxes that say what is in the selected pictures, wherever it may be."""

from __future__ import annotations

from qtpy.QtCore import QItemSelectionModel, QSize, Qt
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from spml_napari.docks.following import follow
from spml_napari.docks.parts import note, swatch
from spml_napari.docks.wrapped_check import WrappedCheck
from spml_napari.qt_types import flags
from spml_napari.session import Session

_ROWS_SHOWN = 8
_ONE = (
    "Check what can be seen in this picture, wherever it is. Select several pictures to tag them all at once."
)
_MANY = "<b>{} pictures are selected</b>: a check here tags them all."
_COMPLETE = "These are all the classes in the picture"
_COMPLETE_TIP = (
    "On: what isn't checked isn't in the picture either, and the model learns from that.\n"
    "Off: there may be more in the picture than is checked."
)
_OWN_KEYS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End}
)
_CHECKING_KEYS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter})


class _TagList(QListWidget):
    """Takes arrows and Return (it checks or unchecks); leaves letters, digits and Space to the window."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        item = self.currentItem()
        if event.key() in _CHECKING_KEYS and item is not None:
            checked = item.checkState() == Qt.CheckState.Checked
            item.setCheckState(Qt.CheckState.Unchecked if checked else Qt.CheckState.Checked)
        elif event.key() in _OWN_KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as its rows, up to eight of them; no wider than it must be."""
        rows = min(max(self.count(), 1), _ROWS_SHOWN)
        height = self.sizeHintForRow(0) if self.count() else self.fontMetrics().height()
        return QSize(120, rows * height + 2 * self.frameWidth() + 4)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return self.sizeHint()


class TagsPanel(QWidget):
    """A check box for each class that says whether it is somewhere in the selected pictures.

    It is half checked if only some of them are tagged with the class.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tags_panel")
        self.session = session
        self._filling = False
        self.list = _TagList()
        self.list.setObjectName("tags")
        self.list.setAccessibleName("Classes that are in the selected pictures")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.list.itemChanged.connect(self._on_item)
        self._hint = note(_ONE)
        self._hint.setObjectName("tags_hint")
        self.complete = WrappedCheck("tags_complete", _COMPLETE, _COMPLETE_TIP)
        self.complete.clicked.connect(self._on_complete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._hint)
        layout.addWidget(self.list)
        layout.addWidget(self.complete)
        follow(
            self,
            {
                session.project_changed: self._fill,
                session.classes_changed: self._fill,
                session.picture_changed: self._check,
                session.selection_changed: self._check,
                session.marks_changed: self._on_marks,
            },
        )
        self._fill()

    def checked(self) -> tuple[int, ...]:
        """Indexes of the classes that are checked."""
        rows = range(self.list.count())
        return tuple(row for row in rows if self._item(row).checkState() == Qt.CheckState.Checked)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Catch up with what changed while the panel was folded in."""
        super().showEvent(event)
        self._check()

    def _item(self, row: int) -> QListWidgetItem:
        item = self.list.item(row)
        assert item is not None
        return item

    def _fill(self) -> None:
        self._filling = True
        current = max(self.list.currentRow(), 0)
        self.list.clear()
        if self.session.project is not None:
            for info in self.session.classes:
                item = QListWidgetItem(swatch(info.color), info.name, self.list)
                item.setToolTip(f"{info.name} is in this picture")
                item.setFlags(
                    flags(
                        Qt.ItemFlag.ItemIsEnabled,
                        Qt.ItemFlag.ItemIsUserCheckable,
                        Qt.ItemFlag.ItemIsSelectable,
                    )
                )
                item.setCheckState(Qt.CheckState.Unchecked)
        self.list.setCurrentRow(
            min(current, self.list.count() - 1), QItemSelectionModel.SelectionFlag.NoUpdate
        )
        self.list.updateGeometry()
        self.setEnabled(self.session.project is not None)
        self._filling = False
        self._check()

    def _check(self) -> None:
        """Set the boxes as the selected pictures' marks have it; while folded in, that can wait."""
        if not self.isVisible():
            return
        counts, selected = self.session.tag_counts(), len(self.session.selected)
        self._filling = True
        for row in range(self.list.count()):
            self._item(row).setCheckState(_state(counts.get(row, 0), selected))
        self._filling = False
        self.complete.show_state(self.session.tags_complete())
        self._hint.setText(_ONE if selected <= 1 else _MANY.format(selected))

    def _on_marks(self, pictures: frozenset[int]) -> None:
        if not self.session.selected.isdisjoint(pictures):
            self._check()

    def _on_item(self, item: QListWidgetItem) -> None:
        if self._filling:
            return
        self.session.set_tag(self.list.row(item), item.checkState() == Qt.CheckState.Checked)
        self._check()  # back to what is so, if it couldn't be stored

    def _on_complete(self, complete: bool) -> None:
        self.session.set_tags_complete(complete)
        self._check()


def _state(tagged: int, selected: int) -> Qt.CheckState:
    if tagged == 0:
        return Qt.CheckState.Unchecked
    return Qt.CheckState.Checked if tagged == selected else Qt.CheckState.PartiallyChecked
