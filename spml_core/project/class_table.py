"""The project's classes: ids that never change, positions that are the label codes."""

from __future__ import annotations

import json
from collections.abc import Iterable

from spml_core.classes import ClassInfo, ClassTable
from spml_core.errors import ClassError
from spml_core.project.database import Database


def insert_classes(database: Database, classes: Iterable[ClassInfo]) -> None:
    """Put the first classes into an empty table, inside a transaction."""
    for position, info in enumerate(classes):
        _insert(database, position, info)


def load_classes(database: Database) -> ClassTable:
    """Return the class table."""
    rows = database.rows(
        "SELECT name, red, green, blue FROM classes WHERE position IS NOT NULL ORDER BY position"
    )
    return ClassTable(tuple(ClassInfo(name, (red, green, blue)) for name, red, green, blue in rows))


def class_ids(database: Database) -> list[int]:
    """Ids of the classes, in the order of their label codes."""
    rows = database.rows("SELECT id FROM classes WHERE position IS NOT NULL ORDER BY position")
    return [number for (number,) in rows]


def check_edit(classes: ClassTable, index: int, info: ClassInfo) -> None:
    """Raise a ClassError if the table with ``info`` at ``index`` would be wrong."""
    if not all(0 <= channel <= 255 for channel in info.color):
        raise ClassError(f"The colour {info.color} is out of range.", "Red, green and blue go from 0 to 255.")
    ClassTable((*classes.classes[:index], info, *classes.classes[index + 1 :]))


def change_class(database: Database, event: int, index: int, info: ClassInfo) -> None:
    """Give class ``index`` this name and colour, or add it at the end; recorded under ``event``."""
    ids = class_ids(database)
    if index < len(ids):
        number = ids[index]
        before = _state(database, number)
    else:
        # Outside the table first: that is the state an undo goes back to.
        number = _insert(database, None, info)
        before = _state(database, number)
    after = json.dumps([index, info.name, *info.color])
    database.execute("INSERT INTO class_changes VALUES (?, ?, ?, ?)", (event, number, before, after))
    set_state(database, number, after)


def set_state(database: Database, number: int, state: str) -> None:
    """Set position, name and colour of a class as ``class_changes`` keeps them."""
    database.execute(
        "UPDATE classes SET position = ?, name = ?, red = ?, green = ?, blue = ? WHERE id = ?",
        (*json.loads(state), number),
    )


def _state(database: Database, number: int) -> str:
    query = "SELECT position, name, red, green, blue FROM classes WHERE id = ?"
    return json.dumps(database.rows(query, (number,))[0])


def _insert(database: Database, position: int | None, info: ClassInfo) -> int:
    return database.execute(
        "INSERT INTO classes (position, name, red, green, blue) VALUES (?, ?, ?, ?, ?)",
        (position, info.name, *info.color),
    )
