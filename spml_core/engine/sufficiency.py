"""Whether a project's marks are enough to learn from. Needs no torch: the window asks after every mark."""

from __future__ import annotations

from collections.abc import Iterable

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Mark, Tag, classes_of
from spml_core.annotations.sufficiency import enough_to_learn, what_is_lacking
from spml_core.project import Project


def what_marks_lack(project: Project, first: int | None = None) -> tuple[str, str]:
    """Say why a project's marks aren't enough to learn from: what is wrong, and what to do.

    Parameters
    ----------
    project : Project
    first : int, optional
        Id of the picture to look at first: likely the one that was just marked.

    Returns
    -------
    tuple of str
        Both empty if they are enough.

    Raises
    ------
    ProjectError
        If the project's database can't be read.
    """
    painted: set[int] = set()
    # Pictures often have the same marks, and then teach no more than one of them.
    coarse: set[CoarseMarks] = set()
    for record in sorted(project.marked_pictures(), key=lambda record: record.id != first):
        marks = project.marks(record.id).values()
        before = len(painted), len(coarse)
        painted |= _painted(marks)
        coarse.add(_without_places(CoarseMarks.of(marks)))
        if before != (len(painted), len(coarse)) and enough_to_learn(painted, coarse):
            return "", ""
    return what_is_lacking(painted, coarse, project.classes.names)


def _painted(marks: Iterable[Mark]) -> set[int]:
    """Classes of scribbles, points and patches."""
    kinds = (Box, KeyPoint, Tag)
    return {index for mark in marks if not isinstance(mark, kinds) for index in classes_of(mark)}


def _without_places(marks: CoarseMarks) -> CoarseMarks:
    """The same classes, each marked at most once and all at one place."""
    return CoarseMarks(
        tuple(Box(index, 0, 0, 1, 1) for index in sorted({box.class_index for box in marks.boxes})),
        tuple(
            KeyPoint(index, 0, 0, 1) for index in sorted({point.class_index for point in marks.key_points})
        ),
        marks.tags,
        marks.complete,
    )
