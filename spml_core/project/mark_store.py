"""Marks in the database: added and taken away through the history, read back with today's class indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from spml_core.annotations import Mark, Patch, Point, classes_of, mark_from_json, mark_to_json, with_classes
from spml_core.errors import MarkError
from spml_core.project import history
from spml_core.project.class_table import class_ids
from spml_core.project.database import Database
from spml_core.project.pictures import PictureRecord


def add_marks(
    database: Database,
    pictures: Mapping[int, PictureRecord],
    marks: Mapping[int, Sequence[Mark]],
    note: str,
) -> tuple[int, ...]:
    """Add marks as one action in one transaction; their ids in order. See ``Project.add_marks``."""
    if not any(marks.values()):
        return ()
    ids = class_ids(database)
    for number, its_marks in marks.items():
        if number not in pictures:
            raise MarkError(
                f"There is no picture with id {number}.", "Use the ids of the project's pictures."
            )
        for mark in its_marks:
            _check(mark, pictures[number], len(ids))
    added = []
    with database.transaction():
        event = history.new_action(database, "add", note)
        for number, its_marks in marks.items():
            for mark in its_marks:
                used = classes_of(mark)
                ranked = with_classes(mark, {index: rank for rank, index in enumerate(used)})
                key = database.execute(
                    "INSERT INTO marks (picture, payload, active) VALUES (?, ?, 1)",
                    (number, mark_to_json(ranked)),
                )
                for rank, index in enumerate(used):
                    database.execute("INSERT INTO mark_classes VALUES (?, ?, ?)", (key, rank, ids[index]))
                database.execute("INSERT INTO mark_changes VALUES (?, ?, 1)", (event, key))
                added.append(key)
    return tuple(added)


def remove_marks(database: Database, keys: Iterable[int], note: str) -> None:
    """Take marks away as one action in one transaction. See ``Project.remove_marks``."""
    wanted = sorted(set(keys))
    if not wanted:
        return
    with database.transaction():
        for key in wanted:
            if database.value("SELECT active FROM marks WHERE id = ?", (key,)) != 1:
                raise MarkError(f"There is no mark with id {key}.", "It may have been taken away already.")
        event = history.new_action(database, "remove", note)
        for key in wanted:
            database.execute("UPDATE marks SET active = 0 WHERE id = ?", (key,))
            database.execute("INSERT INTO mark_changes VALUES (?, ?, 0)", (event, key))


def load_marks(database: Database, picture: int) -> dict[int, Mark]:
    """Return marks of a picture by id, in the order they were made."""
    index_of = {number: index for index, number in enumerate(class_ids(database))}
    classes: dict[int, dict[int, int]] = {}
    for key, rank, number in database.rows(
        "SELECT mark, rank, class FROM mark_classes JOIN marks ON id = mark WHERE picture = ? AND active = 1",
        (picture,),
    ):
        classes.setdefault(key, {})[rank] = index_of[number]
    return {
        key: with_classes(mark_from_json(payload), classes.get(key, {}))
        for key, payload in database.rows(
            "SELECT id, payload FROM marks WHERE picture = ? AND active = 1 ORDER BY id", (picture,)
        )
    }


def marked_pictures(database: Database) -> set[int]:
    """Ids of the pictures that have a mark."""
    return {number for (number,) in database.rows("SELECT DISTINCT picture FROM marks WHERE active = 1")}


def mark_counts(database: Database) -> tuple[int, ...]:
    """How many marks speak of each class."""
    counts = dict(
        database.rows(
            "SELECT class, count(*) FROM mark_classes JOIN marks ON id = mark WHERE active = 1 GROUP BY class"
        )
    )
    return tuple(counts.get(number, 0) for number in class_ids(database))


def _check(mark: Mark, picture: PictureRecord, num_classes: int) -> None:
    used = classes_of(mark)
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
