"""METHODS.md 1.21 checks 1 and 2, and sections 1.4 to 1.7: explicit loops in float64."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.segments import (
    color_features,
    grid_cells,
    grid_labels,
    intersect,
    location_features,
    majority_labels,
    normalize,
    segment_prototypes,
    spherical_kmeans,
    with_location,
)


def points(n: int = 200, d: int = 6, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(n, d, generator=draw, dtype=torch.float64))


def test_check_01_assignment_never_lowers_the_objective() -> None:
    w = points()
    labels = torch.arange(200) % 9
    values = []
    for _ in range(8):
        u = segment_prototypes(w, labels, 9)
        before = float((w * u[labels]).sum())
        labels = spherical_kmeans(w, labels, 1, num_clusters=9)
        after = float((w * u[labels]).sum())
        assert after >= before - 1e-12
        values.append(after)
    assert values == sorted(values) and values[-1] > values[0]


def test_kmeans_equals_the_loop() -> None:
    w = points(60, 4)
    labels = [i % 5 for i in range(60)]
    for _ in range(10):
        sums = [
            [math.fsum(float(w[i, d]) for i in range(60) if labels[i] == c) for d in range(4)]
            for c in range(5)
        ]
        units = [[x / max(math.sqrt(sum(y * y for y in row)), 1e-12) for x in row] for row in sums]
        similar = [[sum(float(w[i, d]) * units[c][d] for d in range(4)) for c in range(5)] for i in range(60)]
        labels = [row.index(max(row)) for row in similar]
    assert spherical_kmeans(w, torch.arange(60) % 5).tolist() == labels


def test_kmeans_ties_go_to_the_lower_number() -> None:
    w = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert spherical_kmeans(w, torch.tensor([1, 0, 1]), 1).tolist() == [0, 0, 1]
    assert spherical_kmeans(torch.ones(2, 1), torch.tensor([1, 0]), 1).tolist() == [0, 0]


def test_an_empty_cluster_wins_only_what_all_others_are_turned_away_from() -> None:
    w = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]])
    assert spherical_kmeans(w, torch.tensor([0, 0, 0, 0]), 1, num_clusters=2).tolist() == [0, 0, 1, 0]


def test_kmeans_of_nothing_and_without_gradient() -> None:
    assert spherical_kmeans(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)).tolist() == []
    w = points().requires_grad_()
    assert not spherical_kmeans(w, torch.arange(200) % 3).requires_grad
    with pytest.raises(ConfigError, match="3 vectors"):
        spherical_kmeans(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize(
    ("h", "w", "cells"),
    [(7, 9, (1, 1)), (16, 12, (6, 6)), (3, 20, (6, 4)), (128, 128, (6, 6)), (1, 1, (5, 5))],
)
def test_check_02_grid(h: int, w: int, cells: tuple[int, int]) -> None:
    labels = grid_labels(h, w, cells)
    ky, kx = cells
    for y in range(h):
        for x in range(w):
            ly = round(y * (ky - 1) / (h - 1)) if h > 1 else 0
            lx = round(x * (kx - 1) / (w - 1)) if w > 1 else 0
            assert int(labels[y, x]) == ly + ky * lx
    assert int(torch.bincount(labels.flatten()).sum()) == h * w
    assert len(labels.unique()) == min(ky, h) * min(kx, w)
    chosen = torch.tensor([[h - 1, w - 1], [0, w // 2]])
    assert grid_cells(chosen, h, w, cells).tolist() == [int(labels[h - 1, w - 1]), int(labels[0, w // 2])]


def test_grid_halves_go_to_the_even_cell() -> None:
    assert grid_labels(3, 1, (2, 1)).flatten().tolist() == [0, 0, 1]
    assert grid_labels(3, 1, (4, 1)).flatten().tolist() == [0, 2, 3]
    with pytest.raises(ConfigError, match="0 x 3"):
        grid_labels(4, 4, (0, 3))


def test_location_is_y_then_x() -> None:
    got = location_features(3, 5, dtype=torch.float64).reshape(3, 5, 2)
    for y in range(3):
        for x in range(5):
            assert got[y, x].tolist() == pytest.approx([y / 2 - 0.5, x / 4 - 0.5])
    assert location_features(1, 2).tolist() == [[0.0, -0.5], [0.0, 0.5]]


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_with_location_has_unit_length(scale: float) -> None:
    v, local = points(6, 4), location_features(2, 3, dtype=torch.float64)
    got = with_location(v, local, scale)
    for i in range(6):
        row = [scale * float(a) for a in v[i]] + [float(a) for a in local[i]]
        length = math.sqrt(sum(a * a for a in row))
        assert got[i].tolist() == pytest.approx([a / length for a in row])


@pytest.mark.parametrize("blur", ["reference", "gaussian"])
def test_color_features_equal_the_loop(blur: str) -> None:
    draw = torch.Generator().manual_seed(1)
    rgb = torch.rand(3, 8, 9, generator=draw, dtype=torch.float64)
    got = color_features(rgb, 4, 5, blur=blur)  # the valid convolution already has this size
    offsets = [(a, b) for a in range(-2, 3) for b in range(-2, 3)]

    def weigh(a: int, b: int) -> float:
        return math.hypot(a, b) if blur == "reference" else math.exp(-(a * a + b * b) / 2)

    total = sum(weigh(a, b) for a, b in offsets)
    for c in range(3):
        smooth = [
            sum(weigh(a, b) / total * float(rgb[c, y + 2 + a, x + 2 + b]) for a, b in offsets)
            for y in range(4)
            for x in range(5)
        ]
        centred = [s - sum(smooth) / 20 for s in smooth]
        top = max(abs(s) for s in centred)
        assert got[:, c].tolist() == pytest.approx([s / top for s in centred])


def test_color_features_of_a_flat_or_small_picture() -> None:
    assert not color_features(torch.full((3, 6, 6), 0.3), 3, 3).any()
    with pytest.raises(ConfigError, match="4, 9"):
        color_features(torch.zeros(3, 4, 9), 2, 2)


def test_intersect_is_the_common_refinement() -> None:
    draw = torch.Generator().manual_seed(2)
    keys = [torch.randint(high, (300,), generator=draw) for high in (2, 5, 3, 2**30)]
    keys[3] = keys[3] % 4 * 2**28  # sparse region ids
    segments, values = intersect(*keys)
    rows = list(zip(*(k.tolist() for k in keys), strict=True))
    ranks = {row: i for i, row in enumerate(sorted(set(rows)))}
    assert segments.tolist() == [ranks[row] for row in rows]
    assert list(zip(*(v.tolist() for v in values), strict=True)) == sorted(ranks)


def test_intersect_refuses_what_it_cannot_code() -> None:
    with pytest.raises(ConfigError, match="negative"):
        intersect(torch.tensor([0, -1]))
    with pytest.raises(ConfigError, match="64 bits"):
        intersect(torch.tensor([2**40]), torch.tensor([2**40]))
    with pytest.raises(ConfigError, match="length"):
        intersect(torch.tensor([1]), torch.tensor([1, 2]))
    assert intersect(torch.zeros(0, dtype=torch.long))[0].tolist() == []


def test_majority_counts_every_code_and_drops_what_is_no_class() -> None:
    draw = torch.Generator().manual_seed(3)
    segments = torch.randint(12, (150,), generator=draw)
    labels = torch.tensor([0, 1, 2, 3, 255])[torch.randint(5, (150,), generator=draw)]
    segments[segments == 7] = 8
    got = majority_labels(labels, segments, 13, 3)
    for s in range(13):
        votes = Counter(labels[segments == s].tolist())
        winner = min(votes, key=lambda code: (-votes[code], code)) if votes else 255
        assert int(got[s]) == (winner if winner < 3 else -1)
    tied = majority_labels(torch.tensor([2, 1, 255, 255, 0]), torch.tensor([0, 0, 1, 1, 1]), 2, 3)
    assert tied.tolist() == [1, -1]


def test_prototypes_equal_the_loop_and_carry_gradient() -> None:
    v = points(20, 3).requires_grad_()
    segments = torch.arange(20) % 4
    got = segment_prototypes(v, segments, 5)
    for s in range(4):
        total = sum(v[i] for i in range(20) if i % 4 == s)
        torch.testing.assert_close(got[s], total / total.norm(), rtol=0, atol=1e-12)
    assert not got[4].any()
    assert torch.autograd.gradcheck(lambda x: segment_prototypes(x, segments, 4), (v,))
    assert not normalize(torch.zeros(2, 3)).any()
