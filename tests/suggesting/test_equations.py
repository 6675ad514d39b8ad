"""Every equation against explicit loops."""

import itertools

import numpy as np
import pytest

from spml_core.suggesting.classifier import class_scores
from spml_core.suggesting.color_model import region_color_evidence
from spml_core.suggesting.next_click import most_telling, region_worth
from spml_core.suggesting.region_graph import average_in_regions, border_affinity, region_graph
from spml_core.suggesting.smoothing import best_cut, walk
from spml_core.suggesting.spreading import resolvent, spread_marks


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def random_graph(rng, count):
    pairs = np.array([p for p in itertools.combinations(range(count), 2) if rng.random() < 0.5])
    return pairs, rng.random(len(pairs)).astype(np.float32)


def test_the_graph_knows_areas_and_borders():
    regions = np.array([[0, 0, 1], [0, 2, 1]], np.int32)
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[regions == 1] = 255
    graph = region_graph(rgb, regions)
    assert graph.area.tolist() == [3, 2, 1]
    assert graph.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert graph.length.tolist() == [1, 2, 1]
    # Black to white is 100 in L: five cracks, of which two are those, hence a mean of 2 x 100^2 / 4.
    assert graph.contrast == pytest.approx([2, 0, 2], rel=1e-3)


def test_affinity_falls_with_contrast_and_unlike_features(rng):
    regions = np.arange(12, dtype=np.int32).reshape(3, 4)
    graph = region_graph(rng.integers(0, 256, (3, 4, 3), np.uint8), regions)
    features = rng.standard_normal((12, 5)).astype(np.float32)
    distance = [((features[a] - features[b]) ** 2).sum() for a, b in graph.pairs]
    expected = [
        n * np.exp(-c - 0.7 * d / np.mean(distance))
        for n, c, d in zip(graph.length, graph.contrast, distance, strict=True)
    ]
    assert border_affinity(graph, features, 0.7) == pytest.approx(np.array(expected), rel=1e-5)


def test_averages_are_those_of_the_resized_grid(rng):
    cv2 = pytest.importorskip("cv2")
    grid = rng.random((3, 5, 2)).astype(np.float32)
    regions = rng.integers(0, 4, (12, 19)).astype(np.int32)
    regions[0, :4] = range(4)
    dense = cv2.resize(grid, (19, 12), interpolation=cv2.INTER_LINEAR)
    found = average_in_regions(grid, regions, 4)
    for region in range(4):
        assert found[region] == pytest.approx(dense[regions == region].mean(0), abs=1e-5)


def test_marks_spread_as_the_harmonic_function(rng):
    features = rng.standard_normal((9, 4)).astype(np.float32)
    pairs, affinity = random_graph(rng, 9)
    inverse = resolvent(features, pairs, affinity, neighbors=3, sharpness=2.0, borders=0.5, leak=0.1)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    weight = np.zeros((9, 9))
    for i in range(9):
        likeness = [(-1.0 if i == j else float(unit[i] @ unit[j])) for j in range(9)]
        for j in sorted(range(9), key=lambda j: -likeness[j])[:3]:
            weight[i, j] += np.exp(2 * (likeness[j] - 1))
            weight[j, i] += np.exp(2 * (likeness[j] - 1))
    for (i, j), strength in zip(pairs, affinity, strict=True):
        weight[i, j] += 0.5 * strength / affinity.mean()
        weight[j, i] += 0.5 * strength / affinity.mean()
    seeds, classes = np.array([1, 4]), np.array([[1.0, 0.0], [0.25, 0.75]])
    expected = np.zeros((9, 2))
    expected[seeds] = classes
    for _ in range(500):
        for i in {*range(9)} - {1, 4}:
            expected[i] = weight[i] @ expected / (weight[i].sum() * 1.1)
    assert spread_marks(inverse, seeds, classes) == pytest.approx(expected, abs=1e-4)


