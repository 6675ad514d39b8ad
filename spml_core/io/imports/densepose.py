"""Body parts from DensePose-COCO: a key point at the centre of each visible part (METHODS.md 1.10.5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import KeyPoint
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.coco_dataset import CocoAnnotation, read_coco
from spml_core.io.imports.coco_key_points import NO_SIZE, instance_size
from spml_core.io.imports.coco_masks import with_void_crowds
from spml_core.io.imports.json_values import list_of
from spml_core.io.imports.pictures import MarksByPicture, Sizes, is_inside
from spml_core.io.imports.run_lengths import run_length_mask
from spml_core.io.imports.warnings import ImportWarnings


def read_densepose_parts(
    path: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Key points at the centres of the parts that DensePose-COCO's annotations mask.

    ``dp_masks`` holds a mask for each of 14 parts, stretched over the person's ``bbox``, as run lengths; part
    1 to 14 is the class of that index. The centre is the part's pixel nearest to its mean place. The size of
    a person is as for ``read_coco_key_points``; parameters, result and errors too.

    Annotations without ``dp_masks`` are left out without a word: of COCO's people few have them.
    """
    marks: MarksByPicture = {}
    dataset = read_coco(path, pictures, warnings)
    for annotation in dataset.annotations:
        for part, mask in enumerate(list_of(annotation.where, annotation.fields, "dp_masks"), 1):
            if not mask:
                continue
            where = f"{annotation.where}, part {part}"
            if part >= len(classes):
                raise ClassError(
                    f"{where} would be class {part}; the project has {len(classes)} classes.",
                    "Make a project with the background and DensePose's 14 parts as classes.",
                )
            if annotation.bbox is None:
                raise MarkError(f"{where} on {annotation.stem!r} has no bbox.", "Export it anew.")
            centre = _centre(run_length_mask(where, mask))
            if centre is None:
                continue
            left, top, width, height = annotation.bbox
            y, x = top + centre[0] * height - 0.5, left + centre[1] * width - 0.5
            if not is_inside(y, x, pictures[annotation.stem]):
                warnings.add("Parts centred outside their picture were left out", where)
                continue
            size = instance_size(annotation, _corners(annotation))
            if size is None:
                warnings.add(NO_SIZE, f"{annotation.where} on {annotation.stem!r}")
                continue
            marks.setdefault(annotation.stem, []).append(KeyPoint(part, y, x, size))
    return with_void_crowds(marks, dataset, pictures)


def _centre(mask: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Place of the mask's pixel nearest to its mean place, as shares of height and width; None if it is empty."""
    places = np.argwhere(mask)
    if not len(places):
        return None
    nearest = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return float((nearest[0] + 0.5) / mask.shape[0]), float((nearest[1] + 0.5) / mask.shape[1])


def _corners(annotation: CocoAnnotation) -> list[tuple[float, float]]:
    left, top, width, height = annotation.bbox or (0.0, 0.0, 0.0, 0.0)
    return [(top, left), (top + height, left + width)]
