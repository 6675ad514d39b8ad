"""What is still needed before a training can start, in words. No Qt."""

from __future__ import annotations

from spml_core.annotations import Box, Tag, classes_of
from spml_core.project import Project


def what_is_missing(project: Project | None, shown: int | None = None) -> str:
    """Say what has to be done before Start is possible; empty if nothing has.

    Parameters
    ----------
    project : Project or None
    shown : int, optional
        Id of the picture to look at first: likely the one that was just marked.

    Raises
    ------
    ProjectError
        If the project's database can't be read.
    """
    if project is None:
        return "Open or make a project first."
    if not project.writable:
        return "This project is open for reading only, so it can't be trained."
    # Counting is cheap, but it counts boxes and tags, too, which don't say of any one pixel what it is.
    if sum(count > 0 for count in project.mark_counts()) >= 2:
        painted = _painted(project, shown)
    else:
        painted = {index for index, count in enumerate(project.mark_counts()) if count}
    if len(painted) >= 2:
        return ""
    if not painted:
        return "Mark at least two classes with scribbles or points: so far nothing is marked."
    name = project.classes.names[painted.pop()]
    return f"Mark at least two classes with scribbles or points: so far only “{name}” is marked."


def _painted(project: Project, shown: int | None) -> set[int]:
    """Classes that have scribbles, points or patches; looks no further than two."""
    found: set[int] = set()
    pictures = sorted(project.marked_pictures(), key=lambda record: record.id != shown)
    for record in pictures:
        for mark in project.marks(record.id).values():
            if not isinstance(mark, Box | Tag):
                found.update(classes_of(mark))
            if len(found) >= 2:
                return found
    return found
