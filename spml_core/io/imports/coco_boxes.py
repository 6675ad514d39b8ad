"""Boxes from COCO JSON."""

from __future__ import annotations

from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.io.imports.box_check import OUTLINES_LEFT_OUT, checked_box
from spml_core.io.imports.coco_dataset import read_coco
from spml_core.io.imports.coco_masks import with_void_crowds
from spml_core.io.imports.pictures import MarksByPicture, Sizes
from spml_core.io.imports.warnings import ImportWarnings


def read_coco_boxes(
    path: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Boxes from a COCO data set; outlines aren't read, which is told. Crowds (iscrowd) are void.

    A category is the class of the same name. If no category has a class's name, a category's id is taken
    for a class index. Parameters, result and errors as for ``read_boxes``.
    """
    dataset = read_coco(path, pictures, warnings)
    class_of = dataset.class_of_categories(classes, warnings)
    marks: MarksByPicture = {}
    for annotation in dataset.annotations:
        if annotation.has_outline:
            warnings.add(OUTLINES_LEFT_OUT, f"{annotation.where} on {annotation.stem!r}")
        if annotation.bbox is None:
            warnings.add(
                "Annotations without a box were left out", f"{annotation.where} on {annotation.stem!r}"
            )
            continue
        left, top, width, height = annotation.bbox
        box = checked_box(
            annotation.where,
            class_of[annotation.category],
            (top, left, top + height, left + width),
            annotation.stem,
            pictures[annotation.stem],
            warnings,
        )
        if box is not None:
            marks.setdefault(annotation.stem, []).append(box)
    return with_void_crowds(marks, dataset, pictures)
