"""Facts from the first bytes of PNG and JPEG files, without decoding a pixel.

Sources: the PNG specification (chunks), ITU T.81 (JPEG markers) and Exif 2.3 (orientation).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_ORIENTATION_TAG = 0x0112


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
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(body[6:])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if len(body) < 6:
                break
            bits, height, width, channels = struct.unpack_from(">BHHB", body)
            return Header(height, width, channels, bits, orientation)
        at += 2 + length
    raise ValueError("the JPEG header is cut off")


def jpeg_is_complete(data: bytes) -> bool:
    """Whether an end marker follows the last scan.

    Inside a scan every 0xFF is followed by a stuffed zero or a restart marker, so neither word occurs there
    by chance; an embedded thumbnail has both, and the picture's own scan comes after it.
    """
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _exif_orientation(exif: bytes) -> int:
    """Orientation 1 to 8 from an Exif block; 1 where it is missing or damaged."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
