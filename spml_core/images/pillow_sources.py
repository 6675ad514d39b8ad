"""What Pillow decodes for us: BMP, GIF and WebP, and pictures in colours other than RGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin

from spml_core.images.headers import exif_orientation
from spml_core.images.sources import DecodedSource, Pixels, Source, upright


class PillowTiffSource(DecodedSource):
    """TIFF in a colour space (CMYK, Lab, YCbCr) that must be turned into RGB; as it lies in the file.

    Parameters
    ----------
    path : Path
    height, width : int
    kind : str
        What its colours and its compression are called.
    orientation : (bytes, int) or None
        What to write over the value of the orientation tag, and where: Pillow turns some TIFF upright and some twice.
    """

    def __init__(
        self, path: Path, height: int, width: int, kind: str, orientation: tuple[bytes, int] | None
    ) -> None:
        super().__init__(path)
        self._orientation = orientation
        self.shape = (height, width, 3)
        self.dtype = np.dtype(np.uint8)
        self._kind = kind

    def _decode(self) -> Pixels:
        try:
            data = bytearray(self.path.read_bytes())
            if self._orientation is not None:
                value, at = self._orientation
                data[at : at + len(value)] = value
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
                    return np.asarray(image.convert("RGB"))
        # An odd mixture of colours and compression makes Pillow raise anything, in words of its own.
        except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"its {self._kind} pixels can't be turned into RGB ({error})") from error


class PillowSource(DecodedSource):
    """BMP, GIF or WebP; of an animation the first frame. Transparency is dropped."""

    def __init__(self, path: Path, reader: Any) -> None:
        super().__init__(path)
        self._reader = reader
        with opened(path, reader) as image:
            self.shape = (image.height, image.width, 3)
            self.orientation = exif_orientation(image.info.get("exif") or b"")
            if getattr(image, "is_animated", False):
                self.notes = ("is an animation, of which the first frame is shown",)
        self.dtype = np.dtype(np.uint8)

    def _decode(self) -> Pixels:
        return pillow_rgb(self.path, self._reader)


def open_other(path: Path, start: bytes) -> Source | None:
    """Return a BMP, GIF or WebP, upright; None if a file that starts like this is none."""
    reader = reader_of(start)
    if reader is None:
        return None
    source = PillowSource(path, reader)
    return upright(source, source.orientation)


def reader_of(start: bytes) -> Any:
    """Return Pillow's reader for a BMP, GIF or WebP by its first 16 bytes; None for all other files."""
    if start.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile
    if start.startswith((b"GIF87a", b"GIF89a")):
        return GifImagePlugin.GifImageFile
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    return None


@contextmanager
def opened(path: Path, reader: Any) -> Iterator[Image.Image]:
    """Open a picture by one of Pillow's readers.

    That passes by ``Image.open``'s limit on the number of pixels: ours is another.
    """
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        with reader(file) as image:
            yield image


def pillow_rgb(path: Path, reader: Any) -> Pixels:
    """Return a picture decoded to RGB by one of Pillow's readers."""
    with opened(path, reader) as image:
        return np.asarray(image.convert("RGB"))
