"""Which colours go with which class, on regions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import gaussian_filter

from spml_core.suggesting.region_graph import Floats

_LEVELS = 16
_FLOOR = 0.01


def region_color_evidence(
    colors: sparse.csr_matrix, area: Floats, probabilities: NDArray[np.floating]
) -> Floats:
    """Mean over each region's pixels of ``log(p(color | class) / mean over classes of p(color | class))``.

    The classes' colours are histograms of 16 x 16 x 16 cells, smoothed by a Gaussian of one cell and weighted by the
    probabilities; every class counts the same, however much of the picture it covers.

    Parameters
    ----------
    colors : csr_matrix, (R, 4096) float32
        Pixels of each region with each colour.
    area : ndarray, (R,) float32
    probabilities : ndarray, (R, K) float
        Of each region as a whole.

    Returns
    -------
    ndarray, (R, K) float32
    """
    count = probabilities.shape[1]
    bins = _LEVELS**3
    cube = np.asarray((colors.T @ probabilities).T).reshape(count, _LEVELS, _LEVELS, _LEVELS)
    smooth = gaussian_filter(cube, sigma=(0, 1, 1, 1), mode="constant").reshape(count, bins)
    total = smooth.sum(1, keepdims=True)
    given = (smooth + 1e-3 * total / bins) / (total * (1 + 1e-3) + 1e-9)
    evidence = np.log(given / np.maximum(given.mean(0), 1e-12) + _FLOOR).T
    result: Floats = ((colors @ evidence) / area[:, None]).astype(np.float32)
    return result
