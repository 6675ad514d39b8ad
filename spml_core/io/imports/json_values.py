"""Values in JSON files of marks, each checked for its type."""

from __future__ import annotations

import math
from typing import Any

from spml_core.errors import MarkError


def as_object(where: str, value: object) -> dict[str, Any]:
    """The value itself, a JSON object.

    Raises
    ------
    MarkError
        If it is something else; it begins with ``where``.
    """
    if not isinstance(value, dict):
        raise MarkError(f"{where} is {shown(value)}, not an object.", "Write the file anew.")
    return value


def list_of(where: str, holder: object, key: str) -> list[Any]:
    """The list under a key; empty if there is none.

    Raises
    ------
    MarkError
        If something else is there; it begins with ``where``.
    """
    value = as_object(where, holder).get(key, [])
    if not isinstance(value, list):
        raise MarkError(f"{where}: {key} is {shown(value)}, not a list.", "Write the file anew.")
    return value


def as_numbers(where: str, key: str, value: object, count: int | None = None) -> list[float]:
    """The value itself, a list of finite numbers, as many as asked for.

    Raises
    ------
    MarkError
        If it is something else; it begins with ``where``.
    """
    good = isinstance(value, list) and all(_is_number(number) for number in value)
    if not (good and isinstance(value, list) and count in (None, len(value))):
        many = "numbers" if count is None else f"{count} numbers"
        raise MarkError(f"{where}: {key} is {shown(value)}, not {many}.", "Write the file anew.")
    return [float(number) for number in value]


def number_of(where: str, holder: object, key: str) -> float:
    """The finite number under a key.

    Raises
    ------
    MarkError
        If something else or nothing is there; it begins with ``where``.
    """
    value = as_object(where, holder).get(key)
    if value is None or not _is_number(value):
        raise MarkError(f"{where}: {key} is {shown(value)}, not a number.", "Write the file anew.")
    return float(value)


def as_index(where: str, holder: object, key: str) -> int:
    """The whole number from 0 under a key.

    Raises
    ------
    MarkError
        If something else or nothing is there; it begins with ``where``.
    """
    value = number_of(where, holder, key)
    if value < 0 or value != int(value):
        raise MarkError(f"{where}: {key} is {shown(value)}, not a whole number from 0.", "Write it anew.")
    return int(value)


def id_of(where: str, holder: object, key: str) -> int | str:
    """The id under a key: a whole number, however it is written, or a text.

    Raises
    ------
    MarkError
        If something else or nothing is there; it begins with ``where``.
    """
    value = as_object(where, holder).get(key)
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else text
    if value is None or not _is_number(value) or value != int(value):
        raise MarkError(f"{where}: {key} is {shown(value)}, no whole number and no text.", "Write it anew.")
    return int(value)


def text_of(where: str, holder: object, key: str) -> str:
    """The text under a key, stripped, not empty.

    Raises
    ------
    MarkError
        If something else or nothing is there; it begins with ``where``.
    """
    value = as_object(where, holder).get(key)
    if not isinstance(value, str) or not value.strip():
        raise MarkError(f"{where}: {key} is {shown(value)}, not a name.", "Write the file anew.")
    return value.strip()


def shown(value: object) -> str:
    """A value in an error: at most 60 characters, ``nothing`` for None."""
    try:
        text = "nothing" if value is None else repr(value)
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number past the largest float
        return False
