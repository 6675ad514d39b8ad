"""From stored samples to 8-bit RGB: a robust range of brightness, and three channels from any number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.images.sources import Pixels, Source

PERCENTILES = (0.1, 99.9)
SAMPLE_PIXELS = 1 << 20

_WIDER = (0.01, 99.99)
_SHOWN = 3

# A range of so few steps of an integer type, or of so small a part of a float's value, is noise or rounding.
_INTEGER_STEPS = 2
_FLOAT_PART = 1e-6
# How much wider the wider percentiles must be to show that the narrow ones left something out.
_MUCH_WIDER = 16

Limits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """Which channels are shown, and which of their samples become 0 and 255.

    Attributes
    ----------
    limits : ndarray (2, C) or None
        The samples shown as 0 and as 255, a pair for each of all channels; None for 8-bit samples, which stay.
    channels : tuple of int
        The channels that are shown, in their order: the three brightest of more than three.
    """

    limits: Limits | None
    channels: tuple[int, ...]


class Survey:
    """Collects what a range is chosen by: the samples of a regular grid, and the extremes of all samples."""

    def __init__(self, channels: int) -> None:
        self.broken = 0
        self._grid: list[npt.NDArray[np.float64]] = []
        self._low = np.full(channels, np.inf)
        self._high = np.full(channels, -np.inf)

    def see(self, samples: Pixels, stride: int) -> None:
        """Take in samples (H, W, C) whose first pixel is on the grid."""
        flat = samples.reshape(-1, samples.shape[-1])
        if samples.dtype.kind == "f":
            finite = np.isfinite(flat)
            missing = int(flat.size - np.count_nonzero(finite))
            self.broken += missing
            if missing:
                lowest = np.where(finite, flat, np.inf).min(axis=0)
                flat = np.where(finite, flat, -np.inf)
                self._low = np.minimum(self._low, lowest)
                self._high = np.maximum(self._high, flat.max(axis=0))
        if samples.dtype.kind != "f" or not missing:
            self._low = np.minimum(self._low, flat.min(axis=0))
            self._high = np.maximum(self._high, flat.max(axis=0))
        grid = samples[::stride, ::stride].reshape(-1, samples.shape[-1])
        self._grid.append(grid.astype(np.float64))

    def range(self, dtype: np.dtype[Any], joint: bool) -> Range:
        """Choose the range.

        Parameters
        ----------
        dtype : numpy dtype
            Of the samples. Those of 8 bits aren't scaled.
        joint : bool
            Whether the channels are colours, which share one pair of limits.
        """
        grid = np.concatenate(self._grid)
        count = grid.shape[1]
        if joint:
            pairs = [
                _limits(grid.reshape(-1), float(self._low.min()), float(self._high.max()), dtype)
            ] * count
        else:
            pairs = [
                _limits(grid[:, channel], float(self._low[channel]), float(self._high[channel]), dtype)
                for channel in range(count)
            ]
        limits = np.array(pairs, np.float64).T.reshape(2, count)
        shown = tuple(range(count))
        if count > _SHOWN:
            # Of equally bright ones the first.
            brightest = np.argsort(-limits[1], kind="stable")[:_SHOWN]
            shown = tuple(sorted(int(channel) for channel in brightest)) if not joint else (0, 1, 2)
        return Range(None if dtype == np.uint8 else limits, shown)


def _limits(values: npt.NDArray[np.float64], lowest: float, highest: float, dtype: np.dtype[Any]) -> Limits:
    """The pair of limits of one channel's grid, whose extremes over all pixels are known.

    The 0.1 and 99.9 percentiles. A picture that is dark but for a few spots has both on the dark: then the widest
    range is taken. Where they are but a step or two apart it is noise or rounding that they show: then a wider range
    is taken, too, if it is much wider.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        # All of the grid is broken, or there is none.
        return np.array([lowest, highest] if lowest <= highest else [0.0, 0.0])
    low, high, lower, higher = np.percentile(finite, (*PERCENTILES, *_WIDER))
    least = _FLOAT_PART * max(abs(low), abs(high)) if dtype.kind == "f" else float(_INTEGER_STEPS)
    with np.errstate(over="ignore"):
        span = high - low
        if span > least:
            return np.array([low, high])
        for wide in ((lower, higher), (lowest, highest)):
            if wide[1] - wide[0] > max(least, _MUCH_WIDER * span):
                return np.array(wide)
    return np.array([low, high] if span > 0 else [lowest, highest])


def survey(source: Source) -> tuple[Range, int]:
    """One pass over a picture: the range to show, and how many samples aren't finite.

    Parameters
    ----------
    source : Source
        Samples of any real type, (H, W, C).

    Returns
    -------
    range : Range
        From the 0.1 and 99.9 percentiles of the finite samples on a regular grid of about a million pixels, or a wider
        range where these are equal or nearly so: one common pair for the channels of a colour picture, one pair a
        channel otherwise.
    broken : int
        NaN and infinite samples in the whole picture.
    """
    height, width, channels = source.shape
    stride = max(1, int(np.ceil(np.sqrt(height * width / SAMPLE_PIXELS))))
    seen = Survey(channels)
    # Bands start on multiples of the stride, so the grid is the same however the picture is cut.
    band = -(-source.band // stride) * stride
    for top in range(0, height, band):
        seen.see(source.window(top, 0, min(band, height - top), width), stride)
    return seen.range(source.dtype, source.joint_range), seen.broken


def needs_survey(dtype: np.dtype[Any], channels: int) -> bool:
    """Whether samples can't be shown without having seen all of them: they need a range, or a choice of channels."""
    return dtype != np.uint8 or channels > _SHOWN


def channels_note(count: int) -> str | None:
    """What is to be said of a picture with so many channels; None of up to three."""
    if count <= _SHOWN:
        return None
    return f"has {count} channels: the brightest three are shown, the others left out"


def as_stored(channels: int) -> Range:
    """The range of 8-bit samples in up to three channels."""
    return Range(None, tuple(range(min(channels, _SHOWN))))


def to_rgb(samples: Pixels, shown: Range) -> npt.NDArray[np.uint8]:
    """Return samples (H, W, C) as 8-bit RGB.

    Parameters
    ----------
    samples : ndarray (H, W, C)
        As stored. One channel is grey; two become (a, b, their mean).
    shown : Range
        Where both limits of a channel are equal it is constant and becomes 0; a sample above them, which wasn't seen
        when they were chosen, 255.

    Returns
    -------
    ndarray (H, W, 3), uint8
    """
    kept = samples if len(shown.channels) == samples.shape[-1] else samples[..., list(shown.channels)]
    if shown.limits is not None:
        kept = _scaled(kept, *shown.limits[:, list(shown.channels)])
    if kept.shape[-1] == 1:
        return np.repeat(kept, 3, axis=-1)
    if kept.shape[-1] == 2:
        mean = (kept[..., :1].astype(np.uint16) + kept[..., 1:] + 1) // 2
        return np.concatenate([kept, mean.astype(np.uint8)], axis=-1)
    return np.ascontiguousarray(kept)


def _scaled(samples: Pixels, low: Limits, high: Limits) -> npt.NDArray[np.uint8]:
    values = samples.astype(np.float64)
    with np.errstate(over="ignore"):
        if not np.isfinite(high - low).all():  # halves of the largest floats can be subtracted
            values, low, high = values / 2, low / 2, high / 2
    flat = high <= low
    span = np.where(flat, 1.0, high - low)
    with np.errstate(over="ignore"):
        scaled = (values - low) / span
    if flat.any():
        scaled = np.where(flat, values > high, scaled)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
