"""What kind of marks a file or folder holds, so that nobody has to say. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spml_core.classes import IGNORE
from spml_core.engine.imports import ImportSummary, import_marks
from spml_core.errors import MarkError
from spml_core.io import read_index_png
from spml_core.io.imports.coco_dataset import CocoAnnotation
from spml_core.io.imports.files import find_files, read_bytes, read_json_object
from spml_core.io.imports.index_pngs import masks_among
from spml_core.io.imports.yolo_labels import holds_outlines
from spml_core.io.tables import decoded, delimiter_and_columns
from spml_core.project import Project

KINDS: Mapping[str, str] = {
    "scribbles": "scribbles",
    "points": "points",
    "masks": "masks",
    "tags": "tags",
    "boxes": "boxes",
    "key_points": "key points",
    "clicks": "points",
    "labelme": "labelme shapes",
}
"""Kinds of marks as ``import_marks`` calls them, and in words."""

_HEAD = 2**16
_LOOKED_AT = 5
# Data sets often hold pictures and lists of them beside the marks: the surer sign comes first.
_SUFFIXES = (".json", ".xml", ".png", ".txt", ".csv")
_REMEDY = (
    "Choose a table (image,class for tags; image,x,y,class for points), COCO or labelme JSON, or a folder of"
    " Pascal VOC XML, YOLO text, ScribbleSup XML or index PNG files."
)


def options_for(path: Path) -> dict[str, Any]:
    """Find out which options ``import_marks`` needs to read a file or folder: its kind, by suffix and content.

    Index PNGs are taken for scribbles where most of their pixels are unmarked (255), else for masks. In a data set of
    YOLO's or COCO's, PNGs in a folder called images are the pictures, and outlines are masks.

    Raises
    ------
    MarkError
        If it can't be read, or holds nothing that looks like marks.
    """
    if not path.is_dir():
        return _options_for_file(path, path)
    found = find_files(path, _SUFFIXES, "marks")
    for suffix in _SUFFIXES:
        same = [file for file in found if file.suffix.lower() == suffix]
        if suffix == ".json" and any(file.suffix.lower() in (".xml", ".txt") for file in found):
            same = [file for file in same if _is_of_marks(file)]
        if suffix == ".png" and any(file.suffix.lower() == ".txt" for file in found):
            same = masks_among(same, path)
        if same:
            return _options_for_folder(path, suffix, same)
    raise MarkError(f"There is nothing in {path} that looks like marks.", _REMEDY)


def import_any(project: Project, path: Path) -> tuple[str, ImportSummary]:
    """Import the marks of a file or folder of any known kind; the kind in words, and what came of it.

    May run beside the window's thread: of the window's project only ``add_marks`` is called.

    Raises
    ------
    MarkError, ClassError
        As for ``import_marks``. Nothing was added.
    """
    options = options_for(path)
    with _Reader.open(project.path, write=False) as reader:
        summary = import_marks(reader, **options)
    project.add_marks(*reader.added)
    kind = next(name for name in options if name in KINDS)
    return KINDS[kind], summary


class _Reader(Project):
    """A project open for reading that only remembers what shall be added to it."""

    added: tuple[Mapping[int, Any], str] = ({}, "")

    def add_marks(self, marks: Mapping[int, Any], note: str) -> tuple[int, ...]:
        """Remember marks, and the note."""
        self.added = (marks, note)
        return ()


def _options_for_folder(folder: Path, suffix: str, files: list[Path]) -> dict[str, Any]:
    if suffix == ".png":
        return {_kind_of_pngs(files): folder}
    if suffix == ".csv" and len(files) > 1:
        raise MarkError(f"{folder} holds {len(files)} tables.", "Choose one of them.")
    return _options_for_file(files[0], folder)


def _options_for_file(file: Path, given: Path) -> dict[str, Any]:
    """Options for what was given: the file, or the folder that is full of such files."""
    suffix = file.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return {_kind_of_table(file): file}
    if suffix == ".json":
        return _options_for_json(file, given)
    if suffix == ".txt":
        files = find_files(given, (".txt",), "marks") if given.is_dir() else [file]
        return {"masks" if holds_outlines(files, given) else "boxes": given}
    if suffix == ".xml" and b"<object" in read_bytes(file):
        return {"boxes": given}
    if suffix == ".xml" and given.is_dir():
        return {"scribbles": given}
    if suffix in (".xml", ".png"):
        raise MarkError(f"{file} is one of a folder of such files.", "Choose the folder.")
    raise MarkError(f"{file} doesn't look like marks.", _REMEDY)


def _is_of_marks(file: Path) -> bool:
    """Whether a JSON file beside others holds marks, and not what a program noted."""
    try:
        return not {"shapes", "annotations"}.isdisjoint(read_json_object(file))
    except MarkError:
        return False


def _kind_of_table(path: Path) -> str:
    text = decoded(read_bytes(path)[:_HEAD])
    _, names = delimiter_and_columns(text)
    if not {"x", "y"} <= set(names):
        return "tags"
    return "key_points" if {"size", "instance"} & set(names) else "points"


def _options_for_json(file: Path, given: Path) -> dict[str, Any]:
    content = read_json_object(file)
    if "shapes" in content:
        return {"labelme": given}
    if "annotations" not in content:
        return {"clicks": file}
    annotations = [entry for entry in _entries(content["annotations"]) if isinstance(entry, dict)]
    if any("dp_masks" in entry for entry in annotations):
        return {"key_points": file, "densepose": True}
    if any(entry.get("keypoints") for entry in annotations):
        return {"key_points": file}
    outlined = [CocoAnnotation(str(file), "", 0, entry).has_outline for entry in annotations]
    return {"masks" if any(outlined) else "boxes": file}


def _entries(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _kind_of_pngs(files: list[Path]) -> str:
    unmarked = [np.mean(read_index_png(file) == IGNORE) for file in files[:_LOOKED_AT]]
    return "scribbles" if np.mean(unmarked) > 0.5 else "masks"
