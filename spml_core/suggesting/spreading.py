"""How marks spread: label propagation on a graph of regions, with everything but the marks computed beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import spotrf, spotri

from spml_core.suggesting.region_graph import Floats, Ints, adjacency

NEIGHBORS = 10
_SHARPNESS = 8.0
_BORDERS = 0.02
_LEAK = 0.01


def resolvent(
    features: Floats,
    pairs: Ints,
    affinity: Floats,
    *,
    neighbors: int = NEIGHBORS,
    sharpness: float = _SHARPNESS,
    borders: float = _BORDERS,
    leak: float = _LEAK,
) -> Floats:
    """Inverse of the graph's leaking Laplacian, ``((1 + leak) D - W)^-1``.

    ``W`` joins every region with those of the most similar features, wherever they are, by
    ``exp(sharpness (cos - 1))``, and weakly with those it touches; ``D`` are its row sums.

    Parameters
    ----------
    features : ndarray, (R, D) float32
    pairs : ndarray, (E, 2) int64
        Regions that touch.
    affinity : ndarray, (E,) float32
        How strongly they hold together.
    neighbors : int
        Similar regions that each one is joined with.
    sharpness : float
    borders : float
        Weight of touching, relative to similarity.
    leak : float
        Above 0: the share of a walk that is lost with each step.

    Returns
    -------
    ndarray, (R, R) float32
        Symmetric, no entry below 0.
    """
    count = len(features)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    near = min(neighbors, count - 1)
    matrix = np.zeros((count, count))
    if near > 0:
        best = np.argpartition(-likeness, near - 1, axis=1)[:, :near]
        weight = np.exp(sharpness * (np.take_along_axis(likeness, best, 1) - 1))
        links = np.stack([np.repeat(np.arange(count), near), best.ravel()], 1)
        matrix += adjacency(count, links, weight.ravel()).toarray()
    if len(pairs):
        touching = borders * affinity / max(float(affinity.mean()), 1e-12)
        matrix += adjacency(count, pairs, touching).toarray()
    degree = matrix.sum(1)
    np.negative(matrix, out=matrix)
    matrix[np.arange(count), np.arange(count)] += degree * (1 + leak) + 1e-9
    factor, _ = spotrf(matrix.astype(np.float32), lower=1)
    lower, _ = spotri(factor, lower=1)
    lower = np.tril(lower)
    inverse: Floats = lower + np.tril(lower, -1).T
    return np.maximum(inverse, 0, out=inverse)


def spread_marks(spread: Floats, seeds: NDArray[np.intp], classes: NDArray[np.floating]) -> Floats:
    """Probability that a leaking walk from each region first meets a mark of each class.

    The harmonic function of Zhu, Ghahramani and Lafferty (ICML 2003), that is the solution of
    ``((1 + leak) D - W) f = 0`` at unmarked regions and ``f = classes`` at marked ones. With the inverse ``G`` known it
    is ``f = G[:, S] G[S, S]^-1 classes``, a system of the size of the marks alone.

    Parameters
    ----------
    spread : ndarray, (R, R) float32
        ``G`` from :func:`resolvent`.
    seeds : ndarray, (S,) int
        Marked regions, each once.
    classes : ndarray, (S, K) float
        What is known of them.

    Returns
    -------
    ndarray, (R, K) float32
        In 0..1; what is missing to 1 leaked away.
    """
    if len(seeds) == 0:
        return np.zeros((len(spread), classes.shape[1]), np.float32)
    columns = spread[:, seeds]
    weights = np.linalg.solve(columns[seeds].astype(np.float64), classes)
    found: Floats = np.clip(columns @ weights.astype(np.float32), 0, 1)
    return found
