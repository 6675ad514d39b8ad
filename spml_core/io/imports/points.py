"""Points from tables and from What's-the-Point's clicks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io.imports.class_words import named_class
from spml_core.io.imports.files import read_json_object
from spml_core.io.imports.json_values import as_index, number_of
from spml_core.io.imports.pictures import (
    MarksByPicture,
    Sizes,
    check_inside,
    find_pictures,
    is_inside,
    is_known,
    named_pictures,
)
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.points_csv import read_point_rows
from spml_core.wording import counted


def read_points(
    path: Path | str, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings | None = None
) -> MarksByPicture:
    """Points from a table ``image,x,y,class``: image is a stem or file name, class a name or an index.

    Parameters
    ----------
    path : path
        See ``read_point_rows``.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings, optional
        Is told of rows whose folders name other pictures.

    Returns
    -------
    dict
        The points of each picture that has any, in the order of the file.

    Raises
    ------
    MarkError
        If the table can't be read, or a point belongs to no picture or lies outside it. Pixel centres are
        whole numbers, so x may go from -0.5 up to, not including, the width.
    ClassError
        If a class is unknown.
    """
    marks: MarksByPicture = {}
    rows = read_point_rows(path)
    words = [(f"{path}, line {row.line}", row.image) for row in rows]
    stems = named_pictures(words, pictures, warnings or ImportWarnings())
    for row, (where, _), stem in zip(rows, words, stems, strict=True):
        if stem is None:
            continue
        y, x = check_inside(where, row.y, row.x, stem, pictures)
        marks.setdefault(stem, []).append(Point(named_class(where, row.class_word, classes), y, x))
    return marks


def read_clicks(
    path: Path | str, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> MarksByPicture:
    """Points from clicks as published with What's the Point (Bearman et al., ECCV 2016).

    An object of lists, ``{"2007_000032": [{"x": 3.5, "y": 8, "cls": 1, "rank": 1}, ...]}``, or an object of
    such objects. ``cls`` is a class index.

    The file speaks of all pictures of its data set, of which a project may have a few: clicks on others are
    left out, and so are the few clicks that fell outside their picture.

    Parameters
    ----------
    path : path
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
        Is told of what was left out.

    Returns
    -------
    dict
        The points of each picture that has any, in the order of the file.

    Raises
    ------
    MarkError
        If the file can't be read, or a click, on whichever picture, lacks a number.
    ClassError
        If a click on one of the pictures has an index that is no class.
    """
    path = Path(path)
    marks: MarksByPicture = {}
    missing = 0
    images = list(_images(path, read_json_object(path)))
    stems = find_pictures([(str(path), image) for image, _ in images], pictures, warnings)
    for (image, clicks), stem in zip(images, stems, strict=True):
        missing += stem is None and not is_known(image, pictures)
        for number, click in enumerate(clicks, 1):
            where = f"{path}, {image}, click {number}"
            y, x = number_of(where, click, "y"), number_of(where, click, "x")
            index = as_index(where, click, "cls")
            if stem is None:
                continue
            if index >= len(classes):
                raise ClassError(
                    f"{where} has the class index {index}.",
                    f"Class indexes of the project go from 0 to {len(classes) - 1}.",
                )
            if is_inside(y, x, pictures[stem]):
                height, width = pictures[stem]
                marks.setdefault(stem, []).append(Point(index, min(y, height - 1), min(x, width - 1)))
            else:
                warnings.add("Clicks outside their picture were left out", where)
    if missing:
        warnings.add(
            f"Clicks on {counted(missing, 'picture')} that the project doesn't have were left out", str(path)
        )
    return marks


def _images(path: Path, content: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _images(path, value)
        elif isinstance(value, list):
            yield name, value
        else:
            raise MarkError(
                f"{path} has a {type(value).__name__} under {name!r} where a list of clicks belongs.",
                'Write {"picture": [{"x": 3, "y": 8, "cls": 1}]}.',
            )
