"""One undo for everything: an append-only list of events, and the state that follows from it.

The state follows from the actions that are done, applied in the order of their ids, whichever were undone in
between. A step may therefore be taken back out of order if no later step that is done builds on it:

* A step on marks builds on the steps that changed the same marks before (a removal on what added them).
* An edit that takes a class out of the table builds on the steps whose marks have that class: it says how many
  marks go, and they shall come back as they went.
* Edits of classes all build on one another (positions, names), and marks on the addition of their class. So
  edits of classes are taken back only as the latest step of all.

Redo does again what was undone last, back to the last action: it leads through the same states as the undoing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from spml_core.project.class_table import turn_changes
from spml_core.project.database import Database

EventKind = Literal["add", "remove", "class", "undo", "redo"]
EventState = Literal["done", "undone", "dropped"]

_ENTRY = "SELECT id, time, kind, note, target, state FROM events LEFT JOIN event_state ON event = id"

_UNDONE_LAST = (
    "SELECT s.event FROM event_state s CROSS JOIN events u ON u.target = s.event AND u.kind = 'undo'"
    " WHERE s.state = 'undone' ORDER BY u.id DESC LIMIT 1"
)

_DONE_ON_PICTURE = (
    "SELECT DISTINCT c.event FROM marks m JOIN mark_changes c ON c.mark = m.id"
    " JOIN event_state s ON s.event = c.event WHERE m.picture = ? AND s.state = 'done' ORDER BY c.event DESC"
)

_BUILT_UPON = (
    "SELECT EXISTS (SELECT 1 FROM mark_changes c JOIN mark_changes later ON later.mark = c.mark"
    " AND later.event > c.event JOIN event_state s ON s.event = later.event"
    " WHERE c.event = ?1 AND s.state = 'done')"
    " OR EXISTS (SELECT 1 FROM class_changes k JOIN event_state s ON s.event = k.event"
    " WHERE k.event > ?1 AND s.state = 'done'"
    " AND json_extract(k.before, '$[0]') IS NOT NULL AND json_extract(k.after, '$[0]') IS NULL"
    " AND k.class IN (SELECT class FROM mark_changes JOIN mark_classes USING (mark) WHERE event = ?1))"
)


@dataclass(frozen=True)
class HistoryEntry:
    """One event.

    Parameters
    ----------
    id : int
        Later events have larger ids.
    time : str
        ISO 8601, UTC.
    kind : str
        ``add`` or ``remove`` (of marks), ``class`` (an edit of the class table), ``undo``, ``redo``.
    note : str
        What the user did, in words.
    target : int or None
        The event that was undone or redone.
    state : str or None
        Of an action: ``done``, ``undone`` (can be redone), or ``dropped`` (undone, then something else was
        done).
    pictures : tuple of int
        Ids of the pictures whose marks it changed, ascending; empty for edits of classes.
    """

    id: int
    time: str
    kind: EventKind
    note: str
    target: int | None
    state: EventState | None
    pictures: tuple[int, ...] = ()


def now() -> str:
    """Return the time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def entries(database: Database) -> tuple[HistoryEntry, ...]:
    """All events, oldest first."""
    pictures: dict[int, list[int]] = {}
    for event, picture in database.rows(
        "SELECT DISTINCT event, picture FROM mark_changes JOIN marks ON id = mark ORDER BY event, picture"
    ):
        pictures.setdefault(event, []).append(picture)
    return tuple(
        _entry(row, pictures.get(row[4] or row[0], ())) for row in database.rows(f"{_ENTRY} ORDER BY id")
    )


def latest_event(database: Database) -> int:
    """Return the id of the newest event, 0 if there is none: as long as it stays the same, so do the marks."""
    return int(database.value("SELECT max(id) FROM events") or 0)


def latest_steps(database: Database, count: int) -> tuple[HistoryEntry, ...]:
    """Return the last ``count`` steps that are done or can be redone, oldest first; undo and redo are no steps."""
    events = database.rows(
        "SELECT event FROM event_state WHERE state IN ('done', 'undone') ORDER BY event DESC LIMIT ?",
        (count,),
    )
    found = [_load(database, event) for (event,) in reversed(events)]
    return tuple(entry for entry in found if entry is not None)


