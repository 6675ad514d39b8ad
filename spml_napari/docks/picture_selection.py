"""Keeps the rows that are selected in the list of pictures, and the session's picture and selection, the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QObject

from spml_napari.docks.picture_model import PictureModel
from spml_napari.docks.rows import FILM_ROLE, ID_ROLE, RowList
from spml_napari.qt_types import there

if TYPE_CHECKING:
    from spml_napari.session import Session

_Flag = QItemSelectionModel.SelectionFlag


class PictureSelection(QObject):
    """The current row is the session's picture; the selected rows are those that tags go to.

    Parameters
    ----------
    session : Session
    rows : RowList
        Its model must have been set.
    model : PictureModel
    """

    def __init__(
        self, session: Session, rows: RowList, model: PictureModel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._list = rows
        self._model = model
        self._busy = False
        rows.setSelectionMode(RowList.SelectionMode.ExtendedSelection)
        self._selection = there(rows.selectionModel())
        self._selection.currentChanged.connect(self._on_current)
        self._selection.selectionChanged.connect(self._on_selected)

    def show(self) -> int | None:
        """Select the rows that the session has selected; the row of its picture, None if it isn't listed."""
        picture = self._session.picture
        row = None if picture is None else self._model.row_showing(picture)
        if self._busy:
            return row
        stills = (number for number in self._session.selected if picture is None or number != picture.id)
        found = (row, *map(self._model.row_of, stills))
        wanted = {place for place in found if place is not None}
        with self._quiet():
            if wanted != {index.row() for index in self._selection.selectedRows()}:
                chosen = QItemSelection()
                for place in wanted:
                    chosen.select(self._model.index(place), self._model.index(place))
                self._selection.select(chosen, _Flag.ClearAndSelect)
            if row is None:
                self._selection.clearCurrentIndex()
            elif row != self._list.currentIndex().row():
                self._selection.setCurrentIndex(self._model.index(row), _Flag.NoUpdate)
        return row

    def go_to_row(self, row: int) -> None:
        """Show the picture, or the film, of a row."""
        self._go_to(self._model.index(row))

    def _go_to(self, index: QModelIndex) -> None:
        film = index.data(FILM_ROLE)
        if film is not None:
            self._session.go_to_film(film)
        else:
            self._session.go_to(index.data(ID_ROLE))

    def drop_unlisted(self) -> None:
        """Let pictures that the list leaves out be selected no more: nothing is tagged unseen."""
        listed = [number for number in self._model.ids() if isinstance(number, int)]
        self._session.select(self._session.selected.intersection(listed))

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def _on_current(self, current: QModelIndex) -> None:
        if self._busy or not current.isValid():
            return
        # Qt tells first which row is current, and then which are selected.
        with self._quiet():
            self._go_to(current)
            self._tell(self._selection.selectedRows())

    def _on_selected(self) -> None:
        if self._busy:
            return
        rows = self._selection.selectedRows()
        if rows and not self._selection.isSelected(self._list.currentIndex()):
            # The shown picture was taken out of the selection: another of it is shown.
            here = self._list.currentIndex().row()
            nearest = min(rows, key=lambda index: abs(index.row() - here))
            self._selection.setCurrentIndex(nearest, _Flag.NoUpdate)
        with self._quiet():
            self._tell(rows)

    def _tell(self, rows: list[QModelIndex]) -> None:
        # Of films only the shown frame is tagged: it is the current picture, which is always selected.
        self._session.select(index.data(ID_ROLE) for index in rows if index.data(FILM_ROLE) is None)
