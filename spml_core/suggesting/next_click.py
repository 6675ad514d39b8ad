"""Where an answer would teach most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spml_core.suggesting.region_graph import Floats


def region_worth(
    parents: NDArray[np.int32],
    area: Floats,
    uncertainty: Floats,
    features: Floats,
    marked: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What the answer for each region is worth: mean uncertainty x square root of its pixels x novelty.

    Novelty is ``(1 - c) / 2`` for the largest cosine ``c`` between the region's mean feature and a marked one's, 1
    where nothing is marked. A region with a mark is worth nothing.

    Parameters
    ----------
    parents : ndarray, (R,) int32
        Region that each small region lies in, compact from 0.
    area, uncertainty : ndarray, (R,) float32
    features : ndarray, (R, D) float32
    marked : ndarray, (m,) int64
        Small regions with a mark.

    Returns
    -------
    ndarray, (P,) float64
        For each parent.
    """
    size = np.bincount(parents, area)
    doubt = np.bincount(parents, area * uncertainty) / size
    novelty = np.ones(len(size))
    if len(marked):
        mean = np.stack([np.bincount(parents, area * column) for column in features.T], 1) / size[:, None]
        ways = [
            v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (mean, features[marked])
        ]
        novelty = (1 - (ways[0] @ ways[1].T).max(1)) / 2
    worth = doubt * np.sqrt(size) * np.clip(novelty, 1e-6, 1)
    worth[parents[marked]] = 0
    return np.asarray(worth, np.float64)


def most_telling(
    parents: NDArray[np.int32],
    area: Floats,
    uncertainty: Floats,
    features: Floats,
    marked: NDArray[np.int64],
) -> int | None:
    """The region worth most, see :func:`region_worth`; of equals the first; None if no region is worth anything."""
    worth = region_worth(parents, area, uncertainty, features, marked)
    best = int(worth.argmax())
    return best if worth[best] > 0 else None
