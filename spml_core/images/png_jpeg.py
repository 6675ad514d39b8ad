"""PNG and JPEG: decoded whole, upright as their Exif block says."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
from PIL import JpegImagePlugin

from spml_core.images.headers import (
    PNG_SIGNATURE,
    Header,
    jpeg_header,
    jpeg_is_complete,
    png_header,
    png_orientation,
    png_pixel_chunks,
)
from spml_core.images.pillow_sources import pillow_rgb
from spml_core.images.sources import DecodedSource, Pixels, Source, upright


class PngSource(DecodedSource):
    """PNG of any kind. Alpha is dropped; 16 bits stay 16 bits (Pillow would cut them to 8)."""

    def __init__(self, path: Path, start: bytes) -> None:
        super().__init__(path)
        header = png_header(start)
        color_channels = 1 if header.channels <= 2 else 3
        self.shape = (header.height, header.width, color_channels)
        self.dtype = np.dtype(np.uint16 if header.bits == 16 else np.uint8)

    def _decode(self) -> Pixels:
        samples: Pixels = imagecodecs.png_decode(png_pixel_chunks(self.path.read_bytes()))
        return samples


class JpegSource(DecodedSource):
    """JPEG; of a file with several pictures the first."""

    def __init__(self, path: Path, header: Header) -> None:
        super().__init__(path)
        self._channels = header.channels
        self.shape = (header.height, header.width, 1 if header.channels == 1 else 3)
        self.dtype = np.dtype(np.uint8)

    def _decode(self) -> Pixels:
        data = self.path.read_bytes()
        if not jpeg_is_complete(data):  # the decoders would fill the rest with grey, and say nothing
            raise ValueError("the file is truncated")
        if self._channels in (1, 3):
            samples: Pixels = imagecodecs.jpeg8_decode(data)
            return samples
        # Printers' colours (CMYK, YCCK): Pillow knows the way to RGB.
        return pillow_rgb(self.path, JpegImagePlugin.JpegImageFile)


def open_png(path: Path, start: bytes, *, as_stored: bool = False) -> Source:
    """Return a PNG, upright, or as it is stored; ``start`` are its first bytes."""
    source = PngSource(path, start)
    if as_stored:
        return source
    with path.open("rb") as file:
        return upright(source, png_orientation(file))


def open_jpeg(path: Path) -> Source:
    """Return a JPEG, upright."""
    header = _jpeg_header_of(path)
    return upright(JpegSource(path, header), header.orientation)


def is_png(start: bytes) -> bool:
    """Whether a file that starts like this is a PNG."""
    return start.startswith(PNG_SIGNATURE)


def is_jpeg(start: bytes) -> bool:
    """Whether a file that starts like this is a JPEG."""
    return start.startswith(b"\xff\xd8\xff")


def _jpeg_header_of(path: Path) -> Header:
    """Header of a JPEG file, reading on only when long metadata push it back."""
    with path.open("rb") as file:
        data = file.read(1 << 16)
        try:
            return jpeg_header(data)
        except ValueError:
            return jpeg_header(data + file.read())
