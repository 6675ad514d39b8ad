"""From stored samples to 8-bit RGB: robust percentiles, and three channels from any number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spml_core.images.sources import Pixels, Source

PERCENTILES = (0.1, 99.9)
SAMPLE_PIXELS = 1 << 20


def survey(source: Source) -> tuple[npt.NDArray[np.float64], int]:
    """One pass over a picture that isn't 8-bit: the range to show, and how many samples aren't finite.

    Parameters
    ----------
    source : Source
        Samples of any real type, (H, W, C).

    Returns
    -------
    limits : ndarray (2, C), float64
        The 0.1 and 99.9 percentiles of the finite samples on a regular grid of about a million pixels: one
        common pair for the channels of a colour picture, one pair a channel otherwise.
    broken : int
        NaN and infinite samples in the whole picture.
    """
    height, width, channels = source.shape
    stride = max(1, int(np.ceil(np.sqrt(height * width / SAMPLE_PIXELS))))
    is_float = source.dtype.kind == "f"
    broken = 0
    grid: list[Pixels] = []
    # Bands start on multiples of the stride, so the grid is the same however the picture is cut.
    band = -(-source.band // stride) * stride
    for top in range(0, height, band):
        samples = source.window(top, 0, min(band, height - top), width)
        if is_float:
            broken += int(samples.size - np.count_nonzero(np.isfinite(samples)))
        grid.append(samples[::stride, ::stride].reshape(-1, channels).astype(np.float64))
    sample = np.concatenate(grid)
    if source.joint_range:
        sample = sample.reshape(-1, 1)
    limits = np.zeros((2, sample.shape[1]))
    for channel in range(sample.shape[1]):
        finite = sample[:, channel][np.isfinite(sample[:, channel])]
        if finite.size:
            limits[:, channel] = np.percentile(finite, PERCENTILES)
    return np.broadcast_to(limits, (2, channels)), broken


def to_rgb(samples: Pixels, limits: npt.NDArray[np.float64] | None) -> npt.NDArray[np.uint8]:
    """Return samples (H, W, C) as 8-bit RGB.

    Parameters
    ----------
    samples : ndarray (H, W, C)
        As stored. One channel is grey; two become (a, b, their mean); of more than three the first three
        stay.
    limits : ndarray (2, C) or None
        The samples shown as 0 and as 255, a pair a channel; None for 8-bit samples, which stay as they are.
        Where both are equal the channel is constant and becomes 0.

    Returns
    -------
    ndarray (H, W, 3), uint8
    """
    kept = samples[..., :3]
    if limits is not None:
        low, high = limits[:, : kept.shape[-1]].astype(np.float64)
        span = np.where(high > low, high - low, np.inf)
        scaled = (kept.astype(np.float64) - low) / span
        kept = np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    if kept.shape[-1] == 1:
        return np.repeat(kept, 3, axis=-1)
    if kept.shape[-1] == 2:
        mean = (kept[..., :1].astype(np.uint16) + kept[..., 1:] + 1) // 2
        return np.concatenate([kept, mean.astype(np.uint8)], axis=-1)
    return np.ascontiguousarray(kept)
