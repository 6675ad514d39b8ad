"""The pictures of a project as Qt wants to list them: thousands, filtered, with how each stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, Signal

from spml_core.project import PictureRecord
from spml_napari.docks.badges import Badge
from spml_napari.docks.rows import BADGES_ROLE, FADED_ROLE, ID_ROLE, SUBTITLE_ROLE
from spml_napari.docks.thumbnail_loader import ThumbnailLoader
from spml_napari.thumbnails import ThumbnailSource


class PictureFilter(StrEnum):
    """Which pictures are listed."""

    ALL = "all"
    UNTOUCHED = "untouched"
    MARKED = "marked"
    PREDICTED = "predicted"
    REVIEWED = "reviewed"
    NEEDS_LOOK = "needs a look"


@dataclass(frozen=True)
class PictureStates:
    """How the pictures stand: the ids of those that are marked, predicted, reviewed."""

    marked: frozenset[int] = frozenset()
    predicted: frozenset[int] = frozenset()
    reviewed: frozenset[int] = frozenset()

    def badges(self, picture_id: int, missing: bool) -> tuple[Badge, ...]:
        """Return what is true of a picture, the most important last; at least one."""
        facts = (
            (Badge.MARKED, picture_id in self.marked and picture_id not in self.reviewed),
            (Badge.PREDICTED, picture_id in self.predicted and picture_id not in self.reviewed),
            (Badge.REVIEWED, picture_id in self.reviewed),
            (Badge.MISSING, missing),
        )
        return tuple(badge for badge, there in facts if there) or (Badge.UNTOUCHED,)

    def chosen(self, by: PictureFilter, ids: frozenset[int], problems: Collection[int]) -> frozenset[int]:
        """Return those of the ``ids`` that a filter lets through.

        ``NEEDS_LOOK`` means what can't be read, and what was predicted but not reviewed.
        """
        match by:
            case PictureFilter.UNTOUCHED:
                return ids - self.marked - self.predicted - self.reviewed
            case PictureFilter.MARKED:
                return ids & self.marked
            case PictureFilter.PREDICTED:
                return ids & self.predicted
            case PictureFilter.REVIEWED:
                return ids & self.reviewed
            case PictureFilter.NEEDS_LOOK:
                return ids & ((self.predicted - self.reviewed) | frozenset(problems))
        return ids


class PictureModel(QAbstractListModel):
    """Lists those pictures that the filter lets through.

    Parameters
    ----------
    loader : ThumbnailLoader
    """

    problems_changed = Signal()
    """Other pictures than before can't be worked on."""

    def __init__(self, loader: ThumbnailLoader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._loader = loader
        self._records: tuple[PictureRecord, ...] = ()
        self._ids: frozenset[int] = frozenset()
        self._folder = Path()
        self._states = PictureStates()
        self._missing: dict[int, str] = {}
        self._unreadable: dict[int, str] = {}
        self._filter = PictureFilter.ALL
        self._text = ""
        self._rows: list[PictureRecord] = []
        self._row_of: dict[int, int] = {}
        self._rows_of_hash: dict[str, list[int]] = {}
        loader.loaded.connect(self._on_loaded)

    # What is listed -----------------------------------------------------------------------------------

    def set_pictures(self, records: Sequence[PictureRecord], thumbnails: Path, states: PictureStates) -> None:
        """List other pictures; their thumbnails are kept in the folder ``thumbnails``."""
        self._records, self._folder, self._states = tuple(records), thumbnails, states
        self._ids = frozenset(record.id for record in self._records)
        self._missing, self._unreadable = {}, {}
        self._list()

    def set_states(self, states: PictureStates, keep: Collection[int] = ()) -> None:
        """Show how the pictures stand now; those in ``keep`` stay listed even if the filter is against it."""
        if states != self._states:
            self._states = states
            self._list(keep)

    def set_missing(self, missing: Mapping[int, str], keep: Collection[int] = ()) -> None:
        """Say which pictures aren't at their place, by id, in words."""
        if missing != self._missing:
            self._missing = dict(missing)
            self._list(keep)
            self.problems_changed.emit()

    def set_filter(self, chosen: PictureFilter, text: str = "") -> None:
        """List only pictures of this state whose names hold ``text`` (in any case)."""
        if (chosen, text) != (self._filter, self._text):
            self._filter, self._text = chosen, text
            self._list()

    def _list(self, keep: Collection[int] = ()) -> None:
        kept = frozenset(keep) & self._row_of.keys()
        words = self._text.casefold()
        chosen = self._states.chosen(self._filter, self._ids, self.problems)
        rows = [
            record
            for record in self._records
            if record.id in kept or (record.id in chosen and words in record.name.casefold())
        ]
        if rows == self._rows:
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self._row_of = {record.id: row for row, record in enumerate(rows)}
        self._rows_of_hash = {}
        for row, record in enumerate(rows):
            self._rows_of_hash.setdefault(record.content_hash, []).append(row)
        self.endResetModel()

    # Asked by the dock ----------------------------------------------------------------------------------

    def ids(self) -> list[int]:
        """Ids of the listed pictures, in order."""
        return [record.id for record in self._rows]

    def row_of(self, picture_id: int) -> int | None:
        """Row of a picture; None if it isn't listed."""
        return self._row_of.get(picture_id)

    @property
    def total(self) -> int:
        """How many pictures there are, listed or not."""
        return len(self._records)

    @property
    def problems(self) -> dict[int, str]:
        """Why pictures can't be worked on, by id."""
        return {**self._unreadable, **self._missing}

    @property
    def missing(self) -> dict[int, str]:
        """Those of the problems that are pictures not at their place."""
        return self._missing

    def count(self, chosen: PictureFilter) -> int:
        """How many pictures a filter lets through, whatever their names."""
        return len(self._states.chosen(chosen, self._ids, self.problems))

    def forget_thumbnails(self) -> None:
        """Look at the pictures' files again."""
        self._loader.forget()

    # Asked by Qt ----------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return how many are listed."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a row shows. Qt asks for the thumbnails of visible rows only."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        record = self._rows[index.row()]
        answer = _ANSWERS.get(role)
        return None if answer is None else answer(self, record)

    def _pixmap(self, record: PictureRecord) -> Any:
        shown = self._loader.get(self._source(record))
        return None if shown is None else shown.pixmap

    def _badges(self, record: PictureRecord) -> tuple[Badge, ...]:
        return self._states.badges(record.id, self._has_problem(record))

    def _has_problem(self, record: PictureRecord) -> bool:
        return record.id in self._missing or record.id in self._unreadable

    def _words(self, record: PictureRecord) -> str:
        return ", ".join(badge.value for badge in self._badges(record))

    def _tooltip(self, record: PictureRecord) -> str:
        problem = self.problems.get(record.id)
        lines = [
            record.name,
            f"{record.width} x {record.height} pixels, {self._words(record)}",
            str(record.path),
        ]
        return "\n".join([*lines, problem] if problem else lines)

    def _source(self, record: PictureRecord) -> ThumbnailSource:
        return ThumbnailSource(record.path, record.content_hash, self._folder)

    def _on_loaded(self, content_hash: str) -> None:
        before = dict(self._unreadable)
        for row in self._rows_of_hash.get(content_hash, ()):
            record = self._rows[row]
            shown = self._loader.get(self._source(record))
            if shown is not None and shown.problem:
                self._unreadable[record.id] = shown.problem
            else:
                self._unreadable.pop(record.id, None)
            self.dataChanged.emit(self.index(row), self.index(row))
        if self._unreadable != before:
            self.problems_changed.emit()


_ANSWERS: dict[int, Callable[[PictureModel, PictureRecord], Any]] = {
    int(Qt.ItemDataRole.DisplayRole): lambda model, record: record.name,
    int(Qt.ItemDataRole.DecorationRole): PictureModel._pixmap,
    int(Qt.ItemDataRole.ToolTipRole): PictureModel._tooltip,
    int(Qt.ItemDataRole.AccessibleDescriptionRole): PictureModel._words,
    int(ID_ROLE): lambda model, record: record.id,
    int(SUBTITLE_ROLE): PictureModel._words,
    int(BADGES_ROLE): PictureModel._badges,
    int(FADED_ROLE): PictureModel._has_problem,
}


def missing_pictures(records: Iterable[PictureRecord]) -> dict[int, str]:
    """Return which pictures aren't at their place, by id, and say so. Asks the disk for each: not in the GUI thread."""
    return {
        record.id: f"The picture isn't at {record.path} any more."
        for record in records
        if not record.path.is_file()
    }
