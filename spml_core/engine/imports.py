"""Marks from files into a project: every file is checked before the first mark is added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spml_core.annotations import Mark
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import read_masks, read_points, read_scribbles
from spml_core.project import Project

Reader = Callable[[Path | str, Mapping[str, tuple[int, int]], ClassTable], dict[str, list[Mark]]]


@dataclass(frozen=True)
class ImportSummary:
    """What an import brought.

    Attributes
    ----------
    pictures : int
        Pictures that got at least one mark.
    marks : dict of str to int
        Marks by kind: ``"scribbles"``, ``"points"`` and ``"masks"``, those that were asked for. The scribbles
        of a picture are one mark, and so is its mask.
    """

    pictures: int
    marks: dict[str, int]


def import_marks(
    project: Project,
    *,
    scribbles: Path | str | None = None,
    points: Path | str | None = None,
    masks: Path | str | None = None,
) -> ImportSummary:
    """Add the marks of all given files to a project, as one step of its history.

    Masks are added first: scribbles and points, which a person drew on purpose, lie over them.

    Parameters
    ----------
    project : Project
        Open for writing.
    scribbles : path, optional
        Folder of index PNGs, 255 where nobody drew.
    points : path, optional
        Table ``image,x,y,class``.
    masks : path, optional
        Folder of index PNGs, 255 for void.

    Raises
    ------
    MarkError
        If nothing is given or no pixel is marked, or a file doesn't fit the pictures. Nothing was added.
    ClassError
        If a file speaks of a class that the project doesn't have. Nothing was added.
    """
    sources: list[tuple[str, Path | str | None, Reader]] = [
        ("masks", masks, read_masks),
        ("scribbles", scribbles, read_scribbles),
        ("points", points, read_points),
    ]
    sizes = {record.name: (record.height, record.width) for record in project.pictures}
    read = {kind: reader(path, sizes, project.classes) for kind, path, reader in sources if path is not None}
    if not read:
        raise MarkError("There is nothing to import.", "Give scribbles, points or masks.")
    for kind, path, _ in sources:
        if kind in read and not read[kind]:
            raise MarkError(f"{path} holds no marked pixel.", "Draw something, or leave it out.")

    ids = {record.name: record.id for record in project.pictures}
    together: dict[int, list[Mark]] = {}
    for marks_by_picture in read.values():
        for name, marks in marks_by_picture.items():
            together.setdefault(ids[name], []).extend(marks)
    project.add_marks(together, f"Import {_listed(list(read))}")
    return ImportSummary(
        pictures=len(together),
        marks={kind: sum(map(len, marks.values())) for kind, marks in read.items()},
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
