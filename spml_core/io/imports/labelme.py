"""labelme's JSON files: polygons, boxes, lines, points, masks and flags."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from spml_core.annotations import Mark, Tag
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.class_words import find_class
from spml_core.io.imports.files import find_files, read_json_object
from spml_core.io.imports.json_values import as_object, list_of
from spml_core.io.imports.labelme_shapes import read_shape
from spml_core.io.imports.pictures import (
    MarksByPicture,
    Reader,
    Said,
    Sizes,
    check_only_file,
    check_size,
    pictures_of_files,
)
from spml_core.io.imports.warnings import ImportWarnings


def labelme_reader(complete: bool) -> Reader:
    """``read_labelme`` for complete lists of tags, or for incomplete ones."""
    return partial(read_labelme, complete=complete)


def read_labelme(
    path: Path | str,
    pictures: Sizes,
    classes: ClassTable,
    warnings: ImportWarnings,
    *,
    complete: bool = True,
) -> MarksByPicture:
    """Marks from labelme's JSON files, one for each picture, in the order they were drawn.

    ==========================================  ========
    shape                                       mark
    ==========================================  ========
    polygon, oriented_rectangle, circle, mask   Patch
    rotation, quadrilateral (X-AnyLabeling)     Patch
    rectangle                                   Box
    line, linestrip                             Scribble
    point, points                               Point
    ==========================================  ========

    A label is a class's name; ``_background_`` is class 0 and ``__ignore__`` void, as in labelme's own
    conversions. Flags of the picture that are set and name a class become tags; other flags are no marks.

    Parameters
    ----------
    path : path
        A file, or a folder that is searched with all its subfolders.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings
        Is told of shapes that were cut, moved or left out.
    complete : bool
        Whether the tags of a picture are all the classes it holds.

    Returns
    -------
    dict
        The marks of each picture that has any.

    Raises
    ------
    MarkError
        If there is no file, one can't be read, belongs to no picture or to one of another size, or has a
        shape that is damaged, or a box or point outside.
    ClassError
        If a label is no class.
    """
    path = Path(path)
    files = find_files(path, (".json",), "labelme files") if path.is_dir() else [path]
    if not files:
        raise MarkError(f"There is no JSON in {path}.", "Give the folder that holds the labelme files.")
    marks: MarksByPicture = {}
    seen: dict[str, Path] = {}
    read: list[tuple[Said, dict[str, Any]]] = []
    for file in files:
        content = read_json_object(file)
        if "shapes" not in content:
            raise MarkError(f"{file} is no labelme file: it has no shapes.", "Take it out of the folder.")
        content.pop("imageData", None)  # all of the picture once more
        said = content.get("imagePath")
        read.append((Said(file, [(said, False)] if isinstance(said, str) and said else []), content))
    stems = pictures_of_files([said for said, _ in read], path, pictures, warnings)
    for file, (_, content), stem in zip(files, read, stems, strict=True):
        if stem is None:
            continue
        check_only_file(stem, file, seen)
        check_size(str(file), content.get("imageHeight"), content.get("imageWidth"), stem, pictures)
        found: list[Mark] = []
        for number, shape in enumerate(list_of(str(file), content, "shapes"), 1):
            found += read_shape(f"{file}, shape {number}", shape, stem, pictures, classes, warnings)
        flags = as_object(f"{file}, flags", content.get("flags") or {})
        found += [
            Tag(code, complete)
            for name, is_set in flags.items()
            if is_set is True and (code := find_class(f"{file}, flags", name, classes)) is not None
        ]
        if found:
            marks[stem] = found
    return marks
