"""Boxes from YOLO's text files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
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
from spml_core.io.imports.yolo_names import find_names

_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt")
"""Text files beside the labels: the classes' names, lists of pictures."""


def read_yolo_boxes(
    paths: Sequence[Path], source: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Boxes from YOLO's text files, one for each picture.

    Each line holds a class number and a box, ``3 0.5 0.5 0.2 0.1``: the x and y of its centre, its width and
    its height, as shares of the picture's. A sixth number, a score, is left out. Of a polygon (a class number
    and three or more pairs of x and y) the box around it is taken.

    Class numbers follow ``names`` in ``data.yaml``, or the lines of ``classes.txt`` or ``obj.names``, in the
    folder, one of its subfolders or the folder above. Without such a file, or if no name in it is a class,
    they count the project's classes other than the background.

    Parameters
    ----------
    paths : sequence of Path
        The text files; lists of names or pictures among them are left out.
    source : Path
        The file or folder that the user gave.
    pictures, classes, warnings
        As for ``read_boxes``; result and errors too.
    """
    class_of = _class_of_numbers(source, classes, warnings)
    marks: MarksByPicture = {}
    labels = [
        path
        for path in paths
        if path.name.lower() not in _NO_LABELS or is_named_after_picture(path, pictures, source)
    ]
    stems = pictures_of_files([Said(path) for path in labels], source, pictures, warnings)
    for path, stem in zip(labels, stems, strict=True):
        if stem is None:
            continue
        for line, text in enumerate(read_bytes(path).decode("utf-8-sig", errors="replace").splitlines(), 1):
            if not text.strip():
                continue
            where = f"{path}, line {line}"
            number, edges = _parse(where, text.split(), pictures[stem])
            if number not in class_of:
                listed = ", ".join(f"{i} {classes.names[code]}" for i, code in sorted(class_of.items()))
                raise ClassError(
                    f"{where} has the class number {number}, which is no class.",
                    f"The class numbers are: {listed or 'none'}.",
                )
            box = checked_box(where, class_of[number], edges, stem, pictures[stem], warnings)
            if box is not None:
                marks.setdefault(stem, []).append(box)
    return marks


def _parse(
    where: str, words: list[str], size: tuple[int, int]
) -> tuple[int, tuple[float, float, float, float]]:
    """Class number, and top, left, bottom and right in pixels."""
    try:
        number, shares = int(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        number, shares = -1, []
    polygon = len(shares) >= 6 and len(shares) % 2 == 0
    if number < 0 or not (polygon or len(shares) in (4, 5)) or not all(map(math.isfinite, shares)):
        raise MarkError(
            f"{where} holds {' '.join(words)[:60]!r}, no class number and box.",
            "Write it as 3 0.5 0.5 0.2 0.1: class, centre x and y, width, height.",
        )
    if polygon:
        left, top, right, bottom = (
            min(shares[::2]),
            min(shares[1::2]),
            max(shares[::2]),
            max(shares[1::2]),
        )
    else:
        x, y, width, height = shares[:4]
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return number, (top * size[0], left * size[1], bottom * size[0], right * size[1])


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
