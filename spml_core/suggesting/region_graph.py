"""The small regions of a picture and how they touch: what all later steps compute on instead of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spml_core.segments.watershed import border_cracks, crack_pairs

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RegionGraph:
    """Regions of a picture, 0..R-1, and the borders between them.

    Attributes
    ----------
    area : ndarray, (R,) float32
        Pixels of each region.
    pairs : ndarray, (E, 2) int64
        Regions that share a border, the smaller number first.
    length : ndarray, (E,) float32
        Cracks of the border.
    contrast : ndarray, (E,) float32
        Mean squared difference of Lab colours across the border, relative to the mean over all borders' cracks.
    """

    area: Floats
    pairs: Ints
    length: Floats
    contrast: Floats

    @property
    def count(self) -> int:
        """R."""
        return len(self.area)


def region_graph(rgb: NDArray[np.uint8], regions: NDArray[np.int32]) -> RegionGraph:
    """Graph of the regions of a picture.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
    regions : ndarray, (H, W) int32
        Compact from 0.

    Returns
    -------
    RegionGraph
    """
    area = np.bincount(regions.ravel()).astype(np.float32)
    right, below = border_cracks(regions)
    cracks = crack_pairs(regions, right, below)
    if len(cracks) == 0:
        none = np.zeros(0, np.float32)
        return RegionGraph(area, np.zeros((0, 2), np.int64), none, none)
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(*regions.shape, 3)
    across = np.concatenate(
        [((lab[:, 1:] - lab[:, :-1]) ** 2).sum(-1)[right], ((lab[1:] - lab[:-1]) ** 2).sum(-1)[below]]
    )
    count = len(area)
    code, border = np.unique(cracks[:, 0] * count + cracks[:, 1], return_inverse=True)
    length = np.bincount(border)
    step = np.bincount(border, across) / length
    typical = max(float(across.mean()), 1e-6)
    return RegionGraph(
        area,
        np.stack(np.divmod(code, count), 1),
        length.astype(np.float32),
        (step / typical).astype(np.float32),
    )


def border_affinity(graph: RegionGraph, features: Floats, feature_weight: float) -> Floats:
    """How strongly regions on the two sides of each border hold together, (E,) float32.

    ``length * exp(-contrast - feature_weight * d / mean(d))`` with the squared distance ``d`` of their features: the
    contrast-sensitive smoothness of Boykov and Jolly (ICCV 2001), summed along the border.

    Parameters
    ----------
    graph : RegionGraph
    features : ndarray, (R, D) float32
    feature_weight : float
        0 or more.
    """
    one, two = graph.pairs.T
    distance = ((features[one] - features[two]) ** 2).sum(1)
    relative = distance / max(float(distance.mean()) if len(distance) else 0.0, 1e-12)
    strength: Floats = (graph.length * np.exp(-graph.contrast - feature_weight * relative)).astype(np.float32)
    return strength


def adjacency(count: int, pairs: Ints, weights: NDArray[np.floating]) -> sparse.csr_matrix:
    """Symmetric matrix (count, count) of the weights of pairs; those given twice add up."""
    one, two = pairs.T
    return sparse.coo_matrix(
        (np.concatenate([weights, weights]), (np.concatenate([one, two]), np.concatenate([two, one]))),
        shape=(count, count),
    ).tocsr()


def average_in_regions(grid: Floats, regions: NDArray[np.int32], count: int) -> Floats:
    """Mean in each region of maps on a coarser grid, bilinearly resized to the picture.

    Resizing and averaging are linear, so both are one sparse matrix, and nothing of the picture's size is made per
    channel.

    Parameters
    ----------
    grid : ndarray, (h, w, C) float32
    regions : ndarray, (H, W) int32
    count : int
        Number of regions.

    Returns
    -------
    ndarray, (count, C) float32
    """
    height, width = regions.shape
    rows, columns = grid.shape[:2]
    region = regions.ravel().astype(np.int64)
    weights = sparse.csr_matrix((count, rows * columns), dtype=np.float32)
    for y, by in _bilinear(height, rows):
        for x, bx in _bilinear(width, columns):
            cell = (y[:, None] * columns + x[None]).ravel()
            share = (by[:, None] * bx[None]).astype(np.float32).ravel()
            weights = weights + sparse.coo_matrix((share, (region, cell)), weights.shape).tocsr()
    size = np.bincount(region, minlength=count)[:, None]
    mean: Floats = ((weights @ grid.reshape(rows * columns, -1)) / size).astype(np.float32)
    return mean


def _bilinear(length: int, cells: int) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """The two cells that every pixel lies between and its share in each, cell centres kept in place."""
    place = (np.arange(length) + 0.5) * cells / length - 0.5
    low = np.clip(np.floor(place).astype(np.intp), 0, cells - 1)
    high = np.minimum(low + 1, cells - 1)
    share = np.clip(place - low, 0, 1)
    return [(low, 1 - share), (high, share)]
