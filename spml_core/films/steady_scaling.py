"""One range of brightness for a whole film, so that it doesn't flicker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.errors import FilmError
from spml_core.films.film import Rgb
from spml_core.images.scaling import SAMPLE_PIXELS, Range, Survey, as_stored, needs_survey, to_rgb

SURVEYED_FRAMES = 8

MORE_FRAMES = 256
"""Where the surveyed frames are all of one brightness and another frame isn't, so many are surveyed."""

_ROWS = 256

Pixels = npt.NDArray[Any]


class SteadyScaling:
    """Turns a film's samples into 8-bit RGB, all frames alike.

    8-bit samples stay as they are, and booleans become 0 and 255. All others are scaled between the 0.1 and 99.9
    percentiles of a few evenly chosen frames (or a wider range where these are equal or nearly so), surveyed when
    the first frame is asked for. Of more than three channels that aren't colours the three brightest are shown.

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
        self._dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype
        self._range: Range | None = None
        self._surveyed = 0

    def rgb(self, index: int) -> Rgb:
        """Return a frame, (H, W, 3), uint8, with memory of its own.

        Raises
        ------
        FilmError
            If the frame holds NaN or infinite samples.
        """
        samples = self._samples(index)
        if samples.dtype.kind == "f":
            broken = samples.size - int(np.count_nonzero(np.isfinite(samples)))
            if broken:
                raise FilmError(
                    f"Frame {index} of {self._label} holds {broken} NaN or infinite samples.",
                    "Replace them by real values and try again.",
                )
        shown = self._range_for(samples)
        out = np.empty((*samples.shape[:2], 3), np.uint8)
        # Piece by piece: on the way to 8 bits they need many times the memory.
        for top in range(0, len(samples), _ROWS):
            out[top : top + _ROWS] = to_rgb(samples[top : top + _ROWS], shown)
        return out

    def _samples(self, index: int) -> Pixels:
        samples = self._read_samples(index)
        return samples.astype(np.uint8) * np.uint8(255) if samples.dtype == bool else samples

    def _range_for(self, samples: Pixels) -> Range:
        """The film's range; nothing is surveyed where none is needed."""
        channels = samples.shape[-1]
        if (self._joint_range and self._dtype == np.uint8) or not needs_survey(self._dtype, channels):
            return as_stored(channels)
        if self._range is None:
            self._range = self._survey(SURVEYED_FRAMES)
        if self._surveyed < min(MORE_FRAMES, self._count) and _leaves(samples, self._range):
            # Every frame seen so far is flat and this one isn't: the range comes from as many as can be afforded.
            self._range = self._survey(MORE_FRAMES)
        return self._range

    def _survey(self, most: int) -> Range:
        chosen = np.unique(np.linspace(0, self._count - 1, most).round().astype(int))
        self._surveyed = most
        seen: Survey | None = None
        for index in chosen.tolist():
            samples = self._samples(index)
            height, width, channels = samples.shape
            seen = Survey(channels) if seen is None else seen
            seen.see(samples, max(1, int(np.ceil(np.sqrt(height * width * len(chosen) / SAMPLE_PIXELS)))))
        assert seen is not None  # a film has a frame
        return seen.range(self._dtype, self._joint_range)


def _leaves(samples: Pixels, shown: Range) -> bool:
    """Whether some samples lie outside the limits of channels that are flat by them."""
    if shown.limits is None:
        return False
    low, high = shown.limits
    flat = np.flatnonzero(high <= low)
    return any(bool((samples[..., c] != low[c]).any()) for c in flat.tolist())
