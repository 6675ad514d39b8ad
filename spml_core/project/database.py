"""The project's SQLite file: safe settings, transactions, and SQLite's errors in our words."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from spml_core.errors import ProjectError, StorageError
from spml_core.io.own_files import refuse_link
from spml_core.project import schema
from spml_core.project.trusted import Expected, check_database

_PRIMARY_CODE = 0xFF
BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of files that SQLite writes beside a database."""
# Their rows are as many as the marks: what of them is read is checked then.
_UNCHECKED = ("marks", "mark_classes", "mark_changes")
_LONG = (("meta", "value"), ("events", "note"), ("class_changes", "before"), ("class_changes", "after"))
_LOG_BEGINS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_NO_FILES = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""What SQLite says where readers can't make the file that they share: no permission, or no room."""


class Database:
    """A connection to ``project.sqlite``. Safe to use from several threads; transactions follow one another.

    Parameters
    ----------
    path : Path
        The file.
    write : bool
        Whether changes may be made. Readers see each other's and the writer's commits and block nobody.
    create : bool
        Make a new file with the newest schema; otherwise the file must be there.

    Raises
    ------
    ProjectError
        If the file is missing, damaged, no project, of a newer version, of an older one and only to be read,
        or can't be written to though asked for.
    """

    def __init__(self, path: Path, *, write: bool, create: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._has_log = False
        for end in ("", *BESIDE):
            refuse_link(Path(f"{path}{end}"))
        with self._errors():
            try:
                self._connection = self._connected(
                    "rwc" if create else "rw" if write else "ro", write, create
                )
            except sqlite3.OperationalError as error:
                code = _primary_code(error)
                if code not in _NO_FILES and (write or code not in _NO_ROOM):
                    raise
                if write:
                    raise ProjectError(
                        f"{path} can't be written to: {error}.",
                        "Use commands for reading only, or change its permissions; spml info, suggest and export read.",
                    ) from error
                self._connection = self._connected_unchanging(full=code in _NO_ROOM)
        self._identity = _identity(path)

    def _connected(
        self, mode: str, write: bool, create: bool, folder: Path | None = None, *, alone: bool = False
    ) -> sqlite3.Connection:
        path = self.path if folder is None else folder / self.path.name
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
        try:
            if alone:  # what readers share is kept in memory then
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._prepare(connection, write, create)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected_unchanging(self, *, full: bool) -> sqlite3.Connection:
        """Open a file that nobody can change, as where SQLite can't make the files that readers share."""
        log = Path(f"{self.path}-wal")
        if not (log.exists() and log.stat().st_size):
            return self._connected("ro&immutable=1", write=False, create=False)
        # Where it wasn't closed properly the newest changes are in the log, which only a copy can take up.
        try:
            with log.open("rb") as file:
                if file.read(4) not in _LOG_BEGINS:
                    raise OSError("its log is none of SQLite's")
            self._copy = tempfile.TemporaryDirectory(prefix="spml-")
            shutil.copyfile(self.path, Path(self._copy.name, self.path.name))
            shutil.copyfile(log, Path(self._copy.name, log.name))
            return self._connected("ro", write=False, create=False, folder=Path(self._copy.name))
        except (OSError, sqlite3.OperationalError) as error:
            self._drop_copy()
            if full:  # no room for a copy either: what readers share is kept in memory then
                return self._connected("rw", write=False, create=False, alone=True)
            raise ProjectError(
                f"{self.path.parent} wasn't closed properly, and can't be mended where nothing can be written.",
                "Copy it to a place that can be written to, and open the copy.",
            ) from error

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def _prepare(self, connection: sqlite3.Connection, write: bool, create: bool) -> None:
        version = schema.schema_version(connection)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if not create and (application != schema.APPLICATION_ID or version < 1):
            raise ProjectError(f"{self.path} is no spml project.", "Give the folder of a project.")
        known = len(schema.MIGRATIONS)
        schema.refuse_newer(version, known)
        if not create:
            check_database(
                connection,
                _expected(schema.MIGRATIONS[:version]),
                self.path,
                unchecked=_UNCHECKED,
                long=_LONG,
            )
        connection.execute("PRAGMA foreign_keys = ON")
        if write:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            self._has_log = str(mode).lower() == "wal"
            # A commit is handed to the system, which keeps it however the process ends. Waiting for the disk
            # itself would hold up the window by as long as a checkpoint of the training takes to be written.
            # So a power cut may take the last moments back, whole steps of them; it damages nothing.
            connection.execute("PRAGMA synchronous = NORMAL")
            if version < known:
                schema.migrate(connection, schema.MIGRATIONS)
            # SQLite opens a write-protected file without a word: better to fail now than at the first stroke.
            connection.execute("DELETE FROM meta WHERE key IS NULL")
        elif version < known:
            raise ProjectError(
                f"The project has the older format version {version}; this program uses {known}.",
                "Open it once for writing: with spml app, spml add or spml import.",
            )

    def close(self) -> None:
        """Close the connection; the write-ahead log goes into the file."""
        with self._lock:
            self._connection.close()
            self._drop_copy()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything executed inside is on the disk after it, or nothing is."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.require_file()
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself on some errors, a full disk among them.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries inside see the same state, whatever a writer commits meanwhile."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; the id of the row it inserted, if any."""
        with self._lock, self._errors():
            done = self._connection.execute(statement, values).lastrowid or 0
            if not self._connection.in_transaction:
                self.require_file()
            return done

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, self._errors():
            return self._connection.execute(statement, values).fetchall()

    def value(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """First column of the first row, or None without one."""
        rows = self.rows(statement, values)
        return rows[0][0] if rows else None

    def meta(self, key: str) -> str | None:
        """Return a small fact kept about the project."""
        value = self.value("SELECT value FROM meta WHERE key = ?", (key,))
        return None if value is None else str(value)

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small fact about the project."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def require_file(self) -> None:
        """See that what is written isn't lost: open files can be written to after they were deleted.

        Raises
        ------
        ProjectError
            If the file isn't where it was when it was opened.
        """
        there = _identity(self.path) == self._identity
        if not there or (self._has_log and not Path(f"{self.path}-wal").exists()):
            raise ProjectError(
                f"{self.path.parent} was deleted or moved while it was open: this change isn't saved.",
                "Put the project back, and open it again.",
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error
        except UnicodeDecodeError as error:
            raise ProjectError(
                f"{self.path} is damaged: it holds a text that is none.", "Restore the project from a copy."
            ) from error
        except UnicodeEncodeError as error:
            raise ProjectError(
                f"{error.object!r} isn't UTF-8; {self.path} can't keep it.", "Write it anew, or rename it."
            ) from error


@lru_cache
def _expected(migrations: tuple[schema.Migration, ...]) -> Expected:
    return Expected.of(lambda empty: schema.migrate(empty, migrations))


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another that has its name now; None if there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE


def _translated(error: sqlite3.Error, path: Path) -> ProjectError | StorageError:
    """Return a SQLite error in the words of the SpmlError family."""
    code, error_code = _primary_code(error), getattr(error, "sqlite_errorcode", 0)
    if isinstance(error, sqlite3.ProgrammingError):
        return ProjectError(f"The project {path.parent} is closed: {error}.", "Open it again.")
    if code == sqlite3.SQLITE_FULL or error_code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StorageError(f"There is no room to write {path}.", "Free some disk space and try again.")
    if code == sqlite3.SQLITE_IOERR:
        return StorageError(f"The disk failed on {path}: {error}.", "Check the disk and its free space.")
    if code == sqlite3.SQLITE_READONLY:
        return ProjectError(
            f"{path} is open for reading only.", "Open the project for writing, or free the file."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ProjectError(f"{path} is in use by another program.", "Close that and try again.")
    if code == sqlite3.SQLITE_CANTOPEN:
        return ProjectError(f"{path} can't be opened.", "Check that the project is there and readable.")
    return ProjectError(f"{path} is damaged: {error}.", "Restore the project from a copy.")
