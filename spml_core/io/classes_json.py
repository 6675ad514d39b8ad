"""``classes.json``: ``{"0": "background", "1": "cell", "255": "void"}``; 255 is IGNORE and skipped."""

from __future__ import annotations

import json
from pathlib import Path

from spml_core.classes import IGNORE, MAX_CLASSES, ClassTable
from spml_core.errors import ClassError
from spml_core.io.atomic import write_atomic

_DIGITS = 18
"""Of the longest key that is looked at as a number."""

_SHOWN = 60
"""Characters of a key in an error."""


def read_classes(path: Path | str) -> ClassTable:
    """Class table from a JSON file; the colours are the default ones.

    Raises
    ------
    ClassError
        If the file can't be read, is no JSON object of names, its keys aren't 0 to K-1 without a gap (255
        aside), or the names don't make a class table.
    """
    pairs = _read_pairs(Path(path))
    names: dict[int, str] = {}
    if len(pairs) > MAX_CLASSES + 1:
        raise ClassError(f"{path} names {len(pairs)} classes; {MAX_CLASSES} is the most.", "Merge some.")
    for key, name in pairs:
        if not key.strip().isdecimal() or len(key) > _DIGITS:
            shown = repr(key) if len(key) <= _SHOWN else f"{key[:_SHOWN]!r}..."
            raise ClassError(
                f"{path} has the key {shown}.", 'Keys are "0", "1" and so on, and "255" for void.'
            )
        index = int(key)
        if index == IGNORE:
            continue
        if not isinstance(name, str):
            shown = f"a {type(name).__name__}" if isinstance(name, list | dict) else str(name)[:_SHOWN]
            raise ClassError(f"{path} names class {index} {shown}.", "Give a name in quotes.")
        if index in names:
            raise ClassError(f"{path} names class {index} twice.", "Give every class one line.")
        names[index] = name
    if sorted(names) != list(range(len(names))):
        missing = next(i for i in range(len(names) + 1) if i not in names)
        raise ClassError(
            f"{path} has classes {', '.join(map(str, sorted(names)))} but no class {missing}.",
            "Number the classes from 0 without a gap.",
        )
    try:
        return ClassTable.from_names([names[i] for i in range(len(names))])
    except ClassError as error:
        raise ClassError(f"{path}: {error.problem}", error.remedy) from error


def write_classes(path: Path | str, classes: ClassTable) -> None:
    """Write the names of a class table.

    Raises
    ------
    StorageError
        If the file can't be written.
    """
    write_atomic(path, classes_text(classes))


def classes_text(classes: ClassTable) -> bytes:
    """Content of a ``classes.json``."""
    names = {str(i): name for i, name in enumerate(classes.names)}
    return (json.dumps(names, indent=1, ensure_ascii=False) + "\n").encode()


def _read_pairs(path: Path) -> list[tuple[str, object]]:
    try:
        # Pairs, not a dict: a key that stands twice would silently win.
        pairs = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=list)
    except OSError as error:
        raise ClassError(
            f"{path} can't be read: {error.strerror}.", "Check that it is there and readable."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ClassError(
            f"{path} is no JSON: {error}.", 'Write it as {"0": "background", "1": ...}.'
        ) from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise ClassError(f"{path} is no JSON object.", 'Write it as {"0": "background", "1": ...}.')
    return pairs
