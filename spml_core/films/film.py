"""What every film can do, whatever it is stored as."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from spml_core.errors import FilmError
from spml_core.images import MIN_SIDE
from spml_core.images.picture import MOST_PIXELS as MOST_OF_A_PICTURE
from spml_core.wording import counted

Kind = Literal["video", "sequence", "stack", "array"]
Rgb = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]

MOST_PIXELS = MOST_OF_A_PICTURE // 2
"""Pixels of the largest frame: less than a still may have, as several are held at a time."""

MOST_AT_ONCE = 3 * MOST_PIXELS
"""Bytes of samples that may be read at once to get a frame."""

MOST_FRAMES = 10_000_000
"""Frames of the longest film: at 100 a second, more than a day."""


class Film(ABC):
    """Frames in order of time, each read when asked, always as 8-bit RGB.

    Attributes
    ----------
    path : Path or None
        The file or folder; None for an array in memory.
    kind : {"video", "sequence", "stack", "array"}
        Video file, folder of pictures, TIFF stack, array (zarr, dask or numpy).
    count : int
        Number of frames that can be read, at least 1. Frames are numbered from 0.
    size : (int, int)
        Height and width in pixels, the same for every frame, upright.
    frame_rate : float or None
        Mean frames a second; None where the film doesn't say.
    times : ndarray (count,), float64
        Seconds from the first frame; without a frame rate one second a frame.
    variable_rate : bool
        Whether the gaps between frames differ.
    warnings : tuple of str
        What a user should know, such as frames lost at the end of a cut-off file.
    """

    _closed = True  # until there is something to close

    def __init__(
        self,
        path: Path | None,
        kind: Kind,
        size: tuple[int, int],
        times: Times,
        *,
        frame_rate: float | None,
        variable_rate: bool = False,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self.kind: Kind = kind
        self.size = size
        self.count = len(times)
        self.times = times
        self.frame_rate = frame_rate
        self.variable_rate = variable_rate
        self.warnings = warnings
        self._closed = False

    @property
    def label(self) -> str:
        """What messages call the film."""
        return str(self.path)

    def frame(self, index: int) -> Rgb:
        """Return one frame, (H, W, 3), uint8; the caller may write to it.

        Raises
        ------
        FilmError
            If there is no such frame, or it can't be read.
        """
        if self._closed:
            raise FilmError(f"{self.label} has been closed.", "Open the film again.")
        if not 0 <= index < self.count:
            raise FilmError(
                f"{self.label} has no frame {index}; it has {self.count}, numbered from 0.",
                f"Ask for 0 to {self.count - 1}.",
            )
        return self._read(int(index))

    @abstractmethod
    def _read(self, index: int) -> Rgb:
        """Read a frame that is known to exist."""

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Rgb]]:
        """Yield ``(index, frame)`` for the indices of ``range(start, stop, step)``.

        Reading in order is quick, backward (``step=-1``, with ``stop=-1`` to reach frame 0) too.

        Parameters
        ----------
        start, stop, step : int
            As for ``range``. Without a stop: to the end, or to frame 0 where the step is negative.

        Raises
        ------
        FilmError
            As for ``frame``, and if the step is 0.
        """
        if step == 0:
            raise FilmError("The step between frames is 0.", "Give 1 for forward, -1 for backward.")
        if stop is None:
            stop = self.count if step > 0 else -1
        for index in range(start, stop, step):
            yield index, self.frame(index)

    def stem(self, index: int) -> str | None:
        """File stem of a frame in a sequence; None for other films."""
        return None

    def close(self) -> None:
        """Let go of files and kept frames; reading is over. Closing twice does no harm."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        height, width = self.size
        return f"{type(self).__name__}({self.label!r}, {counted(self.count, 'frame')} of {height} x {width})"


def even_times(count: int, frame_rate: float | None) -> Times:
    """Seconds of ``count`` frames at an even rate, from 0: (count,), float64."""
    return np.arange(count, dtype=np.float64) / (frame_rate or 1.0)


def checked_rate(frame_rate: float | None) -> float | None:
    """Return the frame rate as a float.

    Raises
    ------
    FilmError
        If it isn't a finite number above 0.
    """
    if frame_rate is None:
        return None
    if not (math.isfinite(frame_rate) and frame_rate > 0):
        raise FilmError(
            f"{frame_rate} frames a second make no film.", "Give a frame rate above 0, such as 25."
        )
    return float(frame_rate)


def check_size(label: str, size: tuple[int, int], piece: int = 0) -> None:
    """Raise a FilmError if frames of this height and width are too small to see anything in, or too large to hold.

    ``piece``: bytes that have to be decoded at once to get one.
    """
    if min(size) < MIN_SIDE:
        raise FilmError(
            f"The frames of {label} are {size[0]} x {size[1]} pixels; {MIN_SIDE} x {MIN_SIDE} is the least.",
            "Enlarge them, or check the order of the axes: time, height, width, colour.",
        )
    if size[0] * size[1] > MOST_PIXELS:
        raise FilmError(
            f"The frames of {label} are {size[0]} x {size[1]} pixels; {MOST_PIXELS / 1e9:.1f} billion are the most.",
            "Cut them into smaller ones, or check the order of the axes: time, height, width, colour.",
        )
    if piece > MOST_AT_ONCE:
        raise FilmError(
            f"To read a frame of {label}, {piece / 1e9:.1f} GB have to be decoded at once;"
            f" {MOST_AT_ONCE / 1e9:.1f} GB are the most.",
            "Save the film in smaller pieces, such as one chunk for each frame.",
        )


def check_count(label: str, count: int) -> None:
    """Raise a FilmError if there is no frame, or more than can be numbered in memory."""
    if count < 1:
        raise FilmError(f"{label} holds no frame.", "Choose a film with at least one.")
    if count > MOST_FRAMES:
        raise FilmError(
            f"{label} says it has {counted(count, 'frame')}; {MOST_FRAMES} are the most.",
            "Cut it into several films, or check the order of the axes: time, height, width, colour.",
        )
