"""Outlines of the segments of a label map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def outlines(labels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Keep of each segment of one label only a rim, and put 0 inside it.

    Parameters
    ----------
    labels : ndarray (h, w), uint8
    width : int
        Width of the rim in pixels, at least 1. The picture's border draws no rim.

    Returns
    -------
    ndarray (h, w), uint8
    """
    lowest = highest = labels
    for _ in range(width):
        lowest = _with_neighbors(np.minimum, lowest)
        highest = _with_neighbors(np.maximum, highest)
    return np.where(lowest == highest, np.uint8(0), labels)


def _with_neighbors(pick: np.ufunc, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Least or greatest value of each pixel and those beside, above and below it."""
    out = values.copy()
    for near, far in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        pick(out[near], values[far], out=out[near])
        pick(out[far], values[near], out=out[far])
    return out
