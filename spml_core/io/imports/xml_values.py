"""Words and numbers in XML files of marks."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element

from spml_core.errors import MarkError
from spml_core.io.imports.pictures import Said


def said_by_xml(path: Path, root: Element) -> Said:
    """What a file in Pascal VOC's form says of its picture: its name, its folder and its path of then."""
    name, folder, place = ((root.findtext(tag) or "").strip() for tag in ("filename", "folder", "path"))
    words = [f"{folder}/{name}" if folder and name else name, place]
    return Said(path, [(word, True) for word in words if word])


def child_text(where: str, element: Element, name: str) -> str:
    """Text of a child, stripped.

    Raises
    ------
    MarkError
        If there is no such child, or no text in it; it begins with ``where``.
    """
    text = (element.findtext(name) or "").strip()
    if not text:
        raise MarkError(f"{where}: <{element.tag}> has no <{name}>.", "Write the file anew.")
    return text


def child_number(where: str, element: Element, name: str) -> float:
    """A child's text as a finite number.

    Raises
    ------
    MarkError
        If it is none; it begins with ``where``.
    """
    text = child_text(where, element, name)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MarkError(f"{where}: {name} is {text!r}.", "Give a number of pixels.")
    return value
