"""Key points from COCO JSON or from a table: the centres of an object's parts (METHODS.md 1.10.5)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from spml_core.annotations import KeyPoint
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.class_words import named_class
from spml_core.io.imports.coco_key_points import read_coco_key_points
from spml_core.io.imports.densepose import read_densepose_parts
from spml_core.io.imports.pictures import (
    MarksByPicture,
    Reader,
    Sizes,
    check_inside,
    named_pictures,
)
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.tables import TableRow, read_table


def key_point_reader(densepose: bool) -> Reader:
    """``read_key_points`` for key points, or for DensePose's parts."""
    return partial(read_key_points, densepose=densepose)


def read_key_points(
    path: Path | str,
    pictures: Sizes,
    classes: ClassTable,
    warnings: ImportWarnings,
    *,
    densepose: bool = False,
) -> MarksByPicture:
    """Key points from COCO JSON, or from a table ``image,x,y,class`` with ``size`` or ``instance``.

    In a table a row's size is what its column says, or else the square root of the area of the bounding box
    around all rows with the same image and instance.

    Parameters
    ----------
    path : path
        A file called ``.json`` is COCO's; see ``read_coco_key_points`` and ``read_table``.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
        Is told of key points that were left out.
    densepose : bool
        Whether to take the centres of DensePose's body parts from the JSON instead of its key points.

    Returns
    -------
    dict
        The key points of each picture that has any.

    Raises
    ------
    MarkError
        If the file can't be read, a picture is unknown, a size unknown or not positive, or a key point of a
        table lies outside its picture.
    ClassError
        If a class is unknown.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        read = read_densepose_parts if densepose else read_coco_key_points
        return read(path, pictures, classes, warnings)
    if densepose:
        raise MarkError(f"{path} is no JSON file, as DensePose's annotations are.", "Give one.")
    return _read_key_point_table(path, pictures, classes, warnings)


def _read_key_point_table(
    path: Path, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    every = read_table(path, ("image", "x", "y", "class"), ("size", "instance"))
    named = named_pictures([(row.where, row.cells["image"]) for row in every], pictures, warnings)
    kept = [(row, stem) for row, stem in zip(every, named, strict=True) if stem is not None]
    places: list[tuple[str, float, float]] = []
    instances: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row, stem in kept:
        y, x = check_inside(row.where, row.number("y"), row.number("x"), stem, pictures)
        places.append((stem, y, x))
        instances.setdefault((stem, row.cells.get("instance", "")), []).append((y, x))
    marks: MarksByPicture = {}
    for (row, _), (stem, y, x) in zip(kept, places, strict=True):
        size = _size(row, instances[stem, row.cells.get("instance", "")])
        index = named_class(row.where, row.cells["class"], classes)
        marks.setdefault(stem, []).append(KeyPoint(index, y, x, size))
    return marks


def _size(row: TableRow, of_instance: Iterable[tuple[float, float]]) -> float:
    if row.cells.get("size"):
        size = row.number("size")
        if size <= 0:
            raise MarkError(
                f"{row.where}: size is {size:g}.", "Give the square root of the object's area in pixels."
            )
        return size
    if not row.cells.get("instance"):
        raise MarkError(
            f"{row.where}: the object's size is unknown.",
            "Add a column size, the square root of the object's area in pixels, or a column instance that"
            " tells which key points are of one object.",
        )
    ys, xs = zip(*of_instance, strict=True)
    size = math.sqrt((max(ys) - min(ys)) * (max(xs) - min(xs)))
    if size == 0:
        raise MarkError(
            f"{row.where}: the key points of instance {row.cells['instance']!r} enclose no area.",
            "Add a column size, the square root of the object's area in pixels.",
        )
    return size
