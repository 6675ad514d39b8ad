"""METHODS.md 1.16: the fully connected CRF against loops, against pydensecrf, and on what it is for."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import sample_data
from spml_core.errors import ConfigError
from spml_core.labeling import dense_crf as module
from spml_core.labeling.dense_crf import crf_labels, dense_crf, exact_messages, lattice_messages, mean_field

HAS_PYDENSECRF = importlib.util.find_spec("pydensecrf") is not None


def smooth(classes, height, width, seed=0):
    """Smooth random probabilities (K, H, W)."""
    coarse = np.random.default_rng(seed).random((classes, 6, 6)).astype(np.float32)
    maps = np.stack([cv2.resize(plane, (width, height)) for plane in coarse]) ** 4
    return maps / maps.sum(0)


def photo(height=None, width=None):
    path = Path(sample_data.__file__).parent / "people" / "images" / "0097.jpg"
    rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return rgb if height is None else cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def loop_crf(rgb, probabilities, iterations, gaussian, bilateral):
    """Everything as it stands in the docstring, one pair of pixels at a time, in float64."""
    classes, height, width = probabilities.shape
    pixels = [(y, x) for y in range(height) for x in range(width)]
    n = len(pixels)

    def kernels(a, b):
        near = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
        like = sum((float(rgb[a][c]) - float(rgb[b][c])) ** 2 for c in range(3))
        return (
            math.exp(-near / (2 * gaussian[0] ** 2)),
            math.exp(-near / (2 * bilateral[0] ** 2) - like / (2 * bilateral[1] ** 2)),
        )

    k = [[kernels(a, b) for b in pixels] for a in pixels]
    norm = [[sum(k[i][j][which] for j in range(n)) for which in range(2)] for i in range(n)]
    energy = [
        [-math.log(min(1.0, max(1e-5, float(probabilities[c][p])))) for c in range(classes)] for p in pixels
    ]

    def soften(rows):
        return [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in rows]

    marginals = soften([[-u for u in row] for row in energy])
    for _ in range(iterations):
        scores = []
        for i in range(n):
            row = []
            for c in range(classes):
                message = 0.0
                for j in range(n):
                    for which, weight in enumerate((gaussian[1], bilateral[2])):
                        share = k[i][j][which] / math.sqrt(norm[i][which] * norm[j][which])
                        message += weight * share * marginals[j][c]
                row.append(message - energy[i][c])
            scores.append(row)
        marginals = soften(scores)
    return np.array(marginals).T.reshape(classes, height, width)


def test_exact_mean_field_equals_the_loop():
    rgb = noise(5, 6) // 16
    probabilities = smooth(3, 5, 6)
    for iterations in (0, 1, 4):
        settings = {"iterations": iterations, "gaussian": (1.5, 2.0), "bilateral": (4.0, 6.0, 3.0)}
        want = loop_crf(rgb, probabilities, **settings)
        np.testing.assert_allclose(dense_crf(rgb, probabilities, **settings), want, atol=2e-6)
    assert np.abs(want - probabilities).max() > 0.05


def test_lattice_is_near_the_exact_sum():
    rgb, probabilities = photo(48, 40), smooth(4, 48, 40)
    unary = -np.log(np.clip(probabilities, 1e-5, 1)).reshape(4, -1).T
    kernels = (1.0, 3.0), (20.0, 10.0, 4.0)
    exact = mean_field(unary, exact_messages(rgb, *kernels), 3)
    lattice = mean_field(unary, lattice_messages(rgb, *kernels), 3)
    start = mean_field(unary, exact_messages(rgb, *kernels), 0)
    assert np.abs(exact - start).mean() > 5 * np.abs(exact - lattice).mean()
    assert (exact.argmax(1) == lattice.argmax(1)).mean() > 0.97


def computed_case():
    """A picture and a guess of integer arithmetic, the same everywhere."""
    y, x = np.mgrid[:50, :60]
    rgb = np.stack([2 * x + 40 * (y > 30), 3 * y, x * y // 32 + 25 * ((x // 9 + y // 7) % 2)], -1)
    waves = np.stack([1 + (13 * c + (c + 1) * x + (3 - c) * y) % 50 for c in range(3)]).astype(float)
    return rgb.astype(np.uint8), waves / waves.sum(0)


# What pydensecrf2 1.1 gives for it after four iterations, at some (class, y, x).
REFERENCE = {
    (2, 16, 27): 0.12237,
    (2, 6, 18): 0.57086,
    (0, 19, 24): 0.10809,
    (1, 25, 17): 0.14411,
    (2, 3, 40): 0.75887,
    (0, 27, 48): 0.45001,
    (2, 41, 27): 0.85886,
    (2, 3, 39): 0.74599,
    (0, 34, 44): 0.89299,
    (1, 0, 38): 0.13433,
}


def test_own_lattice_gives_the_reference_marginals():
    got = dense_crf(*computed_case(), iterations=4, backend="own")
    for place, value in REFERENCE.items():
        assert float(got[place]) == pytest.approx(value, abs=1e-3)


@pytest.mark.skipif(not HAS_PYDENSECRF, reason="pydensecrf is optional")
@pytest.mark.parametrize("classes", [1, 5])
def test_own_lattice_agrees_with_pydensecrf_on_a_photo(classes):
    rgb = photo()
    probabilities = smooth(classes, *rgb.shape[:2])
    own, theirs = (dense_crf(rgb, probabilities, backend=backend) for backend in ("own", "pydensecrf"))
    assert np.abs(own - theirs).max() < 1e-3
    assert classes == 1 or np.abs(own - probabilities).max() > 0.5


@pytest.mark.skipif(not HAS_PYDENSECRF, reason="pydensecrf is optional")
@pytest.mark.parametrize(
    ("gaussian", "bilateral"), [((2.5, 0.0), (30.0, 13.0, 6.0)), ((2.5, 5.0), (30.0, 13.0, 0.0))]
)
def test_each_kernel_alone_agrees_with_pydensecrf(gaussian, bilateral):
    rgb, probabilities = photo(70, 50), smooth(3, 70, 50)
    own, theirs = (
        dense_crf(rgb, probabilities, gaussian=gaussian, bilateral=bilateral, backend=backend)
        for backend in ("own", "pydensecrf")
    )
    assert np.abs(own - theirs).max() < 1e-3


def test_automatic_backend_works_without_pydensecrf(monkeypatch):
    monkeypatch.setattr(module, "_installed", lambda: False)
    rgb, probabilities = photo(40, 50), smooth(3, 40, 50)
    assert (dense_crf(rgb, probabilities) == dense_crf(rgb, probabilities, backend="own")).all()
    with pytest.raises(ConfigError, match="pydensecrf isn't installed"):
        dense_crf(rgb, probabilities, backend="pydensecrf")


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (50, 45)])
def test_marginals_sum_to_one_and_classes_are_alike(size):
    rgb, probabilities = noise(*size) // 8, smooth(4, *size)
    got = dense_crf(rgb, probabilities, backend="own")
    assert got.shape == (4, *size) and got.dtype == np.float32
    np.testing.assert_allclose(got.sum(0), 1, atol=1e-5)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(dense_crf(rgb, probabilities[order], backend="own"), got[order], atol=1e-4)
    even = dense_crf(rgb, np.full((4, *size), 0.25), backend="own")
    np.testing.assert_allclose(even, 0.25, atol=1e-5)


def test_no_kernel_leaves_the_probabilities():
    rgb, probabilities = photo(40, 40), smooth(3, 40, 40)
    got = dense_crf(rgb, probabilities, gaussian=(1.0, 0.0), bilateral=(67.0, 3.0, 0.0), backend="own")
    np.testing.assert_allclose(got, probabilities, atol=1e-4)


@pytest.mark.parametrize("size", [(24, 30), (60, 64)])
def test_labels_follow_the_colours(size):
    """A noisy guess whose border lies in the wrong place."""
    rgb = np.full((*size, 3), 40, np.uint8)
    middle = size[1] // 2
    rgb[:, middle:] = 200
    guess = np.where(np.arange(size[1]) < middle - 4, 0.8, 0.2) * np.ones((size[0], 1))
    guess = np.clip(guess + np.random.default_rng(0).normal(0, 0.25, size), 0.01, 0.99)
    guess[:, middle - 4 : middle] = 0.45
    labels = crf_labels(rgb, np.stack([guess, 1 - guess]), backend="own")
    assert labels.dtype == np.uint8 and labels.shape == size
    assert (labels == (np.arange(size[1]) >= middle)).all()
    assert ((guess < 0.5) != (np.arange(size[1]) >= middle)).sum() > 20


def test_windows_cover_the_picture_and_hardly_show(monkeypatch):
    rgb, probabilities = photo(100, 130), smooth(3, 100, 130)
    settings = {"iterations": 3, "bilateral": (4.0, 10.0, 4.0), "backend": "own"}
    whole = dense_crf(rgb, probabilities, **settings)
    monkeypatch.setattr(module, "_WINDOW_PIXELS", 64**2)
    seen = np.zeros((100, 130), int)
    for outer, inside, core in module._windows(100, 130, 8):
        seen[core] += 1
        assert rgb[outer].shape[0] <= 64 and rgb[outer].shape[1] <= 64
        assert (rgb[outer][inside] == rgb[core]).all()
    assert (seen == 1).all()
    parts = dense_crf(rgb, probabilities, **settings)
    assert np.abs(parts - whole).mean() < 0.003 and (parts != whole).any()


def test_the_module_needs_no_torch():
    script = "import sys, spml_core.labeling.dense_crf; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


GOOD = {"rgb": noise(6, 7), "probabilities": smooth(2, 6, 7)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rgb": noise(6, 7)[..., 0]}, r"\(6, 7\)"),
        ({"rgb": noise(6, 7).astype(float)}, "float64"),
        ({"rgb": noise(0, 7), "probabilities": np.zeros((2, 0, 7))}, r"\(0, 7, 3\)"),
        ({"probabilities": smooth(2, 7, 6)}, r"\(2, 7, 6\)"),
        ({"probabilities": np.zeros((0, 6, 7))}, r"\(0, 6, 7\)"),
        ({"probabilities": smooth(2, 6, 7) * 9 - 3}, "not logits"),
        ({"probabilities": smooth(2, 6, 7) * np.nan}, "nan"),
        ({"iterations": -1}, "-1 iterations"),
        ({"gaussian": (0.0, 3.0)}, "Deviations"),
        ({"bilateral": (67.0, 3.0, -4.0)}, "-4"),
        ({"bilateral": (67.0, math.inf, 4.0)}, "inf"),
        ({"backend": "fast"}, "'fast'"),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        dense_crf(**{**GOOD, **changes})
