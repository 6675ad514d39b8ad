"""The project's classes: ids that never change, positions that are the label codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spml_core.classes import MAX_CLASSES, ClassInfo, ClassTable
from spml_core.errors import ClassError, ProjectError
from spml_core.project.database import Database

ClassState: TypeAlias = tuple[int | None, str, int, int, int, int | None]
"""Of one class: position, name, red, green, blue, merged_into. ``class_changes`` keeps it as a JSON list, without
the last in events of version 1."""

_STATE = "position, name, red, green, blue, merged_into"


@dataclass(frozen=True)
class LoadedClasses:
    """What the classes are now.

    Parameters
    ----------
    table : ClassTable
    ids : tuple of int
        Id of each class of the table.
    codes : mapping of int to int
        Class id to today's label code; of a merged class, that of the class it went into. Ids of deleted
        classes and of additions undone aren't there.
    gone : tuple of int
        Those ids.
    """

    table: ClassTable
    ids: tuple[int, ...]
    codes: Mapping[int, int]
    gone: tuple[int, ...]


@dataclass(frozen=True)
class ClassEdit:
    """How the table shall be.

    Parameters
    ----------
    order : sequence of int
        Class ids in the new order; who isn't in it leaves the table. ``NEW`` stands for a new class.
    infos : mapping of int to ClassInfo
        New names and colours.
    merged : mapping of int to int
        Id of a leaving class to that of the class its marks go to.
    """

    order: Sequence[int]
    infos: Mapping[int, ClassInfo] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)


_MOST_EVER = 10_000  # with those that were merged or deleted

NEW = 0
"""Id of a class that isn't in the database yet."""


def insert_classes(database: Database, classes: Iterable[ClassInfo]) -> None:
    """Put the first classes into an empty table, inside a transaction."""
    for position, info in enumerate(classes):
        _insert(database, position, info)


def load_classes(database: Database) -> LoadedClasses:
    """Return the class table, and what became of classes that left it."""
    rows = database.rows(f"SELECT id, {_STATE} FROM classes ORDER BY position LIMIT {_MOST_EVER + 1}")
    inside = [row for row in rows if row[1] is not None]
    if len(rows) > _MOST_EVER or not 0 < len(inside) <= MAX_CLASSES:
        raise ProjectError(
            f"{database.path} is damaged: it has {len(inside)} of {len(rows)} classes or more;"
            f" {MAX_CLASSES} is the most.",
            "Restore the project from a copy.",
        )
    codes = {row[0]: code for code, row in enumerate(inside)}
    target = {row[0]: row[6] for row in rows if row[1] is None}
    lost = set[int]()
    for number in target:
        step, seen = number, set[int]()
        # A damaged file may go round in circles.
        while step in target and step not in seen and step not in codes and step not in lost:
            seen.add(step)
            step = target[step]
        if step in codes:
            codes |= dict.fromkeys(seen, codes[step])
        else:
            lost |= seen
    return LoadedClasses(
        ClassTable(tuple(ClassInfo(row[2], (row[3], row[4], row[5])) for row in inside)),
        tuple(row[0] for row in inside),
        codes,
        tuple(number for number in target if number not in codes),
    )


def check_edit(classes: LoadedClasses, edit: ClassEdit) -> None:
    """Raise a ClassError if the table would be wrong after ``edit``."""
    for info in edit.infos.values():
        if len(info.color) != 3 or not all(0 <= channel <= 255 for channel in info.color):
            raise ClassError(
                f"The colour {info.color} is out of range.", "Red, green and blue go from 0 to 255."
            )
    if not edit.order:
        raise ClassError(
            f"{classes.table.names[0]!r} is the last class; one must stay.",
            "Rename it, or add another first.",
        )
    known = dict(zip(classes.ids, classes.table, strict=True)) | dict(edit.infos)
    ClassTable(tuple(known[number] for number in edit.order))


def apply_edit(database: Database, event: int, edit: ClassEdit) -> None:
    """Change the table, recorded under ``event``, inside a transaction."""
    order, infos = list(edit.order), dict(edit.infos)
    if NEW in order:
        # Outside the table first: that is the state an undo goes back to.
        number = _insert(database, None, infos[NEW])
        order[order.index(NEW)] = number
        infos[number] = infos.pop(NEW)
    position = {number: place for place, number in enumerate(order)}
    changed: dict[int, ClassState] = {}
    for number, *state in database.rows(f"SELECT id, {_STATE} FROM classes"):
        before: ClassState = tuple(state)
        if before[0] is None and number not in position:
            continue
        info = infos.get(number, ClassInfo(before[1], (before[2], before[3], before[4])))
        after = (position.get(number), info.name, *info.color, edit.merged.get(number))
        if after != before:
            database.execute(
                "INSERT INTO class_changes VALUES (?, ?, ?, ?)",
                (event, number, json.dumps(before), json.dumps(after)),
            )
            changed[number] = after
    _set_states(database, changed)


def turn_changes(database: Database, event: int, *, back: bool) -> None:
    """Take the edit of ``event`` back, or do it again, inside a transaction."""
    column = "before" if back else "after"
    rows = database.rows(f"SELECT class, {column} FROM class_changes WHERE event = ?", (event,))
    states = {}
    for number, text in rows:
        position, name, red, green, blue, *merged = json.loads(text)
        states[number] = (position, name, red, green, blue, merged[0] if merged else None)
    _set_states(database, states)


def _set_states(database: Database, states: Mapping[int, ClassState]) -> None:
    # Out of the way first: no two classes may share a position, not even in between.
    for number in states:
        database.execute("UPDATE classes SET position = NULL WHERE id = ?", (number,))
    for number, state in states.items():
        database.execute(
            "UPDATE classes SET position = ?, name = ?, red = ?, green = ?, blue = ?, merged_into = ?"
            " WHERE id = ?",
            (*state, number),
        )


def _insert(database: Database, position: int | None, info: ClassInfo) -> int:
    return database.execute(
        "INSERT INTO classes (position, name, red, green, blue) VALUES (?, ?, ?, ?, ?)",
        (position, info.name, *info.color),
    )
