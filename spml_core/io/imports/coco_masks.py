"""Masks from the outlines and run lengths of COCO JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import UNTOUCHED, Patch
from spml_core.classes import IGNORE, ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.coco_dataset import CocoAnnotation, read_coco
from spml_core.io.imports.json_values import as_numbers
from spml_core.io.imports.pictures import MarksByPicture, Sizes
from spml_core.io.imports.polygons import mask_patch, polygon_patch
from spml_core.io.imports.warnings import ImportWarnings


def read_coco_masks(
    path: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Full masks of the pictures that have annotations: what none of them covers is background, class 0.

    Where annotations overlap, the later one of the file counts. Crowds (iscrowd) are void. Categories become classes as
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
        if annotation.fields.get("segmentation"):
            paint(annotation, class_of[annotation.category])
        else:
            case = f"{annotation.where} on {annotation.stem!r}"
            warnings.add("Annotations without an outline were left out", case)
    return {stem: [Patch(0, 0, mask)] for stem, mask in labels.items()}


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
    if isinstance(outline, dict):
        patch = mask_patch(code, 0, 0, run_lengths_mask(where, outline, size))
        return [] if patch is None else [patch]
    if not outline:
        box = annotation.bbox
        if box is None:
            return []
        left, top, width, height = box
        outline = [[left, top, left + width, top, left + width, top + height, left, top + height]]
    if not isinstance(outline, list):
        raise MarkError(f"{where}: segmentation is neither outlines nor run lengths.", "Export it anew.")
    found = []
    for number, flat in enumerate(outline, 1):
        numbers = as_numbers(where, f"outline {number} of segmentation", flat)
        if len(numbers) < 6 or len(numbers) % 2:
            raise MarkError(
                f"{where}: outline {number} has {len(numbers)} numbers.",
                "Give x and y of three corners or more.",
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
    height, width = size
    if value.get("size") != [height, width]:
        raise MarkError(
            f"{where}: run lengths for {value.get('size')} pixels; the picture has {height} x {width}.",
            "Draw on the picture at its full size.",
        )
    counts = value.get("counts")
    runs = _decompressed(counts) if isinstance(counts, str) else counts
    good = isinstance(runs, list) and all(isinstance(n, int) and n >= 0 for n in runs)
    if not good or not isinstance(runs, list) or sum(runs) != height * width:
        raise MarkError(f"{where}: its run lengths don't add up to the picture's pixels.", "Export it anew.")
    inside = np.arange(len(runs)) % 2 == 1
    mask: NDArray[np.bool_] = np.repeat(inside, runs).reshape(width, height).T
    return mask


def _decompressed(text: str) -> list[int]:
    """Run lengths from COCO's compressed text: five bits a character, each run less the one two before it."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return [-1]
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs if shift == 0 else [-1]
