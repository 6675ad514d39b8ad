"""A picture's own colours as evidence: which colour goes with which class, learned from the first guess.

Deep features know what is in a picture but blur where it ends; the picture's colours know where, once they are told
what. So each class gets a colour histogram, weighted by the probabilities of the first guess, and every pixel is judged
anew by both; a few rounds settle it. The same idea as the colour models of grabCut, without its cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

_LEVELS = 16
_ROUNDS = 3
_MIN_RANGE = (
    8.0  # of 255: a flat channel isn't stretched further, so its noise stays in cells that smoothing joins
)
_FLOOR = 0.01  # the least a colour can speak for a class, relative to the whole picture


@dataclass(frozen=True)
class ColorBins:
    """A picture's colour cells: 16 levels of each Lab channel, between its own extremes.

    Attributes
    ----------
    low, high : ndarray, (3,) float32
        Range of each channel, 0..255 as OpenCV scales 8-bit Lab.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    num_bins = _LEVELS**3

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> ColorBins:
        """Cells that fit a picture (H, W, 3), or a fair sample of it."""
        step = max(1, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / 2**16)))
        lab = cv2.cvtColor(np.ascontiguousarray(rgb[::step, ::step]), cv2.COLOR_RGB2LAB).reshape(-1, 3)
        low, high = np.percentile(lab, [0.5, 99.5], axis=0).astype(np.float32)
        return cls(low, np.maximum(high, low + np.float32(_MIN_RANGE)))

    def assign(self, rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Cell (H, W) of each pixel of ``rgb`` (H, W, 3), in ``0..num_bins-1``."""
        lab = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2LAB)
        values = np.arange(256, dtype=np.float32)
        cells = np.zeros(rgb.shape[:2], np.int32)
        for channel in range(3):
            low, high = self.low[channel], self.high[channel]
            table = np.clip((values - low) / (high - low) * _LEVELS, 0, _LEVELS - 1).astype(np.int32)
            cells = cells * _LEVELS + table[lab[..., channel]]
        return cells


def color_evidence(
    bins: NDArray[np.integer], probabilities: NDArray[np.floating], strength: float
) -> NDArray[np.float32]:
    """How much each colour speaks for each class.

    Parameters
    ----------
    bins : ndarray, (n,) int
        Colour cell of each pixel of one picture, from :meth:`ColorBins.assign`.
    probabilities : ndarray, (n, K) float
        First guess.
    strength : float
        Weight of colour against the guess, 0 or more. 0 gives zeros.

    Returns
    -------
    ndarray, (num_bins, K) float32
        ``strength * log(p(color | class) / p(color))``, to be added to log-probabilities.
    """
    num_classes = probabilities.shape[1]
    evidence = np.zeros((ColorBins.num_bins, num_classes), np.float32)
    if strength == 0 or len(bins) == 0:
        return evidence
    guess = np.log(probabilities + 1e-4)
    current = probabilities
    for _ in range(_ROUNDS):
        counts = np.stack(
            [
                np.bincount(bins, weights=current[:, c], minlength=ColorBins.num_bins)
                for c in range(num_classes)
            ]
        )
        cube = counts.reshape(num_classes, _LEVELS, _LEVELS, _LEVELS)
        smooth = gaussian_filter(cube, sigma=(0, 1, 1, 1), mode="constant").reshape(num_classes, -1)
        total = smooth.sum(1, keepdims=True)
        given_class = (smooth + 1e-3 * total / ColorBins.num_bins) / (total * (1 + 1e-3) + 1e-9)
        overall = (given_class * (total / total.sum())).sum(0)
        evidence = (strength * np.log(given_class / np.maximum(overall, 1e-12) + _FLOOR).T).astype(np.float32)
        current = softmax(guess + evidence[bins])
    return evidence


def softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Softmax over the last axis."""
    scores = scores - scores.max(-1, keepdims=True)
    raised = np.exp(scores)
    result: NDArray[np.floating] = raised / raised.sum(-1, keepdims=True)
    return result
