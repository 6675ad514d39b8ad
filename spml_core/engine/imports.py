"""Marks from files into a project: every file is checked before the first mark is added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Mark, Tag, classes_of, rasterize, tag_vector
from spml_core.errors import MarkError
from spml_core.io.imports import (
    ImportWarnings,
    Reader,
    key_point_reader,
    labelme_reader,
    read_boxes,
    read_clicks,
    read_masks,
    read_points,
    read_scribbles,
    tag_reader,
)
from spml_core.project import PictureRecord, Project


@dataclass(frozen=True)
class ImportSummary:
    """What an import brought.

    Attributes
    ----------
    pictures : int
        Pictures that got at least one mark.
    marks : dict of str to int
        Marks by kind: ``"masks"``, ``"labelme"``, ``"scribbles"``, ``"points"``, ``"clicks"``, ``"boxes"``,
        ``"key_points"`` and ``"tags"``, those that were asked for. A picture's mask is one mark, and so are
        all scribbles of an index PNG.
    warnings : tuple of str
        What was left out or changed, or contradicts itself.
    """

    pictures: int
    marks: dict[str, int]
    warnings: tuple[str, ...] = ()


def import_marks(
    project: Project,
    *,
    scribbles: Path | str | None = None,
    points: Path | str | None = None,
    masks: Path | str | None = None,
    tags: Path | str | None = None,
    boxes: Path | str | None = None,
    key_points: Path | str | None = None,
    clicks: Path | str | None = None,
    labelme: Path | str | None = None,
    complete_tags: bool = True,
    densepose: bool = False,
) -> ImportSummary:
    """Add the marks of all given files to a project, as one step of its history.

    Masks are added first, then what labelme drew: scribbles and points, which a person drew on purpose, lie
    over them. Frames of films are marked like pictures; a file or table calls them by name, as FILM/NUMBER, or in a
    sequence as FILM/STEM or by a stem that no other film has.

    Parameters
    ----------
    project : Project
        Open for writing.
    scribbles : path, optional
        Folder of index PNGs, 255 where nobody drew, or of ScribbleSup XML files, or of both.
    points : path, optional
        Table ``image,x,y,class``.
    masks : path, optional
        Folder of index PNGs, 255 for void.
    tags : path, optional
        Table ``image,class``.
    boxes : path, optional
        COCO JSON file, or Pascal VOC XML or YOLO text files in a folder.
    key_points : path, optional
        COCO JSON file, or table ``image,x,y,class`` with ``size`` or ``instance``.
    clicks : path, optional
        JSON file as of What's the Point.
    labelme : path, optional
        labelme's JSON file, or folder of such files.
    complete_tags : bool
        Whether the tags of a picture are all the classes it holds, background (class 0) aside.
    densepose : bool
        Whether the key points are the centres of DensePose-COCO's body parts.

    Raises
    ------
    MarkError
        If nothing is given or nothing is marked, or a file doesn't fit the pictures. Nothing was added.
    ClassError
        If a file speaks of a class that the project doesn't have. Nothing was added.
    """
    sources: list[tuple[str, Path | str | None, Reader]] = [
        ("masks", masks, read_masks),
        ("labelme", labelme, labelme_reader(complete_tags)),
        ("scribbles", scribbles, read_scribbles),
        ("points", points, read_points),
        ("clicks", clicks, read_clicks),
        ("boxes", boxes, read_boxes),
        ("key_points", key_points, key_point_reader(densepose)),
        ("tags", tags, tag_reader(complete_tags)),
    ]
    names = project.picture_names
    warnings = ImportWarnings()
    read = {
        kind: reader(path, names, project.classes, warnings)
        for kind, path, reader in sources
        if path is not None
    }
    if not read:
        raise MarkError("There is nothing to import.", f"Give {_listed([kind for kind, _, _ in sources])}.")
    for kind, path, _ in sources:
        if kind in read and not read[kind]:
            what = "marked pixel" if kind in ("scribbles", "masks") else "mark on a picture of the project"
            raise MarkError(
                " ".join([f"{path} holds no {what}.", *warnings.lines]), "Draw something, or leave it out."
            )

    together: dict[str, list[Mark]] = {}
    for marks_by_picture in read.values():
        for name, marks in marks_by_picture.items():
            together.setdefault(name, []).extend(marks)
    records = _records(project, together)
    _warn_of_contradictions(project, records, together, warnings)
    project.add_marks(
        {records[name].id: marks for name, marks in together.items()}, f"Import {_listed(read)}"
    )
    return ImportSummary(
        pictures=len(together),
        marks={kind: _count(kind, marks) for kind, marks in read.items()},
        warnings=warnings.lines,
    )


def _count(kind: str, marks: Mapping[str, Sequence[Mark]]) -> int:
    """Marks of the kind; what comes with boxes and key points, such as void for a crowd, isn't one of them."""
    wanted = {"boxes": Box, "key_points": KeyPoint}.get(kind, object)
    return sum(isinstance(mark, wanted) for its_marks in marks.values() for mark in its_marks)


def _records(project: Project, names: Iterable[str]) -> dict[str, PictureRecord]:
    stills = {record.name: record for record in project.pictures}
    return {name: stills.get(name) or project.picture(name) for name in names}


def _warn_of_contradictions(
    project: Project,
    records: Mapping[str, PictureRecord],
    added: Mapping[str, Sequence[Mark]],
    warnings: ImportWarnings,
) -> None:
    """Warn of pictures whose complete list of tags lacks a class that is painted, boxed or has a key point there."""
    marked = {record.id for record in project.marked_pictures()}
    for name, new in added.items():
        record = records[name]
        marks = [*(project.marks(record.id).values() if record.id in marked else ()), *new]
        coarse = CoarseMarks.of(marks)
        if not coarse.complete:
            continue
        placed = [mark for mark in marks if not isinstance(mark, Tag)]
        suspects = {code for mark in placed for code in classes_of(mark)} - {0, *coarse.tags}
        if suspects:  # what was erased or painted over is none
            count = len(project.classes)
            labels = rasterize(placed, (record.height, record.width), count)
            there = tag_vector(placed, labels, count)
            for code in sorted(code for code in suspects if there[code]):
                warnings.add(
                    "Tags said to be complete lack a class that is marked in the picture; the marks count",
                    f"{project.classes.names[code]!r} on {name!r}",
                )


def _listed(kinds: Sequence[str] | Mapping[str, object]) -> str:
    words = [kind.replace("_", " ") for kind in kinds]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
