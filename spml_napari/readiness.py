"""What is still needed before a training can start, in words. No Qt."""

from __future__ import annotations

from spml_core.engine.sufficiency import what_marks_lack
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
    problem, remedy = what_marks_lack(project, shown)
    return f"{problem} {remedy}".strip()
