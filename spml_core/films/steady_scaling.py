"""One range of brightness for a whole film, so that it doesn't flicker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.errors import FilmError
from spml_core.films.film import Rgb
from spml_core.images.scaling import PERCENTILES, SAMPLE_PIXELS, to_rgb

SURVEYED_FRAMES = 8

Pixels = npt.NDArray[Any]


class SteadyScaling:
    """Turns a film's samples into 8-bit RGB, all frames by the same limits.

    8-bit samples stay as they are, and booleans become 0 and 255. All others are scaled between the 0.1 and 99.9
    percentiles of a few evenly chosen frames, surveyed when the first frame is asked for. Where both are equal
    the film becomes 0.

    Parameters
    ----------
    label : str
        What messages call the film.
    read : callable
        Gives the samples of a frame, (H, W, C).
    count : int
        Number of frames.
    dtype : numpy dtype
        Of the samples.
    joint_range : bool
        Whether the channels are colours, which one common range keeps in proportion.

    Raises
    ------
    FilmError
        If the samples aren't booleans, integers or floats.
    """

    def __init__(
        self, label: str, read: Callable[[int], Pixels], count: int, dtype: np.dtype[Any], joint_range: bool
    ) -> None:
        if dtype.kind not in "buif":
            raise FilmError(f"{label} holds {dtype} samples.", "Save it as integers or real numbers.")
        self._label = label
        self._read_samples = read
        self._count = count
        self._joint_range = joint_range
        self._plain = dtype in (np.uint8, bool)
        self._limits: npt.NDArray[np.float64] | None = None

    def rgb(self, index: int) -> Rgb:
        """Return a frame, (H, W, 3), uint8, with memory of its own.

        Raises
        ------
        FilmError
            If the frame holds NaN or infinite samples.
        """
        samples = self._read_samples(index)
        if samples.dtype == bool:
            samples = samples.astype(np.uint8) * np.uint8(255)
        if self._plain:
            return np.array(to_rgb(samples, None), np.uint8, order="C")
        broken = samples.size - int(np.count_nonzero(np.isfinite(samples)))
        if broken:
            raise FilmError(
                f"Frame {index} of {self._label} holds {broken} NaN or infinite samples.",
                "Replace them by real values and try again.",
            )
        if self._limits is None:
            self._limits = self._survey()
        return to_rgb(samples, self._limits)

    def _survey(self) -> npt.NDArray[np.float64]:
        """The limits, (2, C): of all channels together where they are colours, else a pair a channel."""
        chosen = np.unique(np.linspace(0, self._count - 1, SURVEYED_FRAMES).round().astype(int))
        grids: list[npt.NDArray[np.float64]] = []
        for index in chosen.tolist():
            samples = self._read_samples(index)
            height, width, channels = samples.shape
            stride = max(1, int(np.ceil(np.sqrt(height * width * len(chosen) / SAMPLE_PIXELS))))
            grids.append(samples[::stride, ::stride].reshape(-1, channels).astype(np.float64))
        grid = np.concatenate(grids)
        channels = grid.shape[1]
        if self._joint_range:
            grid = grid.reshape(-1, 1)
        limits = np.zeros((2, grid.shape[1]))
        for channel in range(grid.shape[1]):
            finite = grid[:, channel][np.isfinite(grid[:, channel])]
            if finite.size:
                limits[:, channel] = np.percentile(finite, PERCENTILES)
        return np.broadcast_to(limits, (2, channels))
