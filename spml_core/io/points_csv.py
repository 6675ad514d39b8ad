"""Tables of points: ``image,x,y,class``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spml_core.io.tables import read_table

COLUMNS = ("image", "x", "y", "class")


@dataclass(frozen=True)
class PointRow:
    """One row: its line (from 1), the picture's stem or file name, x and y in pixels, the class's word."""

    line: int
    image: str
    x: float
    y: float
    class_word: str


def read_point_rows(path: Path | str) -> list[PointRow]:
    """Rows of a table of points. Encodings, delimiters and order of columns as for ``read_table``.

    Raises
    ------
    MarkError
        As ``read_table`` does, and if a row has no number where one belongs.
    """
    return [
        PointRow(row.line, row.cells["image"], row.number("x"), row.number("y"), row.cells["class"])
        for row in read_table(path, COLUMNS)
    ]