def test_nothing_spreads_without_marks():
    assert not spread_marks(np.eye(3, dtype=np.float32), np.zeros(0, int), np.zeros((0, 2))).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_is_the_best_of_all_labellings(seed):
    rng = np.random.default_rng(seed)
    pairs, weights = random_graph(rng, 8)
    energies = rng.normal(0, 1, (8, 2))

    def energy(labels):
        unary = sum(energies[i, x] for i, x in enumerate(labels))
        return unary + sum(w for (i, j), w in zip(pairs, weights, strict=True) if labels[i] != labels[j])

    best = min(energy(labels) for labels in itertools.product((0, 1), repeat=8))
    assert energy(best_cut(energies, pairs, weights).astype(int)) == pytest.approx(best, abs=0.05)


def test_the_walk_solves_its_equations(rng):
    pairs, weights = random_graph(rng, 7)
    known = rng.dirichlet([1, 1, 1], 7)
    trust = rng.random(7) + 0.1
    found = known.copy()
    for _ in range(3000):
        for i in range(7):
            total, norm = trust[i] * known[i], trust[i]
            for (a, b), w in zip(pairs, weights, strict=True):
                if i in (a, b):
                    total, norm = total + w * found[b if i == a else a], norm + w
            found[i] = total / norm
    assert walk(known, trust, pairs, weights) == pytest.approx(found, abs=1e-5)


def test_the_classifier_is_at_the_minimum(rng):
    from scipy.special import log_softmax

    x = rng.standard_normal((30, 3))
    classes = np.arange(30) % 3
    x[np.arange(30), classes] += 1
    weights = rng.random(30) + 0.5
    eye = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    scores = class_scores(x, classes, weights, 3, eye, penalty=0.05).astype(np.float64)
    bias, weight = scores[0], (scores[1:] - scores[0]).T

    def loss(weight, bias):
        total = 0.05 / 2 * (weight**2).sum()
        for i in range(30):
            share = weights[i] / weights[classes == classes[i]].sum() / 3
            total -= share * log_softmax(weight @ x[i] + bias)[classes[i]]
        return total

    best = loss(weight, bias)
    for _ in range(20):
        step = rng.normal(0, 0.1, weight.shape)
        assert loss(weight + step, bias) > best - 1e-7
        assert loss(weight, bias + step[:, 0] - step[:, 0].mean()) > best - 1e-7


def test_colors_speak_for_the_class_that_has_them(rng):
    from scipy import sparse
    from scipy.ndimage import gaussian_filter

    bins = rng.integers(0, 4096, 60)
    region = np.arange(60) % 5
    probabilities = rng.dirichlet([1, 1], 5)
    colors = sparse.csr_matrix((np.ones(60, np.float32), (region, bins)), shape=(5, 4096))
    cubes = np.zeros((2, 16, 16, 16))
    for r, b in zip(region, bins, strict=True):
        for k in range(2):
            cubes[k, b // 256, b // 16 % 16, b % 16] += probabilities[r, k]
    given = []
    for cube in cubes:
        smooth = gaussian_filter(cube, 1, mode="constant").ravel()
        given.append((smooth + 1e-3 * smooth.sum() / 4096) / (smooth.sum() * 1.001))
    expected = np.zeros((5, 2))
    for r, b in zip(region, bins, strict=True):
        for k in range(2):
            expected[r, k] += np.log(given[k][b] / ((given[0][b] + given[1][b]) / 2) + 0.01) / 12
    found = region_color_evidence(colors, np.full(5, 12, np.float32), probabilities)
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_region_is_worth_doubt_times_size_times_novelty():
    parents = np.array([0, 0, 1, 2], np.int32)
    area = np.array([1, 3, 4, 9], np.float32)
    doubt = np.array([1, 0, 0.5, 0.5], np.float32)
    features = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    none = np.zeros(0, np.int64)
    assert region_worth(parents, area, doubt, features, none).tolist() == [0.25 * 2, 0.5 * 2, 0.5 * 3]
    assert most_telling(parents, area, doubt, features, none) == 2
    # With the last one marked: region 0 has the same feature, hence no novelty, region 1 is at a right angle.
    marked = np.array([3])
    worth = region_worth(parents, area, doubt, features, marked)
    assert worth == pytest.approx([0.5 * 1e-6, 1 * 0.5, 0])
    assert most_telling(parents, area, doubt, features, marked) == 1
    assert most_telling(parents, area, doubt, features, np.array([0, 2, 3])) is None
