"""Marks in the database: added and taken away through the history, read back with today's class indexes.

A mark is shown while one of its classes is in the table, or went into one that is; marks of no class (erasures,
void) always are. Of a patch with several classes the pixels of a deleted one are UNTOUCHED.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spml_core.annotations import (
    UNTOUCHED,
    Mark,
    Patch,
    Point,
    classes_of,
    mark_from_json,
    mark_to_json,
    with_classes,
)
from spml_core.errors import MarkError, ProjectError
from spml_core.project import history
from spml_core.project.class_table import LoadedClasses
from spml_core.project.database import Database
from spml_core.project.films import insert_frames
from spml_core.project.pictures import PictureRecord

_SHOWN = (
    "active = 1 AND id NOT IN (SELECT mark FROM mark_classes m"
    " WHERE class IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM mark_classes other"
    " WHERE other.mark = m.mark AND other.class NOT IN (SELECT value FROM json_each(?1))))"
)
"""Which rows of ``marks`` are shown, given the ids of the classes that are gone as a JSON list."""

_COUNT = (
    "SELECT (SELECT count(DISTINCT mark) FROM mark_classes WHERE class IN ({classes}))"
    " - (SELECT count(DISTINCT mark) FROM marks CROSS JOIN mark_classes ON mark = id"
    " WHERE active = 0 AND class IN ({classes}))"
)
"""How many marks speak of some classes; a patch that holds several of them counts once."""


@dataclass(frozen=True)
class PictureState:
    """How far a picture is: the number of its marks, and whether its whole prediction was accepted."""

    marks: int
    reviewed: bool


def change_marks(
    database: Database,
    pictures: Mapping[int, PictureRecord],
    classes: LoadedClasses,
    marks: Mapping[int, Sequence[Mark]],
    gone: Iterable[int],
    note: str,
) -> tuple[int, ...]:
    """Add some marks and take others away, as one action in one transaction. See ``Project.change_marks``."""
    rows = []
    marked: dict[int, PictureRecord] = {}
    for number, its_marks in marks.items():
        if number not in pictures:
            raise MarkError(
                f"There is no picture with id {number}.", "Use the ids of the project's pictures."
            )
        for mark in its_marks:
            marked[number] = pictures[number]
            used = classes_of(mark)
            _check(mark, used, pictures[number], len(classes.ids))
            payload = mark_to_json(with_classes(mark, {index: rank for rank, index in enumerate(used)}))
            rows.append((number, payload, mark.accepted if isinstance(mark, Patch) else "", used))
    doomed = sorted(set(gone))
    if not rows and not doomed:
        return ()
    added = []
    # Packing a large raster takes a while; the transaction only writes.
    with database.transaction():
        for key in doomed:
            if database.value("SELECT active FROM marks WHERE id = ?", (key,)) != 1:
                raise MarkError(f"There is no mark with id {key}.", "It may have been taken away already.")
        insert_frames(database, marked.values())
        event = history.new_action(database, "add" if rows else "remove", note)
        for key in doomed:
            database.execute("UPDATE marks SET active = 0 WHERE id = ?", (key,))
            database.execute("INSERT INTO mark_changes VALUES (?, ?, 0)", (event, key))
        for number, payload, accepted, used in rows:
            key = database.execute(
                "INSERT INTO marks (picture, payload, active, accepted) VALUES (?, ?, 1, ?)",
                (number, payload, accepted),
            )
            for rank, index in enumerate(used):
                database.execute("INSERT INTO mark_classes VALUES (?, ?, ?)", (key, rank, classes.ids[index]))
            database.execute("INSERT INTO mark_changes VALUES (?, ?, 1)", (event, key))
            added.append(key)
    return tuple(added)


def load_marks(
    database: Database, classes: LoadedClasses, picture: int, known: Mapping[int, Mark]
) -> dict[int, Mark]:
    """Return the shown marks of a picture by id, in the order they were made.

    ``known`` are some of them with these classes: a mark never changes, so they aren't read again.
    """
    with database.snapshot():
        shown = database.rows("SELECT id FROM marks WHERE picture = ? AND active = 1 ORDER BY id", (picture,))
        keys = [key for (key,) in shown]
        fresh = (json.dumps([key for key in keys if key not in known]),)
        some = "IN (SELECT value FROM json_each(?))"
        payloads = database.rows(f"SELECT id, payload FROM marks WHERE id {some}", fresh)
        spoken_of = database.rows(f"SELECT mark, rank, class FROM mark_classes WHERE mark {some}", fresh)
    ranks: dict[int, dict[int, int]] = {}
    for key, rank, number in spoken_of:
        ranks.setdefault(key, {})[rank] = classes.codes.get(number, UNTOUCHED)
    try:
        read = {
            key: with_classes(mark_from_json(payload), ranks.get(key, {}))
            for key, payload in payloads
            if key not in ranks or any(code != UNTOUCHED for code in ranks[key].values())
        }
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ProjectError(
            f"{database.path} is damaged: a mark of picture {picture} can't be read ({type(error).__name__}).",
            "Restore the project from a copy.",
        ) from error
    found = {**known, **read}
    return {key: found[key] for key in keys if key in found}


def states(database: Database, classes: LoadedClasses) -> dict[int, PictureState]:
    """Return how far each picture is that has a mark, by id."""
    reviewed = reviewed_pictures(database, classes)
    rows = database.rows(
        f"SELECT picture, count(*) FROM marks WHERE {_SHOWN} GROUP BY picture", _gone(classes)
    )
    return {
        number: PictureState(count, number in reviewed) for number, count in rows if isinstance(number, int)
    }


def marked_pictures(database: Database, classes: LoadedClasses) -> set[int]:
    """Ids of the pictures that have a mark."""
    rows = database.rows(f"SELECT DISTINCT picture FROM marks WHERE {_SHOWN}", _gone(classes))
    return {number for (number,) in rows if isinstance(number, int)}


def reviewed_pictures(database: Database, classes: LoadedClasses) -> set[int]:
    """Ids of the pictures whose whole prediction was accepted."""
    query = f"SELECT picture FROM marks WHERE accepted = 'picture' AND {_SHOWN}"
    return {number for (number,) in database.rows(query, _gone(classes)) if isinstance(number, int)}


def mark_counts(database: Database, classes: LoadedClasses, only: int | None = None) -> tuple[int, ...]:
    """How many marks speak of each class; with ``only``, the others' counts stay 0."""
    counts = [0] * len(classes.ids)
    members: dict[int, list[int]] = {}
    for number, code in classes.codes.items():
        if only is None or code == only:
            members.setdefault(code, []).append(number)
    for code, numbers in members.items():
        # Numbers of ours, written out: for a single one the index alone answers.
        counts[code] = database.value(_COUNT.format(classes=", ".join(map(str, numbers))))
    return tuple(counts)


def _gone(classes: LoadedClasses) -> tuple[str]:
    return (json.dumps(classes.gone),)


def _check(mark: Mark, used: Sequence[int], picture: PictureRecord, num_classes: int) -> None:
    if used and used[-1] >= num_classes:
        raise MarkError(
            f"A mark on {picture.name!r} has class index {used[-1]}; the project has {num_classes} classes.",
            "Add the class first.",
        )
    if isinstance(mark, Point):
        inside = -0.5 <= mark.y < picture.height and -0.5 <= mark.x < picture.width
        if not inside:
            raise MarkError(
                f"The point x = {mark.x:g}, y = {mark.y:g} lies outside {picture.name!r},"
                f" {picture.width} wide and {picture.height} high.",
                "Put it inside.",
            )
    if isinstance(mark, Patch):
        height, width = mark.labels.shape
        if mark.top + height > picture.height or mark.left + width > picture.width:
            raise MarkError(
                f"A patch of {height} x {width} pixels at ({mark.top}, {mark.left}) doesn't fit into"
                f" {picture.name!r}, {picture.height} x {picture.width}.",
                "Cut it to the picture.",
            )
