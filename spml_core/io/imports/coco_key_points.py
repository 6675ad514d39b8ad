"""Key points from COCO JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from spml_core.annotations import KeyPoint
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.class_words import find_class
from spml_core.io.imports.coco_dataset import CocoAnnotation, CocoDataset, CocoId, read_coco
from spml_core.io.imports.coco_masks import with_void_crowds
from spml_core.io.imports.json_values import as_numbers, list_of, shown
from spml_core.io.imports.pictures import MarksByPicture, Sizes, is_inside
from spml_core.io.imports.warnings import ImportWarnings

NO_SIZE = "Objects of no known size (no area, no bbox, key points that enclose none) were left out"

Place = tuple[str, float, float]
"""A key point's name, and its y and x in pixels."""


def read_coco_key_points(
    path: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Key points of COCO annotations, each of the class that has its name.

    A category lists the names of its key points. If none of them is a class, but the category itself is,
    its key points are all of that class. Those with visibility 0 were not marked. An object's size is the
    square root of its ``area``, of its ``bbox``'s area, or of that of the bounding box of its key points,
    whichever is the first there is.

    Parameters
    ----------
    path : Path
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
        Is told of key points outside their picture and of objects without a size, which are left out, and of crowds,
        which are void.

    Returns
    -------
    dict
        The key points of each picture that has any.

    Raises
    ------
    MarkError
        If the file is no COCO data set with key points, or a picture is unknown.
    ClassError
        If key points have names that no class has; it lists them.
    """
    dataset = read_coco(path, pictures, warnings)
    names = {category: _key_point_names(dataset, category) for category in dataset.categories}
    if not any(names.values()):
        raise MarkError(f"{path} names no key points in any category.", "Export it anew with key points.")
    found = [
        (annotation, list(_visible(annotation, names[annotation.category])))
        for annotation in dataset.annotations
        if annotation.fields.get("keypoints")
    ]
    class_of = _classes_of_names(dataset, found, names, classes)
    marks: MarksByPicture = {}
    for annotation, places in found:
        if not places:
            continue
        size = instance_size(annotation, [place[1:] for place in places])
        if size is None:
            warnings.add(NO_SIZE, f"{annotation.where} on {annotation.stem!r}")
            continue
        for name, y, x in places:
            if is_inside(y, x, pictures[annotation.stem]):
                mark = KeyPoint(class_of[annotation.category, name], y, x, size)
                marks.setdefault(annotation.stem, []).append(mark)
            else:
                case = f"{annotation.where}, {name} on {annotation.stem!r}"
                warnings.add("Key points outside their picture were left out", case)
    return with_void_crowds(marks, dataset, pictures)


def instance_size(annotation: CocoAnnotation, places: list[tuple[float, float]]) -> float | None:
    """Square root of an object's area in pixels: as annotated, of its box, or of that around its (y, x) places.

    None if there is none of them that isn't 0, or is too large for numbers.
    """
    area = annotation.fields.get("area")
    if area is not None and (known := as_numbers(annotation.where, "area", [area])[0]) > 0:
        return _root(known)
    if annotation.bbox is not None and annotation.bbox[2] > 0 and annotation.bbox[3] > 0:
        return _root(annotation.bbox[2] * annotation.bbox[3])
    ys, xs = zip(*places, strict=True)
    return _root((max(ys) - min(ys)) * (max(xs) - min(xs)))


def _root(area: float) -> float | None:
    return math.sqrt(area) if 0 < area < math.inf else None


def _key_point_names(dataset: CocoDataset, category: CocoId) -> list[str]:
    where = f"{dataset.path}, category {category}"
    names = list_of(where, dataset.categories[category], "keypoints")
    for name in names:
        if not isinstance(name, str):
            raise MarkError(f"{where} names a key point {shown(name)}.", "Give a name in quotes.")
    return [str(name).strip() for name in names]


def _visible(annotation: CocoAnnotation, names: list[str]) -> Iterator[Place]:
    numbers = as_numbers(annotation.where, "keypoints", annotation.fields["keypoints"])
    if len(numbers) != 3 * len(names):
        raise MarkError(
            f"{annotation.where} has {len(numbers)} numbers for the {len(names)} key points of its category.",
            "Give x, y and visibility for each.",
        )
    for name, x, y, visibility in zip(names, numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        if visibility > 0:
            yield name, y, x


def _classes_of_names(
    dataset: CocoDataset,
    found: list[tuple[CocoAnnotation, list[Place]]],
    names: dict[CocoId, list[str]],
    classes: ClassTable,
) -> dict[tuple[CocoId, str], int]:
    """Class of each visible key point by category and name."""
    used = dict.fromkeys((annotation.category, name) for annotation, places in found for name, _, _ in places)
    where = str(dataset.path)
    class_of: dict[tuple[CocoId, str], int] = {}
    unknown: dict[str, None] = {}
    for category, name in used:
        code = find_class(where, name, classes)
        if code is None and all(find_class(where, other, classes) is None for other in names[category]):
            code = find_class(where, dataset.name(category), classes)
        if code is None:
            unknown[name] = None
        else:
            class_of[category, name] = code
    if unknown:
        raise ClassError(
            f"{dataset.path} has key points that no class is named after: {', '.join(unknown)}.",
            f"The classes are: {classes.listed}. Add classes with these names.",
        )
    return class_of
