"""What every importer asks of a class's name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from spml_core.classes import ClassTable
from spml_core.errors import ClassError
from spml_core.io.imports.warnings import ImportWarnings
from spml_core.spelling import loosely

Key = TypeVar("Key", bound=Hashable)


def find_class(where: str, name: str, classes: ClassTable) -> int | None:
    """Code of the class that a name means, None if there is none. See ``ClassTable.find``.

    Raises
    ------
    ClassError
        If several classes may be meant; it begins with ``where``.
    """
    try:
        return classes.find(name)
    except ClassError as error:
        raise ClassError(f"{where}: {error.problem}", error.remedy) from error


def find_classes(where: str, names: Mapping[Key, str], classes: ClassTable) -> dict[Key, int]:
    """Code of each class that one of many names means, by the name's key. As ``find_class``."""
    there = {loosely(name) for name in classes.names}
    found = {key: find_class(where, name, classes) for key, name in names.items() if loosely(name) in there}
    return {key: code for key, code in found.items() if code is not None}


def named_class(where: str, word: str, classes: ClassTable) -> int:
    """Code of a class given by its name or index.

    Raises
    ------
    ClassError
        If there is no such class; it begins with ``where``.
    """
    try:
        return classes.index(word)
    except ClassError as error:
        raise ClassError(f"{where}: {error.problem}", error.remedy) from error


def warn_of_one_class(
    where: str, codes: Mapping[str, int], classes: ClassTable, warnings: ImportWarnings
) -> None:
    """Tell of names that a file keeps apart, by case say, and that all became one class."""
    first: dict[int, str] = {}
    for name, code in codes.items():
        if first.setdefault(code, name) != name:
            case = f"{where}, {first[code]!r} and {name!r} are {classes.names[code]!r}"
            warnings.add("Names that differ only in their spelling became one class", case)
