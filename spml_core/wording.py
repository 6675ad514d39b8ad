"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, word: str, words: str = "") -> str:
    """A number and what it counts: ``1 picture``, ``1,200 pictures``; ``words`` where an s isn't enough."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"
