"""Boxes from COCO JSON."""

from __future__ import annotations

from pathlib import Path

from spml_core.classes import IGNORE, ClassTable
from spml_core.io.imports.box_check import checked_box
from spml_core.io.imports.coco_dataset import read_coco
from spml_core.io.imports.coco_masks import region_patches
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
    for crowd in dataset.crowds:
        warnings.add("Crowds (iscrowd) are void", f"{crowd.where} on {crowd.stem!r}")
        void = region_patches(crowd, IGNORE, pictures[crowd.stem])
        if void:
            marks.setdefault(crowd.stem, []).extend(void)
    for annotation in dataset.annotations:
        if annotation.has_outline:
            warnings.add(
                "Outlines were left out, as boxes were asked for; import the file as masks to have them",
                f"{annotation.where} on {annotation.stem!r}",
            )
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
    return marks
