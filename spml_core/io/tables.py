"""Tables with a header line, columns in any order and among others, as spreadsheets save them."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spml_core.errors import MarkError

_SEPARATOR = re.compile(r"\s*\"?sep=([,;\t|])\"?[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes
    ----------
    path : Path
    line : int
        From 1, the header included.
    cells : mapping
        Text of each asked-for column that the table has, stripped; empty where the row is too short for an
        optional one.
    decimal_comma : bool
        Whether numbers may have one.
    """

    path: Path
    line: int
    cells: Mapping[str, str]
    decimal_comma: bool

    @property
    def where(self) -> str:
        """File and line, for errors."""
        return f"{self.path}, line {self.line}"

    def number(self, column: str) -> float:
        """A column's value as a finite number.

        Raises
        ------
        MarkError
            If it is none.
        """
        text = self.cells[column]
        try:
            value = float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise MarkError(f"{self.where}: {column} is {text!r}.", "Give a number of pixels.")
        return value


def read_table(path: Path | str, columns: Sequence[str], optional: Sequence[str] = ()) -> list[TableRow]:
    """Rows of a table, blank lines left out.

    The delimiter (comma, semicolon or tab) is the one that a first line ``sep=;`` names, or else the one the header has
    most of; where it isn't the comma,
    numbers may have a decimal comma. UTF-8, UTF-16 (with or without byte order mark) and Latin-1 are read;
    column names in any case.

    Parameters
    ----------
    path : path
    columns : sequence of str
        Columns that every row must fill, except that numbers are checked only when they are asked for.
    optional : sequence of str
        Columns that are read if the table has them.

    Raises
    ------
    MarkError
        If the file can't be read, lacks a column or any row, or a row is short or leaves a cell empty.
    """
    path = Path(path)
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise MarkError(
            f"{path} can't be read: {error.strerror}.", "Check that it is there and readable."
        ) from error
    said = _SEPARATOR.match(text)
    body = text[said.end() :] if said else text
    before = len(text[: said.end()].splitlines()) if said else 0
    delimiter, _ = delimiter_and_columns(text)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num + before, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise MarkError(f"{path}, line {reader.line_num}: {error}.", "Save it anew as CSV.") from error
    names = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    missing = [name for name in columns if name not in names]
    if missing:
        raise MarkError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(names) or 'none'}.",
            f"The first line must name {', '.join(columns)}.",
        )
    if len(lines) == 1:
        raise MarkError(f"{path} has no line below its header.", f"Give {', '.join(columns)} on each.")
    place = {name: names.index(name) for name in (*columns, *optional) if name in names}
    return [_row(path, line, cells, place, columns, delimiter != ",") for line, cells in lines[1:]]


def delimiter_and_columns(text: str) -> tuple[str, list[str]]:
    """What parts the cells of a table, and the names of its columns, stripped and in lower case."""
    said = _SEPARATOR.match(text)  # Excel's own way to say it
    lines = (text[said.end() :] if said else text).splitlines()
    header = next((line for line in lines if line.strip()), "")
    delimiter = said[1] if said else max(",;\t", key=header.count)
    return delimiter, [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]


def _row(
    path: Path,
    line: int,
    cells: list[str],
    place: Mapping[str, int],
    columns: Sequence[str],
    decimal_comma: bool,
) -> TableRow:
    remedy = f"Give {', '.join(columns[:-1])} and {columns[-1]} on every line."
    if len(cells) <= max(place[name] for name in columns):
        raise MarkError(f"{path}, line {line} has only {len(cells)} cells.", remedy)
    row = {name: cells[at].strip() if at < len(cells) else "" for name, at in place.items()}
    empty = next((name for name in columns if not row[name]), None)
    if empty is not None:
        raise MarkError(f"{path}, line {line}: {empty} is empty.", remedy)
    return TableRow(path, line, row, decimal_comma)


def decoded(data: bytes) -> str:
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
