"""Labels of regions that hold together along weak borders: an exact cut for two classes, a walk for more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from scipy.sparse.linalg import splu

from spml_core.suggesting.region_graph import Floats, Ints, adjacency

_SCALE = 1000.0  # the flow is computed in whole numbers


def best_cut(energies: NDArray[np.floating], pairs: Ints, weights: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The two labels of least energy: ``sum_i E_i(x_i) + sum_ij w_ij [x_i != x_j]``, exactly.

    The minimum cut of Greig, Porteous and Seheult (1989), with energies rounded to thousandths; of several solutions
    the one with the most ``False``.

    Parameters
    ----------
    energies : ndarray, (R, 2) float
        Differences count up to 10^5.
    pairs : ndarray, (E, 2) int64
    weights : ndarray, (E,) float
        0 or more.

    Returns
    -------
    ndarray, (R,) bool
        True for the second label.
    """
    count = len(energies)
    prefer = np.rint(np.clip(energies[:, 0] - energies[:, 1], -1e5, 1e5) * _SCALE).astype(np.int32)
    strength = np.rint(np.minimum(weights, 1e5) * _SCALE).astype(np.int32)
    second, first = np.flatnonzero(prefer > 0), np.flatnonzero(prefer < 0)
    source, sink = count, count + 1
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], np.full(len(second), source), first])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], second, np.full(len(first), sink)])
    capacity = np.concatenate([strength, strength, prefer[second], -prefer[first]])
    network = sparse.csr_matrix((capacity, (rows, columns)), shape=(count + 2, count + 2), dtype=np.int32)
    left = network - maximum_flow(network, source, sink).flow
    left.data = np.where(left.data > 0, left.data, 0)
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    label = np.zeros(count + 2, bool)
    label[reached] = True
    return label[:count]


def walk(
    probabilities: NDArray[np.floating],
    trust: NDArray[np.floating],
    pairs: Ints,
    weights: NDArray[np.floating],
) -> Floats:
    """Random walker with priors (Grady, CVPR 2005).

    Minimises

        sum_i trust_i |q_i - p_i|^2 + sum_ij w_ij |q_i - q_j|^2.

    Parameters
    ----------
    probabilities : ndarray, (R, K) float
        ``p``; rows sum to 1.
    trust : ndarray, (R,) float
        Above 0.
    pairs : ndarray, (E, 2) int64
    weights : ndarray, (E,) float

    Returns
    -------
    ndarray, (R, K) float32
        Rows sum to 1.
    """
    matrix = adjacency(len(probabilities), pairs, weights)
    degree = np.asarray(matrix.sum(1)).ravel()
    system = (sparse.diags_array((degree + trust).astype(np.float64)) - matrix).tocsc()
    solved = splu(system).solve(np.asarray(trust[:, None] * probabilities, np.float64))
    mixed = np.clip(solved, 1e-9, 1)
    result: Floats = (mixed / mixed.sum(1, keepdims=True)).astype(np.float32)
    return result
