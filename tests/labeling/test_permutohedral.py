"""The permutohedral lattice against plain loops and against the sum it stands for."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest

from spml_core.errors import ConfigError
from spml_core.labeling.permutohedral import PermutohedralLattice


def corners_of(point):
    """Corners of the simplex around one point with their barycentric weights, in float64."""
    d = len(point)
    scaled = [point[i] * math.sqrt(2 / 3) * (d + 1) / math.sqrt((i + 1) * (i + 2)) for i in range(d)]
    elevated = [sum(scaled[j:]) - (j * scaled[j - 1] if j else 0) for j in range(d + 1)]
    origin = [round(e / (d + 1)) * (d + 1) for e in elevated]
    # Walk the coordinates with the largest error back until the corner lies on the plane of zero sum.
    while sum(origin):
        error = [e - o for e, o in zip(elevated, origin, strict=True)]
        if sum(origin) > 0:
            origin[error.index(min(error))] -= d + 1
        else:
            origin[error.index(max(error))] += d + 1
    offset = [e - o for e, o in zip(elevated, origin, strict=True)]
    order = sorted(range(d + 1), key=lambda i: -offset[i])
    weights = {}
    corner = list(origin)
    for color in range(d + 1):
        if color:  # one step further: every coordinate +1, the one that lags most turns back
            lagging = order[d + 1 - color]
            corner = [c + 1 for c in corner]
            corner[lagging] -= d + 1
            weight = (offset[order[d - color]] - offset[order[d + 1 - color]]) / (d + 1)
        else:
            weight = 1 - (offset[order[0]] - offset[order[d]]) / (d + 1)
        weights[tuple(corner)] = weight
    position = [sum(w * c[i] for c, w in weights.items()) for i in range(d + 1)]
    assert position == pytest.approx(elevated, abs=1e-9) and min(weights.values()) >= -1e-12
    return weights


def loop_filter(features, values):
    d = features.shape[1]
    simplices = [corners_of(point) for point in features.tolist()]
    lattice = defaultdict(lambda: np.zeros(values.shape[1]))
    for weights, value in zip(simplices, values, strict=True):
        for corner, weight in weights.items():
            lattice[corner] += weight * value
    touched = list(lattice)
    for axis in range(d + 1):
        blurred = {}
        for corner in touched:
            ahead = tuple(c - 1 + (d + 1) * (i == axis) for i, c in enumerate(corner))
            behind = tuple(c + 1 - (d + 1) * (i == axis) for i, c in enumerate(corner))
            sides = sum(lattice[c] for c in (ahead, behind) if c in lattice)
            blurred[corner] = lattice[corner] + 0.5 * sides
        lattice = blurred
    scale = 1 / (1 + 2**-d)
    return np.array([scale * sum(w * lattice[c] for c, w in weights.items()) for weights in simplices])


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_filter_equals_the_loop(dimensions):
    rng = np.random.default_rng(dimensions)
    features = rng.normal(size=(80, dimensions)) * 3
    values = rng.random((80, 3))
    want = loop_filter(features, values)
    got = PermutohedralLattice(features).filter(values.astype(np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4)


def test_filter_is_near_the_gaussian_it_stands_for():
    rng = np.random.default_rng(0)
    features = rng.random((900, 2)) * 8
    values = rng.random((900, 1)).astype(np.float32)
    distances = ((features[:, None] - features[None]) ** 2).sum(-1)
    kernel = np.exp(-distances / 2)
    lattice = PermutohedralLattice(features)
    ones = np.ones((900, 1), np.float32)
    want = kernel @ values / kernel.sum(1, keepdims=True)
    got = lattice.filter(values) / lattice.filter(ones)
    assert np.abs(got - want).max() < 0.05 * np.ptp(values)
    assert np.corrcoef(got[:, 0], want[:, 0])[0, 1] > 0.97


def test_far_points_do_not_hear_each_other():
    features = np.array([[0.0, 0.0], [0.1, 0.0], [50.0, 50.0]])
    heard = PermutohedralLattice(features).filter(np.eye(3, dtype=np.float32))
    assert (heard[2, :2] == 0).all() and (heard[:2, 2] == 0).all() and heard[0, 1] > 0.5
    np.testing.assert_allclose(heard, heard.T, atol=0.02)


def test_equal_points_get_equal_answers():
    features = np.tile([[3.0, -1.0, 2.0]], (5, 1))
    got = PermutohedralLattice(features).filter(np.arange(5, dtype=np.float32)[:, None])
    assert (got == got[0]).all() and got[0, 0] > 0


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((0, 3)), r"\(0, 3\)"),
        (np.zeros((3, 0)), r"\(3, 0\)"),
        (np.zeros(4), r"\(4,\)"),
        (np.array([[0.0], [np.nan]]), "lattice"),
        (np.array([[0.0] * 5, [1e5] * 5]), "too far apart"),
    ],
)
def test_bad_features_are_refused(features, message):
    with pytest.raises(ConfigError, match=message):
        PermutohedralLattice(features)
