"""High-dimensional Gaussian filtering on the permutohedral lattice.

Filtering n points with a Gaussian of unit deviation takes O(n d^2) steps instead of O(n^2): every point hands its
values to the d + 1 corners of the lattice simplex around it (splat), neighbouring corners mix along d + 1 directions
(blur), and every point reads its corners back (slice).

References
----------
Adams, Baek, Davis: Fast high-dimensional filtering using the permutohedral lattice, 2010. The blur's weights and the
final scale are those that Krähenbühl and Koltun (2011) use in their dense CRF (METHODS.md 1.16).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spml_core.errors import ConfigError

_FARTHEST = 2**23  # beyond it single precision can't tell neighbouring corners apart


class PermutohedralLattice:
    """A Gaussian filter between fixed points, built once and applied to any values.

    Parameters
    ----------
    features : ndarray, (n, d) float
        Positions in units of the kernel's standard deviation.

    Attributes
    ----------
    splat : csr_matrix, (m, n) float32
        Barycentric weights: corner of the lattice from point.
    slice : csr_matrix, (n, m) float32
        Its transpose.
    blurs : list of csr_matrix, (m, m) float32
        One a direction: a corner keeps its own value and takes half of each of its two neighbours'.

    Raises
    ------
    ConfigError
        If there is no point or no dimension, a value isn't finite, or the points spread over so many deviations
        that corners can't be numbered.
    """

    def __init__(self, features: NDArray[np.floating]) -> None:
        if features.ndim != 2 or 0 in features.shape or not np.isfinite(features).all():
            raise ConfigError(
                f"A lattice can't be built from features of shape {features.shape}.",
                "Give finite numbers, (points, dimensions), one or more of both.",
            )
        points, dimensions = features.shape
        elevated = _elevate(features)
        if np.abs(elevated).max() >= _FARTHEST:
            raise _too_far(f"{np.abs(elevated).max():.3g} steps from the origin")
        origin, rank = _enclosing_simplex(elevated)
        weights = _barycentric(elevated, origin, rank)
        keys, strides = _corner_keys(origin, rank)
        corners, inverse = np.unique(keys, return_inverse=True)
        self.slice = sparse.csr_matrix(
            (
                weights.T.reshape(-1),
                inverse.reshape(keys.shape).T.astype(np.int32).reshape(-1),
                np.arange(0, points * (dimensions + 1) + 1, dimensions + 1, dtype=np.int32),
            ),
            shape=(points, len(corners)),
        )
        self.splat = self.slice.T.tocsr()
        self.blurs = _blurs(corners, strides)
        self._scale = np.float32(1 / (1 + 2.0**-dimensions))

    def filter(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Approximate ``sum_j exp(-|f_i - f_j|^2 / 2) values_j``, up to one factor common to all points.

        Parameters
        ----------
        values : ndarray, (n, C) float32

        Returns
        -------
        ndarray, (n, C) float32
        """
        lattice = self.splat @ values
        for blur in self.blurs:
            lattice = blur @ lattice
        filtered: NDArray[np.float32] = self.slice @ lattice
        filtered *= self._scale
        return filtered


# Single precision and this order of operations throughout: a point on the border of two simplices then touches the same
# corners as in other implementations, and every corner that is touched, however lightly, carries values on in the blur.


def _elevate(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Points (d + 1, n) on the plane of zero sum, so scaled that the blur has the wanted deviation."""
    dimensions = features.shape[1]
    axis = np.arange(1, dimensions + 1)
    scale = (1 / np.sqrt(axis * (axis + 1)) * np.float32(np.sqrt(2 / 3) * (dimensions + 1))).astype(
        np.float32
    )
    scaled = features.T.astype(np.float32) * scale[:, None]
    elevated = np.zeros((dimensions + 1, len(features)), np.float32)
    elevated[:-1] = np.cumsum(scaled[::-1], axis=0)[::-1]
    elevated[1:] -= axis[:, None].astype(np.float32) * scaled
    return elevated


def _enclosing_simplex(elevated: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Corner of colour 0 of each point's simplex, and each coordinate's rank by distance from it, both (d + 1, n)."""
    sides = len(elevated)
    nearest = np.rint(elevated * np.float32(1 / sides))
    excess = nearest.sum(0).astype(np.int32)
    origin = nearest * np.float32(sides)
    difference = elevated - origin
    rank = np.zeros(origin.shape, np.int32)
    for i in range(sides):
        for j in range(i + 1, sides):
            behind = difference[i] < difference[j]
            rank[i] += behind
            rank[j] += ~behind
    # Rounding may have left the plane of zero sum: the coordinates that moved most go back.
    rank += excess
    turn = sides * ((rank < 0).astype(np.int32) - (rank >= sides))
    return origin.astype(np.int32) + turn, rank + turn


def _barycentric(
    elevated: NDArray[np.float32], origin: NDArray[np.int32], rank: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Weight (d + 1, n) of each corner of the simplex, by colour; they sum to 1."""
    sides = len(elevated)
    descending = np.empty_like(elevated)
    np.put_along_axis(
        descending, rank, (elevated - origin.astype(np.float32)) * np.float32(1 / sides), axis=0
    )
    weights = np.empty_like(elevated)
    weights[0] = 1 + descending[-1] - descending[0]
    weights[1:] = descending[-2::-1] - descending[:0:-1]
    return weights


def _corner_keys(
    origin: NDArray[np.int32], rank: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One number for each corner (d + 1, n), and what a step along each axis adds to it, (d,).

    The last coordinate follows from the others and is left out.
    """
    sides = len(origin)
    # A corner, and a neighbour of it, lies within 2 (d + 1) of a simplex's origin.
    low = origin[:-1].min(1) - 2 * sides
    extents = (origin[:-1].max(1) + 2 * sides - low + 1).tolist()
    strides = [1]
    for extent in extents[:0:-1]:
        strides.insert(0, strides[0] * extent)
    if strides[0] * extents[0] > 2**63 - 1:
        raise _too_far(f"{extents} steps")
    stride = np.array(strides)
    base = stride @ (origin[:-1] - low[:, None]).astype(np.int64)
    keys = np.empty(rank.shape, np.int64)
    for color in range(sides):
        keys[color] = base + color * stride.sum() - sides * (stride @ (rank[:-1] >= sides - color))
    return keys, stride


def _too_far(spread: str) -> ConfigError:
    return ConfigError(
        f"Points that spread over {spread} of the lattice are too far apart to be filtered.",
        "Use larger standard deviations.",
    )


def _blurs(corners: NDArray[np.int64], strides: NDArray[np.int64]) -> list[sparse.csr_matrix]:
    """Blur along each of the d + 1 directions between the sorted corners that points have touched."""
    count, sides = len(corners), len(strides) + 1
    itself = sparse.identity(count, dtype=np.float32, format="csr")
    blurs = []
    for axis in range(sides):
        step = -strides.sum() + (sides * strides[axis] if axis < sides - 1 else 0)
        wanted = corners + step
        found = np.minimum(np.searchsorted(corners, wanted), count - 1)
        here = np.flatnonzero(corners[found] == wanted)
        forward = sparse.csr_matrix(
            (np.full(len(here), 0.5, np.float32), (here, found[here])), shape=(count, count)
        )
        blurs.append((itself + forward + forward.T).tocsr())
    return blurs
