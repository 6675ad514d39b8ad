"""Boxes from YOLO's text files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from spml_core.annotations import Tag
from spml_core.classes import ClassTable
from spml_core.errors import ClassError
from spml_core.io.imports.box_check import checked_box
from spml_core.io.imports.class_words import find_class, warn_of_one_class
from spml_core.io.imports.files import read_bytes
from spml_core.io.imports.pictures import (
    MarksByPicture,
    Said,
    Sizes,
    is_named_after_picture,
    pictures_of_files,
)
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.yolo_lines import YoloLine, boxes_of, is_label
from spml_core.io.imports.yolo_names import find_names, key_points_of_a_pose

_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt")
"""Text files beside the labels: the classes' names, lists of pictures."""


def read_yolo_boxes(
    paths: Sequence[Path], source: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Boxes from YOLO's text files, one for each picture.

    Each line holds a class number and a box, ``3 0.5 0.5 0.2 0.1``: the x and y of its centre, its width and
    its height, as shares of the picture's. What else lines may hold, and how it is told, ``boxes_of`` says. An empty
    file says that no object is in its picture: the picture gets a complete list of tags, the background alone.

    Class numbers follow ``names`` in ``data.yaml``, or the lines of ``classes.txt`` or ``obj.names``, in the
    folder, one of its subfolders or the folder above. Without such a file, or if no name in it is a class,
    they count the project's classes other than the background.

    Parameters
    ----------
    paths : sequence of Path
        The text files; lists of names or pictures and other texts among them are left out.
    source : Path
        The file or folder that the user gave.
    pictures, classes, warnings
        As for ``read_boxes``; result and errors too.
    """
    class_of = _class_of_numbers(source, classes, warnings)
    marks: MarksByPicture = {}
    lines: list[YoloLine] = []
    stem_of_line: list[str] = []
    for stem, path, texts in _labels(paths, source, pictures, warnings):
        if not texts:
            marks[stem] = [Tag(0, complete=True)]
        for number, text in texts:
            lines.append(YoloLine.parsed(f"{path}, line {number}", text))
            stem_of_line.append(stem)
    edges = boxes_of(lines, key_points_of_a_pose(source), warnings)
    for line, stem, (left, top, right, bottom) in zip(lines, stem_of_line, edges, strict=True):
        if line.number not in class_of:
            listed = ", ".join(f"{i} {classes.names[code]}" for i, code in sorted(class_of.items()))
            raise ClassError(
                f"{line.where} has the class number {line.number}, which is no class.",
                f"The class numbers are: {listed or 'none'}.",
            )
        height, width = pictures[stem]
        place = top * height, left * width, bottom * height, right * width
        box = checked_box(line.where, class_of[line.number], place, stem, pictures[stem], warnings)
        if box is not None:
            marks.setdefault(stem, []).append(box)
    return marks


def _labels(
    paths: Sequence[Path], source: Path, pictures: Sizes, warnings: ImportWarnings
) -> Iterator[tuple[str, Path, list[tuple[int, str]]]]:
    """The picture, path, and numbered lines that aren't blank, of every label file."""
    texts: dict[Path, list[tuple[int, str]]] = {}
    for path in paths:
        named = is_named_after_picture(path, pictures, source)
        if path.name.lower() in _NO_LABELS and not named:
            continue
        lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
        kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        if named or not kept or is_label(kept[0][1]):
            texts[path] = kept
        else:
            warnings.add("Text files that hold no labels were left out", str(path))
    stems = pictures_of_files([Said(path) for path in texts], source, pictures, warnings)
    for path, stem in zip(texts, stems, strict=True):
        if stem is not None:
            yield stem, path, texts[path]


def _class_of_numbers(source: Path, classes: ClassTable, warnings: ImportWarnings) -> dict[int, int]:
    found = find_names(source)
    if found is not None:
        path, names = found
        codes = {i: find_class(str(path), name, classes) for i, name in names.items()}
        known = {i: code for i, code in codes.items() if code is not None}
        if known:
            warn_of_one_class(str(path), {names[i]: code for i, code in known.items()}, classes, warnings)
            return known
        reason = f"no name in {path} is a class"
    else:
        reason = f"there is no data.yaml, classes.txt or obj.names at {source}"
    # As our own export numbers them: trainers of detectors know no background.
    objects = [code for code, name in enumerate(classes.names) if name.strip().lower() != "background"]
    warnings.add(
        "Class numbers were counted through the project's classes, the background left out",
        f"{reason}; 0 is {classes.names[objects[0]]!r}" if objects else reason,
    )
    return dict(enumerate(objects))
