"""When two names are the same one, however they are written: the one place that says so.

Unicode has two forms of many letters: composed, as keyboards type them, and decomposed, as some file systems keep them.
Both look alike, and so do a space and a space that no line breaks at.
"""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache

_SPACE = 32  # what comes before it are control characters
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
)
"""What Windows takes for devices, with any ending."""
_INVISIBLE = "\u200b\u2060\ufeff"
"""Characters without width that Unicode doesn't count among white space."""


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=4096)
def tidy(name: str) -> str:
    """A name as it is kept: composed, without white space around it."""
    name = composed(name)
    while (bare := name.strip().strip(_INVISIBLE)) != name:
        name = bare
    return name


@lru_cache(maxsize=4096)
def loosely(name: str) -> str:
    """What names share that differ only in case, in white space or in Unicode's form."""
    return composed(" ".join(tidy(name).casefold().split()))


def is_file_part(name: str) -> bool:
    """Whether a name can be part of a file's name, and can't lead out of its folder, here or on Windows."""
    if name in ("", ".", "..") or any(letter in "/\\" or ord(letter) < _SPACE for letter in name):
        return False
    return os.name != "nt" or not (
        any(letter in '<>:"|?*' for letter in name) or name.split(".")[0].strip().upper() in _DEVICES
    )


def printable(text: str) -> str:
    """The text as any screen, log and file takes it: bytes of a name that isn't UTF-8 are spelled out."""
    return text.encode(errors="backslashreplace").decode()


def is_writable(name: str) -> bool:
    """Whether a name can be written as UTF-8: that of a file in another encoding can't."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
