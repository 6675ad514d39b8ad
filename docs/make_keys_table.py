"""Write the window's keys into the tutorial, between its two comments: python docs/make_keys_table.py.

A test compares the two, so that the table can't go stale.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from spml_napari.shortcuts import SHORTCUTS

TUTORIAL = Path(__file__).with_name("tutorial.md")
_PLACE = re.compile(r"(<!-- keys: [^\n]* -->\n).*(<!-- end of keys -->)", re.DOTALL)
_NAMES = {"Left": "←", "Right": "→", "Return": "Enter"}


def keys_table() -> str:
    """All shortcuts as a Markdown table, in the order of the program."""
    rows = [f"| {_in_words(shortcut.keys)} | {shortcut.text} |" for shortcut in SHORTCUTS]
    return "\n".join(["| key | what it does |", "|---|---|", *rows])


def with_keys(text: str) -> str:
    """The tutorial's text with today's table in it."""
    new, count = _PLACE.subn(lambda found: f"{found[1]}{keys_table()}\n{found[2]}", text)
    if count != 1:
        raise ValueError(f"the tutorial has {count} places for the table of keys, not one")
    return new


def _in_words(keys: tuple[str, ...]) -> str:
    """Keys that do the same, ``"1"`` to ``"9"`` as a range."""
    words: list[str] = []
    for digits, group in groupby(keys, str.isdigit):
        run = list(group)
        words += (
            [f"{_key(run[0])} to {_key(run[-2])}", _key(run[-1])]
            if digits and len(run) > 3
            else map(_key, run)
        )
    return ", ".join(words)


def _key(key: str) -> str:
    parts = key.split("+")
    return "+".join(f"<kbd>{_NAMES.get(part, part)}</kbd>" for part in parts)


if __name__ == "__main__":
    TUTORIAL.write_text(with_keys(TUTORIAL.read_text(encoding="utf-8")), encoding="utf-8")
