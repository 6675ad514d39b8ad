"""The tables of a project, and how an older project becomes a newer one.

``events`` is append-only (triggers see to it) and tells everything: each action's changes to marks and
classes, and each undo and redo. ``event_state``, ``marks.active`` and ``classes`` are what follows from it,
kept so that reading is quick.

A class keeps its id for life; ``position`` is its label code, NULL once it is out of the table: undone,
deleted, or merged into the class that ``merged_into`` names. A mark's payload counts its classes by rank, and
``mark_classes`` tells which class each rank is: renumbering, merging or deleting classes rewrites no raster.

A frame of a film gets a row in ``pictures`` with its first mark. Its id follows from the film's id and the frame's
index and is negative, so that the ids of stills, which count up from 1, never meet it. Its ``path`` is its file's name
in the folder of a sequence, and empty in other films: where the film is, only ``films`` says. ``films.stamp`` tells
quickly whether a film was touched since its content was read; only then is it read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from spml_core.errors import ProjectError

APPLICATION_ID = 0x53504D4C
"""``SPML`` in ASCII, in the header of the database file: tells a project from any other SQLite file."""

OLD_RUN_CLASSES = "classes_of_version_1"
"""Key in ``meta``: JSON list of the ids of the classes, in order, that a version-1 project had. Its runs didn't
keep theirs, but then classes could only be added at the end."""

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    """CREATE TABLE pictures (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        height INTEGER NOT NULL CHECK (height > 0),
        width INTEGER NOT NULL CHECK (width > 0))""",
    """CREATE TABLE classes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        position INTEGER UNIQUE,
        name TEXT NOT NULL,
        red INTEGER NOT NULL CHECK (red BETWEEN 0 AND 255),
        green INTEGER NOT NULL CHECK (green BETWEEN 0 AND 255),
        blue INTEGER NOT NULL CHECK (blue BETWEEN 0 AND 255))""",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('add', 'remove', 'class', 'undo', 'redo')),
        note TEXT NOT NULL,
        target INTEGER REFERENCES events (id),
        CHECK ((kind IN ('undo', 'redo')) = (target IS NOT NULL)))""",
    """CREATE TRIGGER events_stay BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
    """CREATE TRIGGER events_keep BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
    """CREATE TABLE event_state (
        event INTEGER PRIMARY KEY REFERENCES events (id),
        state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'dropped')))""",
    "CREATE INDEX event_state_by_state ON event_state (state, event)",
    """CREATE TABLE marks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        picture INTEGER NOT NULL REFERENCES pictures (id),
        payload TEXT NOT NULL,
        active INTEGER NOT NULL CHECK (active IN (0, 1)))""",
    "CREATE INDEX marks_by_picture ON marks (picture, active, id)",
    """CREATE TABLE mark_classes (
        mark INTEGER NOT NULL REFERENCES marks (id),
        rank INTEGER NOT NULL,
        class INTEGER NOT NULL REFERENCES classes (id),
        PRIMARY KEY (mark, rank)) WITHOUT ROWID""",
    "CREATE INDEX mark_classes_by_class ON mark_classes (class, mark)",
    """CREATE TABLE mark_changes (
        event INTEGER NOT NULL REFERENCES events (id),
        mark INTEGER NOT NULL REFERENCES marks (id),
        active INTEGER NOT NULL CHECK (active IN (0, 1)),
        PRIMARY KEY (event, mark)) WITHOUT ROWID""",
    """CREATE TABLE class_changes (
        event INTEGER NOT NULL REFERENCES events (id),
        class INTEGER NOT NULL REFERENCES classes (id),
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        PRIMARY KEY (event, class)) WITHOUT ROWID""",
    """CREATE TABLE runs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'stopped', 'failed')))""",
)


def _to_version_1(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


_VERSION_2 = (
    "ALTER TABLE classes ADD COLUMN merged_into INTEGER REFERENCES classes (id)",
    # A copy of what the payload says: reviewed pictures are found without reading rasters.
    """ALTER TABLE marks ADD COLUMN accepted TEXT NOT NULL DEFAULT ''
        CHECK (accepted IN ('', 'class', 'picture'))""",
    "CREATE INDEX marks_reviewing ON marks (picture) WHERE accepted = 'picture' AND active = 1",
    # Few marks are taken back: of each class, all are counted but those.
    "CREATE INDEX marks_taken_back ON marks (id) WHERE active = 0",
    # Undo out of order asks who else changed a mark, redo which undo came last.
    "CREATE INDEX mark_changes_by_mark ON mark_changes (mark, event)",
    "CREATE INDEX events_by_target ON events (target) WHERE target IS NOT NULL",
)


def _to_version_2(connection: sqlite3.Connection) -> None:
    for statement in _VERSION_2:
        connection.execute(statement)
    rows = connection.execute(
        "SELECT id FROM classes WHERE position IS NOT NULL ORDER BY position"
    ).fetchall()
    if rows:  # else the project is only just being made
        connection.execute(
            "INSERT INTO meta VALUES (?, ?)", (OLD_RUN_CLASSES, json.dumps([number for (number,) in rows]))
        )


_VERSION_3 = (
    """CREATE TABLE films (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        stamp TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('video', 'sequence', 'stack', 'array')),
        count INTEGER NOT NULL CHECK (count > 0),
        height INTEGER NOT NULL CHECK (height > 0),
        width INTEGER NOT NULL CHECK (width > 0),
        frame_rate REAL CHECK (frame_rate > 0))""",
    "ALTER TABLE pictures ADD COLUMN film INTEGER REFERENCES films (id)",
    """ALTER TABLE pictures ADD COLUMN frame INTEGER
        CHECK ((film IS NULL) = (frame IS NULL) AND (frame IS NULL OR id = -((film << 32) + frame + 1)))""",
    "CREATE UNIQUE INDEX pictures_by_frame ON pictures (film, frame) WHERE film IS NOT NULL",
)


def _to_version_3(connection: sqlite3.Connection) -> None:
    for statement in _VERSION_3:
        connection.execute(statement)


Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: tuple[Migration, ...] = (_to_version_1, _to_version_2, _to_version_3)
"""Step i turns version i into version i + 1. A new project goes through all of them."""

SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """Version of the project in this database; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a database to the newest version, in one transaction: all steps or none.

    Parameters
    ----------
    connection : sqlite3.Connection
        Without a transaction under way, in autocommit mode.
    migrations : sequence of callable
        Step i, given the connection, turns version i into version i + 1.

    Raises
    ------
    ProjectError
        If the project is from a newer version of the program.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = schema_version(connection)
        refuse_newer(version, len(migrations))
        for step in migrations[version:]:
            step(connection)
        # PRAGMAs take no parameters; both are numbers of ours.
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute(
            "INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", (str(len(migrations)),)
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def refuse_newer(version: int, known: int) -> None:
    """Raise a ProjectError if ``version`` is beyond the one this program knows."""
    if version > known:
        raise ProjectError(
            f"The project has format version {version}; this program reads up to {known}.",
            "Update the program.",
        )
