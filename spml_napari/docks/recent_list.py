"""The list of projects that were open lately."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from qtpy.QtCore import QModelIndex, QPoint, Qt, Signal
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from spml_napari.docks.film_times import contents_in_words
from spml_napari.docks.rows import FADED_ROLE, ID_ROLE, SUBTITLE_ROLE, RowList
from spml_napari.docks.thumbnail_loader import ThumbnailLoader
from spml_napari.qt_types import there
from spml_napari.recent import RecentProject

_ROWS_SHOWN = 5


class RecentList(QWidget):
    """Projects to open again; those that are gone are faded, and can be taken off the list.

    Parameters
    ----------
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=...)``.
    """

    chosen = Signal(object)
    """The path of a project to open."""
    gone_chosen = Signal(object)
    """The path of a project that isn't there any more."""
    removed = Signal(object)
    """The path of a project that shall be listed no more."""

    def __init__(self, submit: Callable[..., Future[Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._loader = ThumbnailLoader(submit, parent=self)
        self._loader.loaded.connect(self._on_thumbnail)
        self._entries: tuple[RecentProject, ...] = ()
        self._model = QStandardItemModel(self)
        self.list = RowList("recent_projects")
        self.list.setToolTip("Click a project to open it. Delete takes it off the list; its files stay.")
        self.list.setModel(self._model)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.clicked.connect(self._on_chosen)
        self.list.activated.connect(self._on_chosen)
        self.list.delete_pressed.connect(self._remove_current)
        self.list.customContextMenuRequested.connect(self._show_menu)
        there(self.list.selectionModel()).currentChanged.connect(self._show_state)
        self.remove = QPushButton("Remove from list")
        self.remove.setObjectName("remove_recent")
        self.remove.setToolTip("List the selected project no more; its files stay")
        self.remove.clicked.connect(self._remove_current)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addWidget(self.remove)
        self._show_state()

    def show_entries(self, entries: Sequence[RecentProject]) -> None:
        """List these projects."""
        self._entries = tuple(entries)
        self._model.clear()
        for entry in self._entries:
            item = QStandardItem(entry.name)
            item.setEditable(False)
            item.setData(str(entry.path), ID_ROLE)
            count = contents_in_words(entry.pictures, entry.films, entry.frames)
            item.setData(f"{count}, {entry.path.parent}", SUBTITLE_ROLE)
            item.setToolTip(f"{entry.path}\n{count}")
            self._model.appendRow(item)
        for entry in reversed(self._entries):  # the newest wish is fulfilled first
            self._show_thumbnail(entry)
        # Qt knows the height of a row only once there is one.
        rows = min(len(self._entries), _ROWS_SHOWN)
        self.list.setFixedHeight(
            max(1, rows) * max(1, self.list.sizeHintForRow(0)) + 2 * self.list.frameWidth()
        )
        self._submit(_gone, self._entries, done=self._take_gone)
        self._show_state()

    def _show_thumbnail(self, entry: RecentProject) -> None:
        shown = None if entry.first is None else self._loader.get(entry.first)
        if shown is not None:
            there(self._model.item(self._entries.index(entry))).setData(
                shown.pixmap, Qt.ItemDataRole.DecorationRole
            )

    def _on_thumbnail(self, content_hash: str) -> None:
        for entry in self._entries:
            if entry.first is not None and entry.first.content_hash == content_hash:
                self._show_thumbnail(entry)

    def _take_gone(self, gone: frozenset[Path]) -> None:
        for row, entry in enumerate(self._entries):
            item = there(self._model.item(row))
            item.setData(entry.path in gone, FADED_ROLE)
            if entry.path in gone:
                item.setData(f"not there any more, {entry.path.parent}", SUBTITLE_ROLE)

    def _on_chosen(self, index: QModelIndex) -> None:
        path = Path(index.data(ID_ROLE))
        (self.gone_chosen if index.data(FADED_ROLE) else self.chosen).emit(path)

    def _remove_current(self) -> None:
        index = self.list.currentIndex()
        if index.isValid():
            self.removed.emit(Path(index.data(ID_ROLE)))

    def _show_menu(self, at: QPoint) -> None:
        index = self.list.indexAt(at)
        if not index.isValid():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        there(menu.addAction("Open")).triggered.connect(lambda: self._on_chosen(index))
        there(menu.addAction("Remove from list")).triggered.connect(self._remove_current)
        menu.popup(there(self.list.viewport()).mapToGlobal(at))

    def _show_state(self) -> None:
        self.remove.setVisible(self.list.currentIndex().isValid())


def _gone(entries: Sequence[RecentProject]) -> frozenset[Path]:
    return frozenset(entry.path for entry in entries if not entry.is_there())
