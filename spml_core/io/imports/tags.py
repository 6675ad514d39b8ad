"""Tags from a table."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from spml_core.annotations import Tag
from spml_core.classes import ClassTable
from spml_core.io.imports.class_words import named_class
from spml_core.io.imports.pictures import MarksByPicture, Reader, Sizes, named_pictures
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.tables import read_table


def tag_reader(complete: bool) -> Reader:
    """``read_tags`` for complete lists, or for incomplete ones."""
    return partial(read_tags, complete=complete)


def read_tags(
    path: Path | str,
    pictures: Sizes,
    classes: ClassTable,
    warnings: ImportWarnings | None = None,
    *,
    complete: bool = True,
) -> MarksByPicture:
    """Tags from a table ``image,class``: one class of one picture on each line.

    Parameters
    ----------
    path : path
        See ``read_table``. Image is a stem or file name, class a name or an index.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings, optional
        Is told of rows whose folders name other pictures.
    complete : bool
        Whether each picture's tags are all the classes it holds, background (class 0) aside.

    Returns
    -------
    dict
        The tags of each picture that has any, each once, in the order of the file.

    Raises
    ------
    MarkError
        If the table can't be read, or there is no such picture.
    ClassError
        If a class is unknown.
    """
    marks: MarksByPicture = {}
    rows = read_table(path, ("image", "class"))
    words = [(row.where, row.cells["image"]) for row in rows]
    stems = named_pictures(words, pictures, warnings or ImportWarnings())
    for row, stem in zip(rows, stems, strict=True):
        if stem is None:
            continue
        tag = Tag(named_class(row.where, row.cells["class"], classes), complete)
        its_marks = marks.setdefault(stem, [])
        if tag not in its_marks:
            its_marks.append(tag)
    return marks
