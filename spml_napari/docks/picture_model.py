"""The pictures of a project as Qt wants to list them: thousands, filtered, with how each stands."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, Signal

from spml_core.project import FilmRecord, PictureRecord
from spml_core.spelling import composed
from spml_core.wording import counted
from spml_napari.docks.badges import Badge
from spml_napari.docks.film_times import length_in_words
from spml_napari.docks.rows import BADGES_ROLE, FADED_ROLE, FILM_ROLE, ID_ROLE, STRIP_ROLE, SUBTITLE_ROLE
from spml_napari.docks.thumbnail_loader import ThumbnailLoader
from spml_napari.film_overview import FilmOverview
from spml_napari.thumbnails import ThumbnailSource

Entry: TypeAlias = PictureRecord | FilmRecord
Key: TypeAlias = int | str
"""What a row stands for: a picture's id, or a film's :func:`film_key`."""


def film_key(film_id: int) -> str:
    """What stands for a film where a picture's id stands for it."""
    return f"film {film_id}"


def _key(entry: Entry) -> Key:
    return film_key(entry.id) if isinstance(entry, FilmRecord) else entry.id


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
    """How the pictures stand: the ids of those that are marked, predicted, reviewed.

    A film is marked if any of its frames is, and predicted if anything was propagated in it.
    """

    marked: frozenset[Key] = frozenset()
    predicted: frozenset[Key] = frozenset()
    reviewed: frozenset[Key] = frozenset()

    def badges(self, picture_id: Key, missing: bool) -> tuple[Badge, ...]:
        """Return what is true of a picture, the most important last; at least one."""
        facts = (
            (Badge.MARKED, picture_id in self.marked and picture_id not in self.reviewed),
            (Badge.PREDICTED, picture_id in self.predicted and picture_id not in self.reviewed),
            (Badge.REVIEWED, picture_id in self.reviewed),
            (Badge.MISSING, missing),
        )
        return tuple(badge for badge, there in facts if there) or (Badge.UNTOUCHED,)

    def chosen(self, by: PictureFilter, ids: frozenset[Key], problems: Collection[Key]) -> frozenset[Key]:
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
        self._records: tuple[Entry, ...] = ()
        self._ids: frozenset[Key] = frozenset()
        self._overview_of: Callable[[FilmRecord], FilmOverview] | None = None
        self._folder = Path()
        self._states = PictureStates()
        self._missing: dict[Key, str] = {}
        self._unreadable: dict[Key, str] = {}
        self._filter = PictureFilter.ALL
        self._text = ""
        self._rows: list[Entry] = []
        self._row_of: dict[Key, int] = {}
        self._rows_of_hash: dict[str, list[int]] = {}
        loader.loaded.connect(self._on_loaded)

    # What is listed -----------------------------------------------------------------------------------

    def set_overviews(self, overview_of: Callable[[FilmRecord], FilmOverview]) -> None:
        """Give what tells how the frames of a film stand."""
        self._overview_of = overview_of

    def set_pictures(
        self,
        records: Sequence[PictureRecord],
        thumbnails: Path,
        states: PictureStates,
        films: Sequence[FilmRecord] = (),
    ) -> None:
        """List other pictures, films first; their thumbnails are kept in the folder ``thumbnails``."""
        self._records, self._folder, self._states = (*films, *records), thumbnails, states
        self._ids = frozenset(map(_key, self._records))
        self._missing, self._unreadable = {}, {}
        self._list()

    def set_states(self, states: PictureStates, keep: Collection[Key] = ()) -> None:
        """Show how the pictures stand now; those in ``keep`` stay listed even if the filter is against it."""
        if states != self._states:
            self._states = states
            self._list(keep)

    def set_missing(self, missing: Mapping[Key, str], keep: Collection[Key] = ()) -> None:
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

    def _list(self, keep: Collection[Key] = ()) -> None:
        kept = frozenset(keep) & self._row_of.keys()
        words = composed(self._text).casefold()
        chosen = self._states.chosen(self._filter, self._ids, self.problems)
        rows = [
            record
            for record in self._records
            if _key(record) in kept or (_key(record) in chosen and words in composed(record.name).casefold())
        ]
        if rows == self._rows:
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self._row_of = {_key(record): row for row, record in enumerate(rows)}
        self._rows_of_hash = {}
        for row, record in enumerate(rows):
            self._rows_of_hash.setdefault(record.content_hash, []).append(row)
        self.endResetModel()

    # Asked by the dock ----------------------------------------------------------------------------------

    def ids(self) -> list[Key]:
        """What the rows stand for, in order: ids of pictures, keys of films."""
        return [_key(record) for record in self._rows]

    def row_of(self, picture_id: Key) -> int | None:
        """Row of a picture, or of a film by its key; None if it isn't listed."""
        return self._row_of.get(picture_id)

    def row_showing(self, record: PictureRecord) -> int | None:
        """Row of a picture, or of the film that it is a frame of."""
        return self.row_of(record.id if record.film is None else film_key(record.film))

    def film_changed(self, film_id: int) -> None:
        """Show how the frames of a film stand now."""
        row = self._row_of.get(film_key(film_id))
        if row is not None:
            self.dataChanged.emit(self.index(row), self.index(row))

    @property
    def total(self) -> int:
        """How many pictures there are, listed or not."""
        return len(self._records)

    @property
    def problems(self) -> dict[Key, str]:
        """Why pictures can't be worked on, by id."""
        return {**self._unreadable, **self._missing}

    @property
    def missing(self) -> dict[Key, str]:
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

    def _pixmap(self, record: Entry) -> Any:
        shown = self._loader.get(self._source(record))
        return None if shown is None else shown.pixmap

    def _badges(self, record: Entry) -> tuple[Badge, ...]:
        return self._states.badges(_key(record), self._has_problem(record))

    def _has_problem(self, record: Entry) -> bool:
        return _key(record) in self._missing or _key(record) in self._unreadable

    def _words(self, record: Entry) -> str:
        return ", ".join(badge.value for badge in self._badges(record))

    def _subtitle(self, record: Entry) -> str:
        if isinstance(record, FilmRecord):
            return length_in_words(record.count, record.frame_rate)
        return self._words(record)

    def _strip(self, record: Entry) -> FilmOverview | None:
        if self._overview_of is None or not isinstance(record, FilmRecord):
            return None
        return self._overview_of(record)

    def _tooltip(self, record: Entry) -> str:
        problem = self.problems.get(_key(record))
        lines = [
            record.name,
            f"{record.width} x {record.height} pixels, {self._words(record)}",
            str(record.path),
        ]
        if isinstance(record, FilmRecord):
            lines.insert(1, f"Film: {length_in_words(record.count, record.frame_rate)}")
            if (strip := self._strip(record)) is not None and strip.marked:
                lines.insert(2, f"{counted(len(strip.marked), 'frame')} marked")
        return "\n".join([*lines, problem] if problem else lines)

    def _source(self, record: Entry) -> ThumbnailSource:
        is_film = isinstance(record, FilmRecord)
        return ThumbnailSource(record.path, record.content_hash, self._folder, is_film, record.as_stored)

    def _on_loaded(self, content_hash: str) -> None:
        before = dict(self._unreadable)
        for row in self._rows_of_hash.get(content_hash, ()):
            record = self._rows[row]
            shown = self._loader.get(self._source(record))
            if shown is not None and shown.problem:
                self._unreadable[_key(record)] = shown.problem
            else:
                self._unreadable.pop(_key(record), None)
            self.dataChanged.emit(self.index(row), self.index(row))
        if self._unreadable != before:
            self.problems_changed.emit()


