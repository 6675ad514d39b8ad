"""Pixels as the file stores them, whole or by window: one class a format, all with the same four words.

Each raises whatever its decoder raises; ``Picture`` turns that into a PictureError with the file's name.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import JpegImagePlugin, TiffImagePlugin

from spml_core.images.headers import (
    PNG_SIGNATURE,
    Header,
    jpeg_header,
    jpeg_is_complete,
    png_header,
    png_pixel_chunks,
)

Pixels = npt.NDArray[Any]


class Source(Protocol):
    """A picture's stored samples."""

    shape: tuple[int, int, int]
    """Height, width (as a person sees them) and channels."""
    dtype: np.dtype[Any]
    joint_range: bool
    """Whether the channels are colours, which one common scaling must keep in proportion."""
    band: int
    """Rows that are cheap to read together."""

    def window(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return the samples (height, width, C) of a window inside the picture; not to be written to."""
        ...


class _Decoded:
    """A source that can only be decoded whole: the first window pays, and keeps the samples."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    joint_range = True
    band = 256

    def __init__(self, path: Path) -> None:
        self.path = path
        self._samples: Pixels | None = None

    def window(self, top: int, left: int, height: int, width: int) -> Pixels:
        if self._samples is None:
            samples = self._decode()
            if samples.shape[:2] != self.shape[:2]:
                raise ValueError(f"the header says {self.shape[:2]}, the pixels are {samples.shape[:2]}")
            self._samples = samples.reshape(*self.shape[:2], -1)[..., : self.shape[2]]
        return self._samples[top : top + height, left : left + width]

    def _decode(self) -> Pixels:
        """All samples, upright, at least as many channels as ``shape`` says."""
        raise NotImplementedError


class PngSource(_Decoded):
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


class JpegSource(_Decoded):
    """JPEG, turned upright as its Exif orientation says."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.header = _jpeg_header_of(path)
        height, width = self.header.height, self.header.width
        if self.header.orientation >= 5:
            height, width = width, height
        self.shape = (height, width, 1 if self.header.channels == 1 else 3)
        self.dtype = np.dtype(np.uint8)

    def _decode(self) -> Pixels:
        data = self.path.read_bytes()
        if not jpeg_is_complete(data):  # the decoders would fill the rest with grey, and say nothing
            raise ValueError("the file is truncated")
        if self.header.channels in (1, 3):
            return _upright(imagecodecs.jpeg8_decode(data), self.header.orientation)
        # Printers' colours (CMYK, YCCK): Pillow knows the way to RGB.
        return _upright(_pillow_rgb(self.path, JpegImagePlugin.JpegImageFile), self.header.orientation)


class PillowTiffSource(_Decoded):
    """TIFF in a colour space (CMYK, Lab, YCbCr) that must be turned into RGB."""

    def __init__(self, path: Path, height: int, width: int) -> None:
        super().__init__(path)
        self.shape = (height, width, 3)
        self.dtype = np.dtype(np.uint8)

    def _decode(self) -> Pixels:
        return _pillow_rgb(self.path, TiffImagePlugin.TiffImageFile)


def is_png(start: bytes) -> bool:
    """Whether a file that starts like this is a PNG."""
    return start.startswith(PNG_SIGNATURE)


def is_jpeg(start: bytes) -> bool:
    """Whether a file that starts like this is a JPEG."""
    return start.startswith(b"\xff\xd8\xff")


def is_tiff(start: bytes) -> bool:
    """Whether a file that starts like this is a TIFF or BigTIFF."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _jpeg_header_of(path: Path) -> Header:
    """Header of a JPEG file, reading on only when long metadata push it back."""
    with path.open("rb") as file:
        data = file.read(1 << 16)
        try:
            return jpeg_header(data)
        except ValueError:
            return jpeg_header(data + file.read())


def _upright(samples: Pixels, orientation: int) -> Pixels:
    """Return the samples turned and mirrored as Exif orientation 1 to 8 asks; a view."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _pillow_rgb(path: Path, reader: Any) -> Pixels:
    """Return a picture decoded to RGB by one of Pillow's own readers.

    Opening it by its class passes by ``Image.open``'s limit on the number of pixels: the pictures are the
    user's own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with path.open("rb") as file, reader(file) as image:
            return np.asarray(image.convert("RGB"))
