"""Masks from the outlines and run lengths of COCO JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import UNTOUCHED, Box, Patch
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.coco_dataset import CocoAnnotation, CocoDataset, read_coco
from spml_core.io.imports.json_values import as_numbers, shown
from spml_core.io.imports.pictures import MarksByPicture, Sizes
from spml_core.io.imports.polygons import mask_patch, polygon_patch
from spml_core.io.imports.run_lengths import run_length_mask
from spml_core.io.imports.warnings import ImportWarnings


def read_coco_masks(
    path: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Full masks of the pictures that have annotations: what none of them covers is background, class 0.

    Where annotations overlap, the later one of the file counts. Crowds (iscrowd) are void, and so are boxes without an
    outline. Categories become classes as
    for boxes.

    Raises
    ------
    MarkError, ClassError
        As for ``read_coco``; or if an outline or its run lengths make no sense.
    """
    dataset = read_coco(path, pictures, warnings)
    class_of = dataset.class_of_categories(classes, warnings)
    labels: dict[str, NDArray[np.uint8]] = {}

    def paint(annotation: CocoAnnotation, code: int) -> None:
        size = pictures[annotation.stem]
        mask = labels.setdefault(annotation.stem, np.zeros(size, np.uint8))
        for patch in region_patches(annotation, code, size):
            height, width = patch.labels.shape
            part = mask[patch.top : patch.top + height, patch.left : patch.left + width]
            np.copyto(part, patch.labels, where=patch.labels != UNTOUCHED)

    for crowd in dataset.crowds:
        paint(crowd, IGNORE)
    for annotation in dataset.annotations:
        if not has_region(annotation):
            case = f"{annotation.where} on {annotation.stem!r}"
            warnings.add("Annotations without an outline were left out; their boxes are void", case)
            paint(annotation, IGNORE)
    for annotation in dataset.annotations:
        if has_region(annotation):
            paint(annotation, class_of[annotation.category])
    for stem in dataset.empty:
        if dataset.is_ours:  # every picture of our exports is labelled whole
            labels[stem] = np.zeros(pictures[stem], np.uint8)
        else:
            warnings.add("Images without annotations were left out", f"{path}, {stem!r}")
    return {stem: [Patch(0, 0, mask)] for stem, mask in labels.items()}


def with_void_crowds(marks: MarksByPicture, dataset: CocoDataset, pictures: Sizes) -> MarksByPicture:
    """The marks, and the crowds (iscrowd) of their pictures as void: what lies outside of marks counts as background.

    Where only a box tells of a crowd, other boxes lie over it.
    """
    for crowd in dataset.crowds:
        if crowd.stem not in marks:
            continue
        for patch in region_patches(crowd, IGNORE, pictures[crowd.stem]):
            labels = patch.labels.copy()
            boxes = [] if has_region(crowd) else [mark for mark in marks[crowd.stem] if isinstance(mark, Box)]
            for box in boxes:
                edges = (
                    box.top - patch.top,
                    box.bottom - patch.top,
                    box.left - patch.left,
                    box.right - patch.left,
                )
                first, last, left, right = (max(math.ceil(edge - 0.5), 0) for edge in edges)
                labels[first:last, left:right] = UNTOUCHED
            if (labels != UNTOUCHED).any():
                marks[crowd.stem].append(Patch(patch.top, patch.left, labels))
    return marks


def has_region(annotation: CocoAnnotation) -> bool:
    """Whether an annotation has run lengths, or an outline of three corners or more."""
    outline = annotation.fields.get("segmentation")
    if not isinstance(outline, list):
        return bool(outline)
    return any(not isinstance(flat, list) or len(flat) > 5 or len(flat) % 2 for flat in outline)


def region_patches(annotation: CocoAnnotation, code: int, size: tuple[int, int]) -> list[Patch]:
    """What an annotation covers, as patches of one code: its outlines or run lengths, or else its box.

    Parameters
    ----------
    annotation : CocoAnnotation
    code : int
    size : tuple of int
        Height and width of the picture.

    Raises
    ------
    MarkError
        If they make no sense.
    """
    outline, where = annotation.fields.get("segmentation"), annotation.where
    if not has_region(annotation):
        box = annotation.bbox
        if box is None:
            return []
        left, top, width, height = box
        outline = [[left, top, left + width, top, left + width, top + height, left, top + height]]
    if isinstance(outline, dict):
        patch = mask_patch(code, 0, 0, run_lengths_mask(where, outline, size))
        return [] if patch is None else [patch]
    if not isinstance(outline, list):
        raise MarkError(f"{where}: segmentation is neither outlines nor run lengths.", "Export it anew.")
    if not any(isinstance(part, list) for part in outline):
        outline = [outline]  # one alone, as some programs write it
    found = []
    for number, flat in enumerate(outline, 1):
        numbers = as_numbers(where, f"outline {number} of segmentation", flat)
        if len(numbers) % 2 == 0 and len(numbers) < 6:
            continue
        if len(numbers) % 2:
            raise MarkError(
                f"{where}: outline {number} has {len(numbers)} numbers.",
                "Give x and y of each corner.",
            )
        corners = list(zip(numbers[1::2], numbers[::2], strict=True))
        patch = polygon_patch(code, corners, size)
        found += [] if patch is None else [patch]
    return found


def run_lengths_mask(where: str, value: dict[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of COCO's run lengths: pixels outside, inside, outside and so on, column by column.

    Raises
    ------
    MarkError
        If they are of another size, or aren't as many as there are pixels.
    """
    if value.get("size") != list(size):
        raise MarkError(
            f"{where}: run lengths for {shown(value.get('size'))} pixels; the picture has {size[0]} x {size[1]}.",
            "Draw on the picture at its full size.",
        )
    return run_length_mask(where, value, size[0] * size[1])
