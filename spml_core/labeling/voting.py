"""Votes in regions: every pixel of a region takes the region's mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def region_means(values: NDArray[np.floating], regions: NDArray[np.integer]) -> NDArray[np.float32]:
    """Mean of each region.

    Parameters
    ----------
    values : ndarray, (n, K) float
    regions : ndarray, (n,) int
        Region of each row, compact from 0.

    Returns
    -------
    ndarray, (R, K) float32
        Rows of a region without pixels are zero.
    """
    count = int(regions.max()) + 1 if len(regions) else 0
    sizes = np.maximum(np.bincount(regions, minlength=count), 1)
    columns = [
        np.bincount(regions, weights=values[:, k], minlength=count) / sizes for k in range(values.shape[1])
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def vote_over_levels(
    values: NDArray[np.floating], cuts: Sequence[NDArray[np.integer]]
) -> NDArray[np.float32]:
    """Mean of each region of the finest cut, averaged with the means of the coarser regions it lies in.

    Large regions are sure of the class, small ones keep what is small; neither alone does both.

    Parameters
    ----------
    values : ndarray, (n, K) float
    cuts : sequence of ndarray, (n,) int
        Nested partitions, coarse to fine, each compact from 0.

    Returns
    -------
    ndarray, (R, K) float32
        A row per region of the last cut.
    """
    finest = cuts[-1]
    voted = region_means(values, finest)
    # Any pixel of a fine region tells which coarse region holds it.
    pixel = np.zeros(len(voted), np.int64)
    pixel[finest] = np.arange(len(finest))
    for cut in cuts[:-1]:
        voted += region_means(values, cut)[cut[pixel]]
    return voted / np.float32(len(cuts))
