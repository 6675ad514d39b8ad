"""Opening a TIFF whose list of pages comes to an end."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import tifffile

# tifffile logs damaged tags; without a handler Python would print them between the lines of a progress bar.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MOST_PAGES = 10_000_000

# By the first four bytes: byte order, where the first page is said to be, format of places, of the number of tags,
# and bytes of a tag. TIFF 6.0, and the same with places of 8 bytes (BigTIFF).
_FORMATS = {
    b"II*\0": ("<", 4, "I", "H", 12),
    b"MM\0*": (">", 4, "I", "H", 12),
    b"II+\0": ("<", 8, "Q", "Q", 20),
    b"MM\0+": (">", 8, "Q", "Q", 20),
}


def open_pages(path: Path) -> tifffile.TiffFile:
    """Open a TIFF file with tifffile, once it is known that each page names one that wasn't before.

    Raises
    ------
    ValueError
        If the pages go round in a circle: tifffile would read them for ever.
    Exception
        Whatever else tifffile finds wrong.
    """
    _refuse_circles(path)
    return tifffile.TiffFile(path)


def _refuse_circles(path: Path) -> None:
    with path.open("rb") as file:
        known = _FORMATS.get(file.read(4))
        if known is None:
            return
        order, first, place, number, tag_bytes = known
        place_bytes, number_bytes = struct.calcsize(place), struct.calcsize(number)
        file.seek(first)
        seen: set[int] = set()
        word = file.read(place_bytes)
        while len(word) == place_bytes:
            (at,) = struct.unpack(order + place, word)
            if at == 0:
                return
            if at in seen or len(seen) >= _MOST_PAGES:
                raise ValueError("its list of pages has no end")
            seen.add(at)
            file.seek(at)
            count = file.read(number_bytes)
            if len(count) < number_bytes:
                return  # tifffile stops there, too
            (tags,) = struct.unpack(order + number, count)
            if tags > 4096:
                return
            file.seek(at + number_bytes + tags * tag_bytes)
            word = file.read(place_bytes)
