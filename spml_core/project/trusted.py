"""What a project's database file may hold: it may come from anyone, and SQLite runs what stands in a schema.

Our tables must be tables with our columns, not views, whose rows may never end; there may be no triggers but ours; and
values must be of the types that we write, which SQLite doesn't see to.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from spml_core.errors import ProjectError

MOST_BYTES = 1 << 28
"""Of one value. The mark of a whole picture of 2**30 pixels takes less, packed."""

_SECONDS = 60.0
_STEPS = 100_000  # of SQLite's machine between two looks at the clock
_LONG = 4096  # characters of names and paths: no system has longer ones
_COMPUTED = "computed"
_REMEDY = "Restore the project from a copy."

Columns: TypeAlias = dict[str, tuple[str, bool]]
"""Declared type by name, and whether there may be NULL."""


@dataclass(frozen=True)
class Expected:
    """What a database has if this program made it.

    Parameters
    ----------
    tables : dict of str to Columns
    triggers : dict of str to str
        What they do, in SQL.
    """

    tables: dict[str, Columns]
    triggers: dict[str, str]

    @classmethod
    def of(cls, build: Callable[[sqlite3.Connection], object]) -> Expected:
        """What a function makes of an empty database."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            build(connection)
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            tables = [name for kind, name, _ in rows if kind == "table" and not name.startswith("sqlite_")]
            triggers = {name: _words(sql) for kind, name, sql in rows if kind == "trigger"}
            return cls({table: _columns(connection, table) for table in tables}, triggers)


def check_database(
    connection: sqlite3.Connection,
    expected: Expected,
    path: Path,
    *,
    unchecked: Collection[str] = (),
    long: Collection[tuple[str, str]] = (),
) -> None:
    """See that a database is what this program would have written.

    Parameters
    ----------
    connection : sqlite3.Connection
    expected : Expected
    path : Path
        What to call it in errors.
    unchecked : collection of str
        Tables whose values aren't looked at.
    long : collection of (str, str)
        Tables and columns whose texts may have any length.

    Raises
    ------
    ProjectError
        It says what is wrong.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    deadline = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        _check_schema(connection, expected, path)
        for table, columns in expected.tables.items():
            if table not in unchecked:
                _check_values(connection, table, columns, long, path)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise ProjectError(f"{path} isn't read within {_SECONDS:.0f} seconds.", _REMEDY) from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _check_schema(connection: sqlite3.Connection, expected: Expected, path: Path) -> None:
    found = set()
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if not isinstance(name, str) or not isinstance(sql, str | None):
            raise ProjectError(f"{path} is damaged: its list of tables is no text.", _REMEDY)
        words = _words(sql or "")
        if kind == "view" or (kind == "trigger" and expected.triggers.get(name) != words):
            raise ProjectError(f"{path} has a {kind} {name!r}, which no project has.", _REMEDY)
        if kind == "table" and name in expected.tables and words.startswith("create table"):
            found.add(name)
    for table, columns in expected.tables.items():
        there = _columns(connection, table) if table in found else {}
        # Columns beyond ours are let be, but none that compute what they hold.
        if not columns.items() <= there.items() or any(kind == _COMPUTED for kind, _ in there.values()):
            raise ProjectError(f"{path} is damaged: its table {table!r} isn't that of a project.", _REMEDY)


def _check_values(
    connection: sqlite3.Connection,
    table: str,
    columns: Columns,
    long: Collection[tuple[str, str]],
    path: Path,
) -> None:
    wrong = []
    for name, (declared, may_be_null) in columns.items():
        types = {"INTEGER": ["integer"], "TEXT": ["text"], "REAL": ["real", "integer"]}[declared]
        allowed = ", ".join(f"'{each}'" for each in [*types, *(["null"] if may_be_null else [])])
        wrong.append(f'typeof("{name}") NOT IN ({allowed})')
        if declared == "TEXT" and (table, name) not in long:
            wrong.append(f'length("{name}") > {_LONG}')
    # Names of ours, no one else's.
    if connection.execute(f'SELECT 1 FROM "{table}" WHERE {" OR ".join(wrong)} LIMIT 1').fetchone():
        raise ProjectError(
            f"{path} is damaged: a value in its table {table!r} is of a wrong type or too long.", _REMEDY
        )


def _columns(connection: sqlite3.Connection, table: str) -> Columns:
    rows = connection.execute('SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)', (table,))
    # Hidden ones are computed as they are read.
    return {
        name: (_COMPUTED if hidden else declared, not is_full and not key)
        for name, declared, is_full, key, hidden in rows
    }


def _words(sql: str) -> str:
    return " ".join(sql.lower().split())
