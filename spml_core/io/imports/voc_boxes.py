"""Boxes from Pascal VOC XML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.io.imports.box_check import checked_box
from spml_core.io.imports.class_words import named_class
from spml_core.io.imports.files import read_xml
from spml_core.io.imports.pictures import (
    MarksByPicture,
    Sizes,
    check_size,
    pictures_of_files,
)
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.xml_values import child_number, child_text, said_by_xml


def read_voc_boxes(
    paths: Iterable[Path],
    source: Path,
    pictures: Sizes,
    classes: ClassTable,
    warnings: ImportWarnings,
) -> MarksByPicture:
    """Boxes from Pascal VOC's XML files, one for each picture.

    VOC counts pixels from 1 and means both ends: ``xmin`` 1 and ``xmax`` 3 are the first three columns. A
    file's own stem is its picture's, or else what ``<filename>`` says. Objects marked as difficult or
    truncated count like others, boxes of their parts don't.

    Parameters
    ----------
    paths : iterable of Path
    source : Path
        The file or folder that the user gave.
    pictures, classes, warnings
        As for ``read_boxes``; result and errors too.
    """
    marks: MarksByPicture = {}
    read = [(path, read_xml(path, "annotation")) for path in paths]
    stems = pictures_of_files([said_by_xml(path, root) for path, root in read], source, pictures, warnings)
    for (path, root), stem in zip(read, stems, strict=True):
        if stem is None:
            continue
        size = root.find("size")
        if size is not None:
            height, width = (child_number(str(path), size, name) for name in ("height", "width"))
            check_size(str(path), height, width, stem, pictures)
        for number, item in enumerate(root.findall("object"), 1):
            where = f"{path}, object {number}"
            index = named_class(where, child_text(where, item, "name"), classes)
            ends = item.find("bndbox")
            if ends is None:
                warnings.add("Objects without a box were left out", f"{where} on {stem!r}")
                continue
            left, top, right, bottom = (
                child_number(where, ends, name) for name in ("xmin", "ymin", "xmax", "ymax")
            )
            edges = (top - 1, left - 1, bottom, right)
            box = checked_box(where, index, edges, stem, pictures[stem], warnings)
            if box is not None:
                marks.setdefault(stem, []).append(box)
    return marks
