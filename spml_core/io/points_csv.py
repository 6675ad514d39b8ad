"""Tables of points: ``image,x,y,class`` in any order and among other columns, as spreadsheets save them."""

from __future__ import annotations

import codecs
import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

from spml_core.errors import MarkError

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
    """Rows of a table of points.

    The delimiter (comma, semicolon or tab) is the one the header has most of; where it isn't the comma,
    numbers may have a decimal comma. UTF-8, UTF-16 (with or without byte order mark) and Latin-1 are read;
    column names in any case.

    Raises
    ------
    MarkError
        If the file can't be read, lacks a column or any row, or a row is short or has no number where one
        belongs.
    """
    path = Path(path)
    try:
        text = _decode(path.read_bytes())
    except OSError as error:
        raise MarkError(
            f"{path} can't be read: {error.strerror}.", "Check that it is there and readable."
        ) from error
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise MarkError(f"{path}, line {reader.line_num}: {error}.", "Save it anew as CSV.") from error
    names = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise MarkError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(names) or 'none'}.",
            f"The first line must name {', '.join(COLUMNS)}.",
        )
    if len(lines) == 1:
        raise MarkError(f"{path} holds no point.", "Put one point on each line below the header.")
    place = {name: names.index(name) for name in COLUMNS}
    return [_row(path, line, cells, place, delimiter) for line, cells in lines[1:]]


def _row(path: Path, line: int, cells: list[str], place: dict[str, int], delimiter: str) -> PointRow:
    if len(cells) <= max(place.values()):
        raise MarkError(
            f"{path}, line {line} has only {len(cells)} cells.", "Give image, x, y and class on every line."
        )

    def number(name: str) -> float:
        text = cells[place[name]].strip()
        try:
            value = float(text if delimiter == "," else text.replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise MarkError(f"{path}, line {line}: {name} is {text!r}.", "Give a number of pixels.")
        return value

    image, word = cells[place["image"]].strip(), cells[place["class"]].strip()
    if not image or not word:
        empty = "class" if image else "image"
        raise MarkError(
            f"{path}, line {line}: {empty} is empty.", "Give image, x, y and class on every line."
        )
    return PointRow(line, image, number("x"), number("y"), word)


def _decode(data: bytes) -> str:
    """Text of the bytes: by byte order mark, by the zeros of UTF-16, as UTF-8, or else as Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    start = data[:64]
    if b"\0" in start:
        return data.decode("utf-16-le" if start[1:2] == b"\0" else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
