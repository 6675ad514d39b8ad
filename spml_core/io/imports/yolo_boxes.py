"""Boxes from YOLO's text files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spml_core.annotations import Tag
from spml_core.classes import ClassTable
from spml_core.io.imports.box_check import OUTLINES_LEFT_OUT, checked_box
from spml_core.io.imports.pictures import MarksByPicture, Sizes
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.yolo_labels import read_yolo


def read_yolo_boxes(
    paths: Sequence[Path], source: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Boxes from YOLO's text files, one for each picture.

    Each line holds a class number and a box, ``3 0.5 0.5 0.2 0.1``: the x and y of its centre, its width and
    its height, as shares of the picture's. A score, a track number and key points behind it are left out. Of an
    outline or an oriented box (a class number and three or more pairs of x and y) the box around it is taken.
    See ``read_shapes`` for how they are told apart, and ``read_yolo`` for classes.

    An empty file says that nothing is in its picture: that is a complete list of tags without any class but the
    background.

    Parameters
    ----------
    paths : sequence of Path
        The text files; lists of names or pictures and other texts among them are left out.
    source : Path
        The file or folder that the user gave.
    pictures, classes, warnings
        As for ``read_boxes``; result and errors too.
    """
    labels = read_yolo(paths, source, pictures, classes, warnings)
    marks: MarksByPicture = {}
    for stem, shapes in labels.shapes.items():
        if not shapes:
            marks[stem] = [Tag(0, complete=True)]
        height, width = pictures[stem]
        for shape in shapes:
            top, left, bottom, right = shape.edges
            edges = top * height, left * width, bottom * height, right * width
            code = labels.class_of[shape.line.number]
            box = checked_box(shape.line.where, code, edges, stem, (height, width), warnings)
            if box is not None:
                marks.setdefault(stem, []).append(box)
                if not shape.is_box:
                    warnings.add(OUTLINES_LEFT_OUT, f"{shape.line.where} on {stem!r}")
    return marks
