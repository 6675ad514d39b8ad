"""Files of marks: found in folders, and read as JSON or XML with errors that name them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

from spml_core.errors import MarkError


def find_files(folder: Path | str, suffixes: Collection[str], what: str) -> list[Path]:
    """Return the files of a folder and its subfolders with one of some suffixes, hidden ones left out.

    Parameters
    ----------
    folder : path
    suffixes : collection of str
        In lower case, with their dots.
    what : str
        What they hold, for the error: scribbles, masks, predictions.

    Raises
    ------
    MarkError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MarkError(f"There is no folder {folder}.", f"Give the folder that holds the {what}.")
    found: list[Path] = []
    for where, subfolders, files in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        paths = (Path(where, name) for name in sorted(files) if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in suffixes]
    return found


def find_files_by_stem(folder: Path | str, suffixes: Collection[str], what: str) -> dict[str, Path]:
    """Return the same files by stem: one for each picture.

    Raises
    ------
    MarkError
        If there is no such folder, no file, or two have one stem.
    """
    found: dict[str, Path] = {}
    for path in find_files(folder, suffixes, what):
        if path.stem in found:
            raise MarkError(
                f"Two files belong to the picture {path.stem!r}: {found[path.stem]} and {path}.",
                "Keep one of them.",
            )
        found[path.stem] = path
    if not found:
        raise MarkError(
            f"There is no {kinds_of_files(suffixes)} in {folder}.", f"Give the folder that holds the {what}."
        )
    return found


def kinds_of_files(suffixes: Collection[str]) -> str:
    """Some suffixes in words: PNG or XML."""
    return " or ".join(suffix.removeprefix(".").upper() for suffix in suffixes)


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises
    ------
    MarkError
        If it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise MarkError(
            f"{path} can't be read: {error.strerror}.", "Check that it is there and readable."
        ) from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Content of a JSON file whose outermost value is an object.

    Raises
    ------
    MarkError
        If it can't be read or is something else.
    """
    data = read_bytes(path)
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MarkError(f"{path} is no JSON: {error}.", "Save it anew, or give another file.") from error
    if not isinstance(value, dict):
        raise MarkError(f"{path} is a JSON {type(value).__name__}, not an object.", "Give another file.")
    return value


def read_xml(path: Path, root: str) -> Element:
    """Outermost element of an XML file.

    Files with a document type are refused: what their entities stand for could fill the memory, or be
    another file.

    Parameters
    ----------
    path : Path
    root : str
        The name that it must have.

    Raises
    ------
    MarkError
        If the file can't be read, is no XML, has a document type or another outermost element.
    """

    def refuse(*_: object) -> NoReturn:
        raise MarkError(f"{path} declares a document type.", "Take the <!DOCTYPE ...> out of the file.")

    data = read_bytes(path)
    parser, builder = expat.ParserCreate(), TreeBuilder()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        element = builder.close()
    except (expat.ExpatError, ParseError, ValueError, LookupError) as error:
        raise MarkError(f"{path} is no XML: {error}.", "Save it anew, or take it away.") from error
    if element.tag != root:
        raise MarkError(f"{path} holds <{element.tag}> where <{root}> belongs.", "Give another file.")
    return element
