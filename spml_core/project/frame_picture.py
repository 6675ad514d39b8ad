"""A frame of a film with the interface of a picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spml_core.images import Picture
from spml_core.project.pictures import PictureRecord


class FramePicture(Picture):
    """A frame as 8-bit RGB. Nothing is read before it is asked for; windows are cut from the frame read once.

    Parameters
    ----------
    record : PictureRecord
        Of a frame.
    read : callable
        Gives the frame's pixels (H, W, 3), uint8. May be called in any thread.
    """

    def __init__(self, record: PictureRecord, read: Callable[[], npt.NDArray[np.uint8]]) -> None:
        super().__init__(record.path)
        self._record = record
        self._read = read
        self._pixels: npt.NDArray[np.uint8] | None = None

    def __repr__(self) -> str:
        return f"FramePicture({self.name!r})"

    @property
    def name(self) -> str:
        """The frame's name."""
        return self._record.name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._record.height, self._record.width

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the whole frame, (H, W, 3), uint8.

        Raises
        ------
        ProjectError
            If the film was moved or replaced.
        FilmError
            If the frame can't be decoded.
        """
        return self._read() if self._pixels is None else self._pixels.copy()

    def rgb_window(self, top: int, left: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return the part of ``rgb()`` from row ``top``, column ``left`` on: (height, width, 3), uint8.

        Raises
        ------
        PictureError
            If the window doesn't lie inside the frame.
        SpmlError
            As for ``rgb``.
        """
        self._check_window(top, left, height, width)
        if self._pixels is None:
            self._pixels = self._read()
        return self._pixels[top : top + height, left : left + width].copy()
