"""What was propagated through a film: an index PNG a frame, and a table that says what each was computed from.

In the film's folder are ``labels/000012.png`` and ``results.sqlite``. One process writes, any number may read
meanwhile. The PNG is there, whole, before its row is: a kill leaves a frame that counts as missing and is computed
again, never one with the wrong row. Needs no torch, so the window reads here what the propagating process wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import MAX_CLASSES, ClassTable
from spml_core.errors import MarkError, ProjectError, StorageError
from spml_core.io import read_index_png, storage_errors, write_index_png
from spml_core.io.own_files import check_own, own_folder, refuse_link
from spml_core.project import FilmRecord, Project
from spml_core.project.database import BESIDE
from spml_core.project.trusted import Expected, check_database

DATABASE_FILE = "results.sqlite"
LABELS_FOLDER = "labels"
SOURCES = ("mark", "forward", "backward", "both")

_VERSION = 1
_LONG = (("class_lists", "ids"),)
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS class_lists (id INTEGER PRIMARY KEY, ids TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS frames (
    frame INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    confidence REAL NOT NULL,
    source TEXT NOT NULL,
    final INTEGER NOT NULL,
    is_cut INTEGER NOT NULL,
    classes INTEGER REFERENCES class_lists (id)
);
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class Result(Protocol):
    """What is kept of a frame: see :class:`spml_core.video.propagation.FrameResult`."""

    @property
    def index(self) -> int:
        """Frame, from 0."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Label codes (H, W) uint8."""

    @property
    def confidence(self) -> float:
        """0..1."""

    @property
    def source(self) -> str:
        """One of ``SOURCES``."""

    @property
    def final(self) -> bool:
        """Whether nothing better is to come of the same marks."""

    @property
    def is_cut(self) -> bool:
        """Whether a new scene begins here."""