def new_action(database: Database, kind: Literal["add", "remove", "class"], note: str) -> int:
    """Record an action, inside a transaction; what was undone before it can't be redone any more."""
    database.execute("UPDATE event_state SET state = 'dropped' WHERE state = 'undone'")
    event = _append(database, kind, note, None)
    database.execute("INSERT INTO event_state VALUES (?, 'done')", (event,))
    return event


def next_undo(database: Database, picture: int | None = None) -> HistoryEntry | None:
    """Return the step that ``undo`` would take back."""
    if picture is None:
        return _load(database, database.value("SELECT max(event) FROM event_state WHERE state = 'done'"))
    for (event,) in database.rows(_DONE_ON_PICTURE, (picture,)):
        if not database.value(_BUILT_UPON, (event,)):
            return _load(database, event)
    return None


def next_redo(database: Database) -> HistoryEntry | None:
    """Return the step that ``redo`` would do again."""
    return _load(database, database.value(_UNDONE_LAST))


def undo(database: Database, picture: int | None = None) -> HistoryEntry | None:
    """Take an action back; that action as it stands now, or None if there is none. See ``Project.undo``."""
    with database.transaction():
        return _turn(database, "undo", next_undo(database, picture))


def redo(database: Database) -> HistoryEntry | None:
    """Do the action again that was undone last; that action as it stands now, or None if there is none."""
    with database.transaction():
        return _turn(database, "redo", next_redo(database))


def replay(database: Database) -> set[int]:
    """Ids of the active marks as they follow from the events alone: what ``marks.active`` must agree with."""
    done: set[int] = set()
    undone: list[int] = []
    for entry in entries(database):
        if entry.kind == "undo":
            assert entry.target is not None
            done.remove(entry.target)
            undone.append(entry.target)
        elif entry.kind == "redo":
            done.add(undone.pop())
        else:
            done.add(entry.id)
            undone.clear()
    active: set[int] = set()
    for event in sorted(done):
        for mark, is_active in database.rows(
            "SELECT mark, active FROM mark_changes WHERE event = ?", (event,)
        ):
            (active.add if is_active else active.discard)(mark)
    return active


def _turn(
    database: Database, kind: Literal["undo", "redo"], entry: HistoryEntry | None
) -> HistoryEntry | None:
    if entry is None:
        return None
    _append(database, kind, entry.note, entry.id)
    database.execute(
        "UPDATE event_state SET state = ? WHERE event = ?",
        ("undone" if kind == "undo" else "done", entry.id),
    )
    database.execute(
        "UPDATE marks SET active = (SELECT CASE ? WHEN 'redo' THEN c.active ELSE 1 - c.active END"
        " FROM mark_changes c WHERE c.event = ? AND c.mark = marks.id)"
        " WHERE id IN (SELECT mark FROM mark_changes WHERE event = ?)",
        (kind, entry.id, entry.id),
    )
    turn_changes(database, entry.id, back=kind == "undo")
    return _load(database, entry.id)


def _load(database: Database, event: int | None) -> HistoryEntry | None:
    if event is None:
        return None
    pictures = database.rows(
        "SELECT DISTINCT picture FROM mark_changes JOIN marks ON id = mark WHERE event = ? ORDER BY picture",
        (event,),
    )
    return _entry(database.rows(f"{_ENTRY} WHERE id = ?", (event,))[0], [number for (number,) in pictures])


def _entry(row: tuple[Any, ...], pictures: Sequence[int]) -> HistoryEntry:
    number, time, kind, note, target, state = row
    return HistoryEntry(number, time, kind, note, target, state, tuple(pictures))


def _append(database: Database, kind: EventKind, note: str, target: int | None) -> int:
    return database.execute(
        "INSERT INTO events (time, kind, note, target) VALUES (?, ?, ?, ?)", (now(), kind, note, target)
    )
