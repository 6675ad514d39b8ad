"""One undo for everything: an append-only list of events, and the state that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from spml_core.project.class_table import set_state
from spml_core.project.database import Database

EventKind = Literal["add", "remove", "class", "undo", "redo"]
EventState = Literal["done", "undone", "dropped"]

_ENTRY = "SELECT id, time, kind, note, target, state FROM events LEFT JOIN event_state ON event = id"


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
    """

    id: int
    time: str
    kind: EventKind
    note: str
    target: int | None
    state: EventState | None


def now() -> str:
    """Return the time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def entries(database: Database) -> tuple[HistoryEntry, ...]:
    """All events, oldest first."""
    rows = database.rows(f"{_ENTRY} ORDER BY id")
    return tuple(HistoryEntry(*row) for row in rows)


def new_action(database: Database, kind: Literal["add", "remove", "class"], note: str) -> int:
    """Record an action, inside a transaction; what was undone before it can't be redone any more."""
    database.execute("UPDATE event_state SET state = 'dropped' WHERE state = 'undone'")
    event = _append(database, kind, note, None)
    database.execute("INSERT INTO event_state VALUES (?, 'done')", (event,))
    return event


def undo(database: Database) -> HistoryEntry | None:
    """Take the latest action back; that action as it stands now, or None if there is none."""
    # Actions are undone from the latest and redone from the earliest, so ids tell the order of both.
    return _turn(database, "undo", "SELECT max(event) FROM event_state WHERE state = 'done'")


def redo(database: Database) -> HistoryEntry | None:
    """Do the action again that was undone last; that action as it stands now, or None if there is none."""
    return _turn(database, "redo", "SELECT min(event) FROM event_state WHERE state = 'undone'")


def replay(database: Database) -> set[int]:
    """Ids of the active marks as they follow from the events alone: what ``marks.active`` must agree with."""
    done: list[int] = []
    undone: list[int] = []
    for entry in entries(database):
        if entry.kind == "undo":
            undone.append(done.pop())
        elif entry.kind == "redo":
            done.append(undone.pop())
        else:
            done.append(entry.id)
            undone.clear()
    active: set[int] = set()
    for event in done:
        for mark, is_active in database.rows(
            "SELECT mark, active FROM mark_changes WHERE event = ?", (event,)
        ):
            (active.add if is_active else active.discard)(mark)
    return active


def _turn(database: Database, kind: Literal["undo", "redo"], next_event: str) -> HistoryEntry | None:
    with database.transaction():
        event = database.value(next_event)
        if event is None:
            return None
        note = database.value("SELECT note FROM events WHERE id = ?", (event,))
        _append(database, kind, note, event)
        database.execute(
            "UPDATE event_state SET state = ? WHERE event = ?",
            ("undone" if kind == "undo" else "done", event),
        )
        database.execute(
            "UPDATE marks SET active = (SELECT CASE ? WHEN 'redo' THEN c.active ELSE 1 - c.active END"
            " FROM mark_changes c WHERE c.event = ? AND c.mark = marks.id)"
            " WHERE id IN (SELECT mark FROM mark_changes WHERE event = ?)",
            (kind, event, event),
        )
        column = "before" if kind == "undo" else "after"
        for number, state in database.rows(
            f"SELECT class, {column} FROM class_changes WHERE event = ?", (event,)
        ):
            set_state(database, number, state)
        row = database.rows(
            f"{_ENTRY} WHERE id = ?",
            (event,),
        )[0]
    return HistoryEntry(*row)


def _append(database: Database, kind: EventKind, note: str, target: int | None) -> int:
    return database.execute(
        "INSERT INTO events (time, kind, note, target) VALUES (?, ?, ?, ?)", (now(), kind, note, target)
    )
