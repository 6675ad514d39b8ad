"""Masks as COCO's run lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import MarkError
from spml_core.io.imports.json_values import as_numbers, as_object, shown

_MOST_PIXELS = 1 << 22
"""Of a body part's mask; published are 256 x 256."""


def run_length_mask(where: str, value: object, most: int = _MOST_PIXELS) -> NDArray[np.bool_]:
    """Mask (h, w) from COCO's run lengths, as a list or packed into text.

    The runs of pixels outside, inside, outside, ... go down the columns. In text each is a number in base 32,
    lowest digit first, one character of 6 bits from ``0`` on for each, the sixth bit telling that more
    follow; from the fourth run on it is the difference to the one two before.

    Parameters
    ----------
    where : str
        What it is of, for errors.
    value : object
        ``{"size": [height, width], "counts": ...}``.
    most : int
        Pixels that the mask may have.

    Raises
    ------
    MarkError
        If the runs aren't of this form, or don't fill the mask; it begins with ``where``.
    """
    fields = as_object(where, value)
    height, width = (int(number) for number in as_numbers(where, "size", fields.get("size"), 2))
    counts = fields.get("counts")
    runs = (
        _unpacked(counts)
        if isinstance(counts, str)
        else [int(run) for run in as_numbers(where, "counts", counts)]
    )
    if not (
        height > 0
        and width > 0
        and height * width <= most
        and min(runs, default=-1) >= 0
        and sum(runs) == height * width
    ):
        raise MarkError(
            f"{where}: the run lengths {shown(counts)} don't fill {height} x {width} pixels.",
            "Export it anew.",
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    runs: list[int] = []
    value = digits = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or digits > 6:
            return []
        value |= (code & 31) << (5 * digits)
        digits += 1
        if not code & 32:
            if code & 16:  # the highest bit of the last digit is the sign
                value -= 1 << (5 * digits)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = digits = 0
    return [] if digits else runs
