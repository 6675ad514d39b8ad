"""Watershed basins of an edge map and the cracks between pixels that separate them.

A crack is the side that two neighbouring pixels share; its strength is the mean of theirs. Basins meet at cracks, so
every pixel belongs to a basin and every border is thin (METHODS.md 1.9 step 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError, PictureError

try:
    import higra
except ImportError:  # wheels don't exist for every platform
    higra = None

hg: Any = higra
"""The package higra, or None."""

IntImage = NDArray[np.int32]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def require_edge_map(edges: NDArray[np.floating]) -> Singles:
    """Check an edge map and that it can be turned into a hierarchy.

    Parameters
    ----------
    edges : ndarray, (H, W) float
        Edge strength, 0 or more.

    Returns
    -------
    ndarray, (H, W) float32

    Raises
    ------
    PictureError
        If the map isn't two-dimensional, is empty, or holds a value that isn't finite.
    ConfigError
        If higra isn't installed.
    """
    if edges.ndim != 2 or edges.size == 0 or not np.isfinite(edges).all():
        raise PictureError(
            f"An edge map of shape {edges.shape} is no finite map of rows x columns.",
            "Give one finite strength per pixel.",
        )
    if hg is None:
        raise ConfigError("The package higra isn't installed.", "Install it, or call oversegment instead.")
    return edges.astype(np.float32)


def crack_strengths(strength: Singles) -> tuple[Singles, Singles]:
    """Means of neighbouring pixels: to the right, (H, W - 1), and below, (H - 1, W)."""
    half = np.float32(0.5)
    right: Singles = half * (strength[:, 1:] + strength[:, :-1])
    below: Singles = half * (strength[1:] + strength[:-1])
    return right, below


def watershed_basins(strength: Singles) -> IntImage:
    """Catchment basins of the graph of 4-neighbours, ``0..B-1`` in raster order of first appearance."""
    graph = hg.get_4_adjacency_graph(strength.shape)
    weights = hg.weight_graph(graph, strength, hg.WeightFunction.mean)
    label = hg.labelisation_watershed(graph, weights).ravel()
    return raster_order(label).reshape(strength.shape)


def raster_order(label: NDArray[np.integer]) -> IntImage:
    """Renumber labels, 0 or more, to ``0..R-1`` by first appearance."""
    last = label.size - 1
    first = np.full(int(label.max()) + 1, label.size)
    first[label.ravel()[::-1]] = np.arange(last, -1, -1)  # of several places the first one is written last
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    ordered: IntImage = rank[label]
    return ordered


def border_cracks(regions: IntImage) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which cracks separate two regions: to the right, (H, W - 1), and below, (H - 1, W)."""
    return regions[:, 1:] != regions[:, :-1], regions[1:] != regions[:-1]


def crack_pairs(regions: IntImage, right: NDArray[np.bool_], below: NDArray[np.bool_]) -> Ints:
    """Regions on the two sides of chosen cracks, (C, 2), smaller first; those to the right come first."""
    one = np.concatenate([regions[:, :-1][right], regions[:-1][below]]).astype(np.int64)
    two = np.concatenate([regions[:, 1:][right], regions[1:][below]]).astype(np.int64)
    return np.stack([np.minimum(one, two), np.maximum(one, two)], 1)
