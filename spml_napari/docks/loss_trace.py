"""A curve that grows for days and stays small. No Qt."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]


class LossTrace:
    """Values by step, thinned: whenever it is full, neighbours are merged into their mean.

    Parameters
    ----------
    capacity : int
        Most points kept; even. A curve in a dock is a few hundred pixels wide.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._sums = np.zeros((3, capacity))  # of steps, of values, and how many
        self._filled = 0
        self._width = 1
        self.latest = math.nan

    def append(self, step: int, value: float) -> None:
        """Add a value; one that isn't finite is left out."""
        if not math.isfinite(value):
            return
        self.latest = value
        last = self._filled - 1
        if last >= 0 and self._sums[2, last] < self._width:
            self._sums[:, last] += (step, value, 1)
            return
        if self._filled == self._sums.shape[1]:
            self._merge()
            if self._sums[2, self._filled - 1] < self._width:
                self._sums[:, self._filled - 1] += (step, value, 1)
                return
        self._sums[:, self._filled] = (step, value, 1)
        self._filled += 1

    def points(self) -> tuple[Curve, Curve]:
        """Steps and values, (n,) float each, n at most the capacity."""
        steps, values, counts = self._sums[:, : self._filled]
        return steps / counts, values / counts

    def _merge(self) -> None:
        half = self._filled // 2
        self._sums[:, :half] = self._sums[:, 0 : 2 * half : 2] + self._sums[:, 1 : 2 * half : 2]
        self._filled = half
        self._width *= 2


def smooth(values: Curve, window: int) -> Curve:
    """Mean over a window around each value, of odd length, shorter at both ends; (n,) to (n,)."""
    window = min(window, len(values))
    window -= 1 - window % 2
    if window < 2:
        return values
    kernel = np.ones(window)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
