"""Pixels as a file stores them, whole or by window: what every format's class has in common.

Each raises whatever its decoder raises; ``Picture`` turns that into a PictureError with the file's name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]

_WIDE_BAND = 64 << 20


class Source(Protocol):
    """A picture's stored samples."""

    shape: tuple[int, int, int]
    """Height, width (as a person sees them) and channels."""
    dtype: np.dtype[Any]
    joint_range: bool
    """Whether the channels are colours, which one common scaling must keep in proportion."""
    band: int
    """Rows that are cheap to read together."""
    notes: tuple[str, ...]
    """What of the file isn't shown, as the end of a sentence about it."""

    @property
    def piece(self) -> int:
        """Bytes of samples that have to be decoded at once, at least."""
        ...

    def window(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return the samples (height, width, C) of a window inside the picture; not to be written to."""
        ...


class DecodedSource:
    """A source that can only be decoded whole: the first window pays, and keeps the samples."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    joint_range = True
    band = 256
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._samples: Pixels | None = None

    @property
    def piece(self) -> int:
        """Bytes of all samples."""
        return math.prod(self.shape) * self.dtype.itemsize

    def window(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return samples (height, width, C); the first time all are decoded, and kept."""
        if self._samples is None:
            samples = self._decode()
            if samples.shape[:2] != self.shape[:2]:
                raise ValueError(f"the header says {self.shape[:2]}, the pixels are {samples.shape[:2]}")
            self._samples = samples.reshape(*self.shape[:2], -1)[..., : self.shape[2]]
        return self._samples[top : top + height, left : left + width]

    def _decode(self) -> Pixels:
        """All samples, at least as many channels as ``shape`` says."""
        raise NotImplementedError


class Upright:
    """A source whose pixels lie on their side or mirrored in the file, as a person sees it.

    Parameters
    ----------
    stored : Source
        As it lies in the file.
    orientation : int
        2 to 8, as Exif and TIFF count.
    """

    def __init__(self, stored: Source, orientation: int) -> None:
        self._stored = stored
        self._orientation = orientation
        height, width, channels = stored.shape
        self.shape = (width, height, channels) if orientation >= 5 else stored.shape
        self.dtype, self.joint_range = stored.dtype, stored.joint_range
        self.band, self.piece, self.notes = stored.band, stored.piece, stored.notes
        if orientation >= 5:
            # A band of rows crosses all bands of the file: better few wide ones.
            self.band = max(256, _WIDE_BAND // (math.prod(self.shape[1:]) * self.dtype.itemsize))

    def window(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return samples (height, width, C), a view of what the file's own window gives."""
        if self._orientation in (3, 4, 7, 8):
            top = self.shape[0] - top - height
        if self._orientation in (2, 3, 6, 7):
            left = self.shape[1] - left - width
        if self._orientation >= 5:
            top, left, height, width = left, top, width, height
        return turned(self._stored.window(top, left, height, width), self._orientation)


def upright(source: Source, orientation: int) -> Source:
    """Return a source as a person sees it, by its orientation 1 to 8; others count as 1."""
    return Upright(source, orientation) if 2 <= orientation <= 8 else source


def turned(samples: Pixels, orientation: int) -> Pixels:
    """Return samples (H, W, C) turned and mirrored as orientation 1 to 8 asks; a view."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
