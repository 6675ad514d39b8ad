"""The class table and the label codes that every room shares (METHODS.md 0.2).

``0..K-1`` are classes, ``K`` is UNLABELED (takes part in every relation that needs no label) and ``255`` is IGNORE
(padding and void: takes part in nothing).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spml_core.errors import ClassError
from spml_core.spelling import is_writable, loosely, tidy

IGNORE = 255
MAX_CLASSES = 254

_DIGITS = 9
_SHOWN = 60

# Okabe and Ito's colours, told apart with any kind of colour vision, then lighter and darker relatives. The first, the
# background's, is a grey that shows on dark and on light pictures; their black comes last of the eight.
_PALETTE = (
    (153, 153, 153), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (0, 0, 0), (136, 34, 85), (17, 119, 51), (221, 204, 119), (51, 34, 136),
    (68, 170, 153), (170, 68, 153), (148, 203, 236),
)  # fmt: skip


def default_color(index: int) -> tuple[int, int, int]:
    """Colour of class ``index``: colour-blind safe for the first sixteen, well spread after that."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    # The bits of the index spread over the channels from the top down, as in PASCAL VOC's palette.
    red = green = blue = 0
    value = index
    for bit in range(7, -1, -1):
        red |= (value & 1) << bit
        green |= (value >> 1 & 1) << bit
        blue |= (value >> 2 & 1) << bit
        value >>= 3
    return red, green, blue


@dataclass(frozen=True)
class ClassInfo:
    """One class: its name and its colour (red, green, blue in 0..255)."""

    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class ClassTable:
    """The ordered classes of a project. The place in the table is the label code.

    Raises
    ------
    ClassError
        If the table is empty, too long (more than 254), or a name is empty or stands twice.
    """

    classes: tuple[ClassInfo, ...]

    def __post_init__(self) -> None:
        if not self.classes:
            raise ClassError("The class table is empty.", "Name at least two classes.")
        if len(self.classes) > MAX_CLASSES:
            raise ClassError(
                f"The class table has {len(self.classes)} classes; {MAX_CLASSES} is the most.", "Merge some."
            )
        seen: set[str] = set()
        for info in self.classes:
            if not info.name.strip():
                raise ClassError("A class has an empty name.", "Give every class a name.")
            if info.name in seen:
                raise ClassError(
                    f"The class name {info.name!r} stands twice.", "Give every class its own name."
                )
            if not is_writable(info.name):
                raise ClassError(
                    f"The class name {info.name!r} isn't UTF-8.", "Type it anew, or choose another name."
                )
            seen.add(info.name)

    @classmethod
    def from_names(cls, names: Sequence[str]) -> ClassTable:
        """Table of these names, in order, tidied, with default colours."""
        return cls(tuple(ClassInfo(tidy(name), default_color(i)) for i, name in enumerate(names)))

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in order."""
        return tuple(info.name for info in self.classes)

    @property
    def free_color(self) -> tuple[int, int, int]:
        """The first of the default colours that no class has."""
        taken = {info.color for info in self.classes}
        return next(color for color in map(default_color, itertools.count()) if color not in taken)

    @property
    def unlabeled(self) -> int:
        """The code of a pixel that nobody marked: the number of classes."""
        return len(self.classes)

    def find(self, name: str) -> int | None:
        """Code of the class that a name means; None if there is none.

        The very name comes first, then one that differs in Unicode's form or in white space around it, then one that
        differs in case or in white space inside.

        Raises
        ------
        ClassError
            If several classes are meant equally.
        """
        for same in (str, tidy, loosely):
            found = [code for code, known in enumerate(self.names) if same(known) == same(name)]
            if len(found) > 1:
                listed = " or ".join(repr(self.names[code]) for code in found)
                raise ClassError(f"{name!r} may be the class {listed}.", "Write the class's very name.")
            if found:
                return found[0]
        return None

    def index(self, word: str | int) -> int:
        """Code of a class given by its name, or by its index as a number or digits.

        Raises
        ------
        ClassError
            If there is no such class, or several may be meant. See ``find``.
        """
        found = self.find(word) if isinstance(word, str) else None
        if found is not None:  # a class may be called "2"
            return found
        text = str(word).strip()
        if text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) < len(self):
            return int(text)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise ClassError(f"Unknown class {shown!r}.", f"The classes are: {self.listed}.")

    @property
    def listed(self) -> str:
        """Numbers and names of all classes, for messages."""
        return ", ".join(f"{i} {name}" for i, name in enumerate(self.names))
