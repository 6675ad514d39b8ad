"""Facts about PNG and JPEG files, without decoding a pixel.

Sources: the PNG specification (chunks), ITU T.81 (JPEG markers) and Exif 2.3 (orientation).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_PNG_MOST_TEXT = 1 << 20
_ORIENTATION_TAG = 0x0112
_EXIF_PREFIX = b"Exif\0\0"

# In a scan 0xFF is followed by a stuffed zero, a restart marker or another 0xFF; by anything else at its end.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


@dataclass(frozen=True)
class Header:
    """Height and width as stored, samples a pixel once decoded, bits a sample, Exif orientation (1 to 8)."""

    height: int
    width: int
    channels: int
    bits: int
    orientation: int = 1


def png_header(data: bytes) -> Header:
    """Header of a PNG from its first 26 bytes; a palette counts as three channels.

    Raises
    ------
    ValueError
        If the bytes aren't the start of a PNG.
    """
    if len(data) < 26 or not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise ValueError("the PNG header is cut off or damaged")
    width, height, bits, color = struct.unpack(">IIBB", data[16:26])
    if color not in _PNG_CHANNELS:
        raise ValueError(f"PNG colour type {color} doesn't exist")
    return Header(height, width, _PNG_CHANNELS[color], bits)


def png_pixel_chunks(data: bytes) -> bytes:
    """Return the PNG with only the chunks that hold pixels.

    libpng prints complaints about damaged colour profiles and the like to the terminal; it can't about chunks
    that aren't there. Transparency goes too: a palette then decodes to RGB.

    Raises
    ------
    ValueError
        If the file ends before its last chunk.
    """
    view = memoryview(data)
    parts: list[bytes | memoryview] = [PNG_SIGNATURE]
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        if kind in _PNG_PIXEL_CHUNKS:
            parts.append(view[at:end])
        if kind == b"IEND":
            return b"".join(parts)
        at = end
    raise ValueError("the file is truncated")


def jpeg_header(data: bytes) -> Header:
    """Header of a JPEG, walking its markers up to the frame header.

    Raises
    ------
    ValueError
        If the bytes end, or stop making sense, before the frame header.
    """
    at, orientation = 2, 1
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("the JPEG markers are damaged")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE1 and body.startswith(_EXIF_PREFIX):
            orientation = exif_orientation(body)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if len(body) < 6:
                break
            bits, height, width, channels = struct.unpack_from(">BHHB", body)
            return Header(height, width, channels, bits, orientation)
        at += 2 + length
    raise ValueError("the JPEG header is cut off")


def jpeg_is_complete(data: bytes) -> bool:
    """Whether the picture's own end marker is there; what lies behind it (a film, other pictures) doesn't matter.

    Where the markers before the end are damaged, an end marker behind the last start of a scan counts as well.
    """
    return _jpeg_end(data) is not None or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _jpeg_end(data: bytes) -> int | None:
    """Where the first picture in a JPEG file ends, walking its markers and scans; None if they don't lead there."""
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xD9:
            return at + 2
        if at + 4 > len(data):
            return None
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
        if marker == 0xDA:
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                return None
            at = found.start()
    return None


def png_orientation(file: BinaryIO) -> int:
    """Exif orientation 1 to 8 of a PNG, open for reading; 1 where it says nothing or is damaged.

    It is in a chunk eXIf, before or after the pixels; ImageMagick writes it as text in hexadecimal digits.
    Chunks are passed over, not read.
    """
    at = len(PNG_SIGNATURE)
    while True:
        file.seek(at)
        start = file.read(8)
        if len(start) < 8:
            return 1
        (length,), kind = struct.unpack(">I", start[:4]), start[4:]
        if kind == b"IEND":
            return 1
        if kind == b"eXIf":
            return exif_orientation(file.read(min(length, _PNG_MOST_TEXT)))
        if kind in (b"zTXt", b"tEXt") and length <= _PNG_MOST_TEXT:
            keyword, _, text = file.read(length).partition(b"\0")
            if keyword in (b"Raw profile type exif", b"Raw profile type APP1"):
                return _raw_profile_orientation(text, compressed=kind == b"zTXt")
        at += 12 + length


def _raw_profile_orientation(text: bytes, compressed: bool) -> int:
    """Orientation from ImageMagick's text: a name, a length, and the Exif block in hexadecimal digits."""
    try:
        plain = zlib.decompressobj().decompress(text[1:], 4 * _PNG_MOST_TEXT) if compressed else text
        return exif_orientation(bytes.fromhex(b"".join(plain.split()[2:]).decode("ascii")))
    except (zlib.error, ValueError):
        return 1


def exif_orientation(exif: bytes) -> int:
    """Orientation 1 to 8 from an Exif block; 1 where it is missing or damaged."""
    exif = exif.removeprefix(_EXIF_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(count):
            place = directory + 2 + 12 * entry
            tag, kind = struct.unpack_from(order + "HH", exif, place)
            if tag == _ORIENTATION_TAG and kind in (3, 4):
                (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), exif, place + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
