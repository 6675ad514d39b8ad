"""Scribbles from a folder of index PNGs, ScribbleSup XML files, or some of each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from xml.etree.ElementTree import Element

from spml_core.annotations import Mark, Scribble
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io.imports.class_words import named_class
from spml_core.io.imports.files import read_xml
from spml_core.io.imports.index_pngs import checked_codes, scribble_patch
from spml_core.io.imports.pictures import (
    MarksByPicture,
    Said,
    Sizes,
    check_size,
    find_picture_files,
    is_inside,
)
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.io.imports.xml_values import child_number, child_text, said_by_xml
from spml_core.io.index_png import read_index_png
from spml_core.io.mask_folders import warn_of_black_and_white_scribbles

TOO_MANY_POINTS = "Lines and groups of more points than their picture has pixels were left out"

LINE_WIDTH = 3.0
"""Pixels; that of the published label maps made from the lines (METHODS.md 1.10.3)."""


def read_scribbles(
    folder: Path | str, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings | None = None
) -> MarksByPicture:
    """Scribbles from files named as their pictures: index PNGs (255 is not annotated) and ScribbleSup XML.

    ScribbleSup's files (Lin et al., CVPR 2016) hold an ``<annotation>`` with lines of whole pixels from 0:
    ``<polygon><tag>class</tag><point><X>5</X><Y>7</Y></point>...</polygon>``.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders.
    pictures : mapping
        Height and width of each picture, by its stem.
    classes : ClassTable
    warnings : ImportWarnings, optional
        Is told of lines that had points outside their picture; these move to its border, and of PNGs
        that hold 0 and 255 alone.

    Returns
    -------
    dict
        For each picture with at least one annotated pixel a patch as small as its pixels allow, or its lines,
        3 pixels wide.

    Raises
    ------
    MarkError
        If there is no file, one can't be read, belongs to no picture or to one of another size, or two are
        of one picture.
    ClassError
        If a file speaks of a class that isn't there.
    """
    warnings = warnings or ImportWarnings()
    marks: MarksByPicture = {}
    files = find_picture_files(folder, (".png", ".xml"), "scribbles", pictures, warnings, _said)
    drawn = {path: pictures[stem] for stem, path in files.items() if path.suffix.lower() == ".png"}
    warn_of_black_and_white_scribbles(list(drawn), classes, warnings, drawn)
    for stem, path in files.items():
        found: list[Mark] = []
        if path.suffix.lower() == ".xml":
            found = _read_lines(path, stem, pictures, classes, warnings)
        else:
            patch = scribble_patch(checked_codes(path, read_index_png(path, pictures[stem]), classes))
            if patch is not None:
                found = [patch]
        if found:
            marks.setdefault(stem, []).extend(found)
    return marks


def line_inside(
    where: str, points: Iterable[tuple[float, float]], size: tuple[int, int], warnings: ImportWarnings
) -> tuple[tuple[float, float], ...]:
    """A line's (y, x) points, each at most once in a row; those outside the picture moved to its border."""
    height, width = size
    kept = [place for place, _ in groupby(points)]
    if not all(is_inside(y, x, size) for y, x in kept):
        warnings.add("Lines drawn outside their picture were moved to its border", where)
        kept = [(min(max(y, 0), height - 1), min(max(x, 0), width - 1)) for y, x in kept]
    return tuple(kept)


def _said(path: Path) -> Said:
    return said_by_xml(path, read_xml(path, "annotation")) if path.suffix.lower() == ".xml" else Said(path)


def _read_lines(
    path: Path, stem: str, pictures: Sizes, classes: ClassTable, warnings: ImportWarnings
) -> list[Mark]:
    root = read_xml(path, "annotation")
    size = root.find("size")
    if size is not None:
        height, width = (child_number(str(path), size, name) for name in ("height", "width"))
        check_size(str(path), height, width, stem, pictures)
    lines = root.findall("polygon")
    if not lines and root.find("object") is not None:
        raise MarkError(f"{path} holds boxes, no scribbles.", "Import it as boxes.")
    found = (
        _line(f"{path}, scribble {number}", line, pictures[stem], classes, warnings)
        for number, line in enumerate(lines, 1)
    )
    return [line for line in found if line is not None]


def _line(
    where: str, line: Element, size: tuple[int, int], classes: ClassTable, warnings: ImportWarnings
) -> Mark | None:
    index = named_class(where, child_text(where, line, "tag"), classes)
    points = [
        (child_number(where, point, "Y"), child_number(where, point, "X")) for point in line.findall("point")
    ]
    if not points:
        warnings.add("Scribbles without a point were left out", where)
        return None
    if len(points) > size[0] * size[1]:
        warnings.add(TOO_MANY_POINTS, f"{where}, {len(points)} points")
        return None
    return Scribble(index, line_inside(where, points, size, warnings), LINE_WIDTH)