_ANSWERS: dict[int, Callable[[PictureModel, Entry], Any]] = {
    int(Qt.ItemDataRole.DisplayRole): lambda model, record: record.name,
    int(Qt.ItemDataRole.DecorationRole): PictureModel._pixmap,
    int(Qt.ItemDataRole.ToolTipRole): PictureModel._tooltip,
    int(Qt.ItemDataRole.AccessibleDescriptionRole): PictureModel._words,
    int(ID_ROLE): lambda model, record: record.id,
    int(FILM_ROLE): lambda model, record: record if isinstance(record, FilmRecord) else None,
    int(STRIP_ROLE): PictureModel._strip,
    int(SUBTITLE_ROLE): PictureModel._subtitle,
    int(BADGES_ROLE): PictureModel._badges,
    int(FADED_ROLE): PictureModel._has_problem,
}


def missing_pictures(records: Iterable[Entry]) -> dict[Key, str]:
    """Return which pictures and films aren't at their place, and say so.

    Asks the disk for each: not in the GUI thread.
    """
    missing: dict[Key, str] = {}
    for record in records:
        is_film = isinstance(record, FilmRecord)
        # Unlike those of Path, these don't raise where a folder may not be looked into.
        if not (os.path.exists if is_film else os.path.isfile)(record.path):
            missing[_key(record)] = f"The {'film' if is_film else 'picture'} isn't at {record.path} any more."
    return missing
