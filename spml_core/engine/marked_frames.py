"""The frames of a film whose marks can be propagated. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from spml_core.annotations import Mark, classes_of, with_classes
from spml_core.annotations.codec import mark_to_json
from spml_core.annotations.sufficiency import told_classes, what_is_lacking
from spml_core.errors import ProjectError
from spml_core.project import FilmRecord, Project


@dataclass(frozen=True)
class MarkedFrame:
    """A frame whose marks say where at least one class is.

    Attributes
    ----------
    index : int
    marks : tuple of Mark
        All of its marks, in the order they were made, with today's class indexes.
    classes : frozenset of int
        Classes they tell a place of.
    digest : str
        Differs when the frame or its marks do, but not with the order or names of the classes.
    """

    index: int
    marks: tuple[Mark, ...]
    classes: frozenset[int]
    digest: str


def read_marked_frames(project: Project, film: FilmRecord) -> tuple[MarkedFrame, ...]:
    """Return the frames whose marks say something, ascending.

    Tags name no place, and of what was painted only what is left under later marks and erasures counts.
    """
    found = []
    for index in project.marked_frames(film):
        record = project.frame(film, index)
        marks = tuple(project.marks(record.id).values())
        classes = told_classes(marks, (film.height, film.width), len(project.classes))
        if classes:
            found.append(MarkedFrame(index, marks, classes, _digest(index, marks, project.class_ids)))
    return tuple(found)


def check_marks(marked: Sequence[MarkedFrame], film: FilmRecord, class_names: Sequence[str]) -> None:
    """See whether a film's marks are enough: two classes at least, as for training.

    Raises
    ------
    ProjectError
        If nothing is marked, or only one class is.
    """
    if not marked:
        raise ProjectError(
            f"No frame of the film {film.name!r} is marked.",
            "Mark at least two classes on one of its frames with scribbles, points or a box.",
        )
    painted = {index for frame in marked for index in frame.classes}
    lacking, remedy = what_is_lacking(painted, (), class_names)
    if lacking:
        raise ProjectError(f"Film {film.name!r}: {lacking}", remedy)


def _digest(index: int, marks: Sequence[Mark], ids: Sequence[int]) -> str:
    """Counts classes by their rank among those that the marks speak of, as they never change their ids."""
    spoken = sorted({ids[code] for mark in marks for code in classes_of(mark)})
    rank = {code: spoken.index(number) for code, number in enumerate(ids) if number in spoken}
    hasher = blake2b(f"{index} {spoken}".encode(), digest_size=16)
    for mark in marks:
        hasher.update(b"\n" + mark_to_json(with_classes(mark, rank)).encode())
    return hasher.hexdigest()