class FilmResults:
    """The results of one film.

    Parameters
    ----------
    folder : Path
        The film's, ``project.film_folder(film)``; made when something is put there.
    count : int, optional
        Frames of the film; without, up to the last frame that there is a result of.
    project : Project, optional
        Whose classes the labels are read and written with: what is read has today's label codes, however classes were
        added, moved, merged or deleted since. Without, labels come as they were computed.
    """

    def __init__(self, folder: Path, count: int | None = None, project: Project | None = None) -> None:
        self._folder = folder
        self._count = count
        self._project = project
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    @classmethod
    def of(cls, project: Project, film: FilmRecord) -> Self:
        """The results of a project's film, read in today's label codes."""
        return cls(project.film_folder(film), film.count, project)

    # Reading --------------------------------------------------------------------------------------

    def labels(self, index: int) -> NDArray[np.uint8] | None:
        """Labels (H, W) uint8 of a frame; None if there is no result of it, or its file can't be read."""
        rows = self._rows(
            "SELECT ids FROM frames LEFT JOIN class_lists ON id = classes WHERE frame = ?", (index,)
        )
        if not rows:
            return None
        try:
            labels = read_index_png(self._path(index))
        except MarkError:  # missing or damaged: it is computed anew
            return None
        return labels if self._project is None else self._codes(rows[0][0])[labels]

    def confidences(self) -> NDArray[np.float32]:
        """How sure each frame's labels are, (count,) float32 in 0..1; NaN where there is no result."""
        found = np.full(self._length(), np.nan, np.float32)
        for frame, confidence in self._present("confidence"):
            found[frame] = confidence
        return found

    def source(self, index: int) -> str:
        """What a frame's labels were computed from: "forward", "backward", "both" or "mark"; "" without a result."""
        rows = self._rows("SELECT source FROM frames WHERE frame = ?", (index,))
        return str(rows[0][0]) if rows else ""

    def sources(self) -> tuple[str, ...]:
        """Of each frame where its labels come from, one of ``SOURCES``; "" where there is no result."""
        found = [""] * self._length()
        for frame, source in self._present("source"):
            found[frame] = source
        return tuple(found)

    def cuts(self) -> tuple[int, ...]:
        """Frames with which a new scene begins, ascending."""
        return tuple(frame for frame, is_cut in self._present("is_cut") if is_cut)

    def keys(self) -> dict[int, str]:
        """Of each frame with a final result the key that it was put with."""
        return {frame: key for frame, key, final in self._present("key, final") if final}

    # Writing --------------------------------------------------------------------------------------

    def put(self, result: Result, key: str) -> None:
        """Keep a frame's result in place of an earlier one.

        Parameters
        ----------
        result : Result
            Its labels have today's codes: 0..K-1, K (UNLABELED) and 255 (IGNORE).
        key : str
            Stands for all that it was computed from.

        Raises
        ------
        MarkError
            If there is another code in the labels.
        StorageError
            If the disk is full or the folder can't be written. What was there before stays, or the frame counts as
            missing.
        """
        path = self._path(result.index)
        own_folder(path.parent)
        ids = None if self._project is None else self._project.class_ids
        names = [str(number) for number in range(MAX_CLASSES if ids is None else len(ids))]
        classes = None if ids is None else self._class_list(ids)
        with self._lock:
            # From here on the old row doesn't stand for the file any more, whenever a kill comes.
            self._write("DELETE FROM frames WHERE frame = ? AND classes IS NOT ?", (result.index, classes))
            self._write("UPDATE frames SET key = '', final = 0 WHERE frame = ?", (result.index,))
            write_index_png(path, result.labels, ClassTable.from_names(names), colored=False)
            self._write(
                "INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    result.index,
                    key,
                    float(result.confidence),
                    result.source,
                    bool(result.final),
                    bool(result.is_cut),
                    classes,
                ),
            )

    def forget(self, frames: Iterable[int]) -> None:
        """Remove the results of frames; those that have none are left out.

        Raises
        ------
        StorageError
            If a file can't be removed.
        """
        for frame in frames:
            if self._rows("SELECT frame FROM frames WHERE frame = ?", (frame,)):
                self._write("DELETE FROM frames WHERE frame = ?", (frame,))
            path = check_own(self._path(frame))
            with storage_errors(path):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the table; it is opened again when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    # Files ----------------------------------------------------------------------------------------

    def _path(self, index: int) -> Path:
        return self._folder / LABELS_FOLDER / f"{index:06d}.png"

    def _length(self) -> int:
        if self._count is not None:
            return self._count
        rows = self._rows("SELECT max(frame) FROM frames")
        return 0 if not rows or rows[0][0] is None else int(rows[0][0]) + 1

    def _present(self, columns: str) -> Iterator[tuple[Any, ...]]:
        """Frame and columns of the rows whose file is there, ascending."""
        names: set[str] = set()
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder / LABELS_FOLDER) as entries:
            names = {entry.name for entry in entries if entry.stat().st_size}
        count = self._length() if self._count is None else self._count
        for row in self._rows(f"SELECT frame, {columns} FROM frames ORDER BY frame"):
            if self._path(row[0]).name in names and 0 <= row[0] < count:
                yield row

    def _class_list(self, ids: Sequence[int]) -> int:
        text = json.dumps(ids)
        self._write("INSERT OR IGNORE INTO class_lists (ids) VALUES (?)", (text,))
        return int(self._rows("SELECT id FROM class_lists WHERE ids = ?", (text,))[0][0])

    def _codes(self, ids: str | None) -> NDArray[np.uint8]:
        assert self._project is not None
        if ids is None:
            return np.arange(256, dtype=np.uint8)
        try:
            return self._project.codes_of([int(number) for number in json.loads(ids)][:MAX_CLASSES])
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            path = self._folder / DATABASE_FILE
            raise ProjectError(
                f"{path} is damaged: {ids[:40]!r} is no list of classes.",
                f"Delete the folder {path.parent} and propagate again.",
            ) from error

    # Table ----------------------------------------------------------------------------------------

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query; none as long as nothing was ever put."""
        path = self._folder / DATABASE_FILE
        with self._lock, _table_errors(path):
            if self._connection is None:
                if not path.is_file():
                    return []
                self._connection = _connected(path)
            return self._connection.execute(query, values).fetchall()

    def _write(self, statement: str, values: Sequence[Any]) -> None:
        path = self._folder / DATABASE_FILE
        with self._lock, _table_errors(path):
            if self._connection is None:
                self._connection = _connected(path, create=True)
            self._connection.execute(statement, values)


def _connected(path: Path, create: bool = False) -> sqlite3.Connection:
    def connect(mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )

    for end in ("", *BESIDE):
        refuse_link(Path(f"{path}{end}"))
    connection = connect("rwc" if create else "rw")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.OperationalError:  # a full disk among them
        connection.close()
        if create:
            raise
        # Where nothing can be written, SQLite can't make the files that readers share; nobody changes it there.
        connection = connect("ro&immutable=1")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    try:
        if version > _VERSION:
            raise ProjectError(
                f"{path} has the format version {version}; this program reads {_VERSION}.",
                "Update the program.",
            )
        if version == _VERSION:
            check_database(connection, _expected(), path, long=_LONG)
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        # As in the project: a power cut may take the last rows back, which only costs computing them again.
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache
def _expected() -> Expected:
    return Expected.of(lambda empty: empty.executescript(_SCHEMA))


@contextlib.contextmanager
def _table_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise StorageError(
                f"There is no room to write {path}: {error}.", "Free some disk space and try again."
            ) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise StorageError(
                f"{path} can't be written: {error}.", "Check that the folder is there and may be written to."
            ) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ProjectError(
                f"{path} is in use by another program.", "Close that and try again."
            ) from error
        raise ProjectError(
            f"{path} is damaged: {error}.", f"Delete the folder {path.parent} and propagate again."
        ) from error
