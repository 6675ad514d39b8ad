"""Masks from the outlines of YOLO's text files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spml_core.annotations import UNTOUCHED, Patch
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.pictures import MarksByPicture, Sizes
from spml_core.io.imports.polygons import polygon_patch
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.yolo_labels import read_yolo


def read_yolo_masks(
    paths: Sequence[Path], source: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Full masks of the pictures that have a text file: what no outline covers is background, class 0.

    So an empty file is a picture of nothing else. Where outlines overlap, the later line counts; a box among them is
    void, as only a part of it is its object.

    Parameters
    ----------
    paths : sequence of Path
        The text files. See ``read_yolo``.
    source : Path
        The file or folder that the user gave.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings

    Returns
    -------
    dict
        For each picture one patch as large as it is.

    Raises
    ------
    MarkError
        If the files hold boxes, but no outlines; and as for ``read_yolo``.
    ClassError
        As for ``read_yolo``.
    """
    labels = read_yolo(paths, source, pictures, classes, warnings, outlines=True)
    drawn = [shape for shapes in labels.shapes.values() for shape in shapes]
    if drawn and not any(shape.outline for shape in drawn):
        raise MarkError(
            f"{source} holds boxes, no outlines: {drawn[0].line.where} is the first.", "Import it as boxes."
        )
    marks: MarksByPicture = {}
    for stem, shapes in labels.shapes.items():
        height, width = pictures[stem]
        mask = np.zeros((height, width), np.uint8)
        for shape in sorted(shapes, key=lambda shape: bool(shape.outline)):
            code, outline = labels.class_of[shape.line.number], shape.outline
            if not outline:
                top, left, bottom, right = shape.edges
                code, outline = IGNORE, ((left, top), (right, top), (right, bottom), (left, bottom))
                case = f"{shape.line.where} on {stem!r}"
                warnings.add("Boxes among outlines are void: only a part of each is its object", case)
            patch = polygon_patch(code, [(y * height, x * width) for x, y in outline], (height, width))
            if patch is None:
                case = f"{shape.line.where} on {stem!r}"
                warnings.add("Outlines that enclose no pixel of their picture were left out", case)
                continue
            part = mask[patch.top :, patch.left :][: patch.labels.shape[0], : patch.labels.shape[1]]
            np.copyto(part, patch.labels, where=patch.labels != UNTOUCHED)
        marks[stem] = [Patch(0, 0, mask)]
    return marks
