"""METHODS.md 1.21 check 11: the random walk."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.labeling.random_walk import (
    activation_scores,
    head_scores,
    random_walk,
    refine_by_walk,
    scaled_classes,
    transition_matrix,
    walking_grid,
)
from spml_core.segments import normalize


def views(n: int = 12, count: int = 2) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    first = torch.rand(n, 5, generator=draw, dtype=torch.float64)
    noise = torch.rand(count, n, 5, generator=draw, dtype=torch.float64)
    return [normalize(first + 0.05 * i * noise[i]) for i in range(count)]


def scores(n: int = 12) -> torch.Tensor:
    return torch.rand(3, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_check_11_transitions_equal_the_loop() -> None:
    a, b = views()
    got = transition_matrix([a, b], alpha=20, beta=5)
    for j in range(12):
        column = [sum(math.exp(5 * (float(v[i] @ v[j]) - 1)) / 2 for v in (a, b)) ** 20 for i in range(12)]
        assert got[:, j].tolist() == pytest.approx([x / sum(column) for x in column], abs=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 20.0, 1e4])
def test_check_11_columns_sum_to_one(alpha: float) -> None:
    for dtype in (torch.float64, torch.float32):
        step = transition_matrix([v.to(dtype) for v in views()], alpha=alpha)
        torch.testing.assert_close(step.sum(0), torch.ones(12, dtype=dtype))


def test_check_11_constant_maps_stay_and_extremes_never_grow() -> None:
    constant = torch.tensor([[0.3], [0.7]], dtype=torch.float64).expand(2, 12)
    torch.testing.assert_close(random_walk(constant, views()), constant)
    y = scores()
    out = random_walk(y, views())
    assert (out.amax(1) <= y.amax(1) + 1e-12).all() and (out.amin(1) >= y.amin(1) - 1e-12).all()
    assert (out - y).abs().max() > 1e-3


def test_check_11_alpha_zero_is_the_mean_and_a_huge_alpha_is_the_identity() -> None:
    y = scores()
    torch.testing.assert_close(random_walk(y, views(), alpha=0.0), y.mean(1, keepdim=True).expand(3, 12))
    torch.testing.assert_close(random_walk(y, views(count=1), alpha=1e6), y)


def test_check_11_sixty_four_products_equal_six_squarings() -> None:
    step = transition_matrix(views())
    squared = step
    for _ in range(6):
        squared = squared @ squared
    torch.testing.assert_close(squared, torch.linalg.matrix_power(step, 64))
    torch.testing.assert_close(random_walk(scores(), views()), scores() @ squared)


def test_no_step_changes_nothing() -> None:
    assert torch.equal(random_walk(scores(), views(), steps=0), scores())


def test_bad_walks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(3, 12\)"):
        random_walk(scores(), views(n=11))
    with pytest.raises(ConfigError, match="views"):
        random_walk(scores(), [])
    with pytest.raises(ConfigError, match="-2"):
        random_walk(scores(), views(), steps=-2)
    with pytest.raises(ConfigError, match="alpha -1"):
        random_walk(scores(), views(), alpha=-1)


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read_bilinear(plane: torch.Tensor, y: float, x: float) -> float:
    """Value between pixel centres at integers, the border carried on."""
    height, width = plane.shape
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = (1 - (x - left)) * float(plane[top, left]) + (x - left) * float(plane[top, right])
    lower = (1 - (x - left)) * float(plane[down, left]) + (x - left) * float(plane[down, right])
    return (1 - (y - top)) * upper + (y - top) * lower


def resize(plane: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Loop over a bilinear resize that keeps cell centres in place."""
    rows, columns = plane.shape
    return torch.tensor(
        [
            [
                read_bilinear(plane, (i + 0.5) * rows / height - 0.5, (j + 0.5) * columns / width - 0.5)
                for j in range(width)
            ]
            for i in range(height)
        ],
        dtype=torch.float64,
    )


@pytest.mark.parametrize(
    ("size", "stride", "limit", "want"),
    [
        ((375, 500), 8, 4096, (8, (46, 62))),  # a PASCAL VOC picture
        ((513, 513), 8, 4096, (8, (64, 64))),
        ((520, 520), 8, 4096, (9, (57, 57))),
        ((3000, 4000), 8, 4096, (54, (55, 74))),
        ((5, 3), 8, 4096, (8, (1, 1))),
        ((4, 100_000), 8, 100, (991, (1, 100))),
        ((16, 16), 4, 1, (9, (1, 1))),
    ],
)
def test_grid_of_the_walk(size, stride, limit, want) -> None:
    assert walking_grid(size, stride=stride, limit=limit) == want
    assert want[1][0] * want[1][1] <= limit


def test_head_scores_equal_the_loop() -> None:
    logits = [4 * maps(3, 5, 7), 4 * maps(3, 10, 14, seed=1)]
    present = torch.tensor([False, True, True])
    got = head_scores(logits, (4, 6), present)
    mean = torch.zeros(3, 4, 6, dtype=torch.float64)
    for view in logits:
        small = torch.stack([resize(plane, 4, 6) for plane in view])
        for i in range(4):
            for j in range(6):
                likelihoods = [math.exp(float(small[k, i, j])) for k in range(3)]
                for k in range(3):
                    mean[k, i, j] += likelihoods[k] / sum(likelihoods) / 2
    for k in range(3):
        torch.testing.assert_close(
            got[k], mean[k] / mean[k].max() if present[k] else torch.zeros_like(mean[k])
        )
    assert (head_scores(logits, (4, 6)).amax((1, 2)) == 1).all()


def test_a_class_without_scores_stays_zero() -> None:
    scores = maps(2, 3, 3)
    scores[1] = 0
    assert torch.equal(scaled_classes(scores)[1], scores[1]) and float(scaled_classes(scores)[0].max()) == 1


@pytest.mark.parametrize(("height", "width"), [(32, 40), (37, 45)])
def test_activation_scores_equal_the_loop_at_odd_sizes_too(height: int, width: int) -> None:
    activation = maps(2, height, width).numpy() ** 2
    stride, grid = walking_grid((height, width))
    got = activation_scores(activation, grid, stride)
    background = np.array(
        [
            [(1 - max(activation[0, y, x], activation[1, y, x])) ** 6 for x in range(width)]
            for y in range(height)
        ]
    )
    for plane, want in zip(got, [background, *activation], strict=True):
        for i in range(height // 8):
            for j in range(width // 8):
                value = read_bilinear(torch.from_numpy(want), 8 * i + 3.5, 8 * j + 3.5)
                assert float(plane[i, j]) == pytest.approx(value, abs=1e-12)


def test_refined_scores_equal_the_loop() -> None:
    scores, embeddings = maps(2, 4, 5), [maps(3, 6, 7, seed=1), maps(3, 9, 9, seed=2)]
    got = refine_by_walk(scores, embeddings, (11, 13), alpha=3.0, beta=2.0, steps=2)
    small = [torch.stack([resize(plane, 4, 5) for plane in view]).reshape(3, 20) for view in embeddings]
    units = [view / view.norm(dim=0) for view in small]
    affinity = torch.zeros(20, 20, dtype=torch.float64)
    for i in range(20):
        for j in range(20):
            cosines = [float(unit[:, i] @ unit[:, j]) for unit in units]
            affinity[i, j] = (sum(math.exp(2 * (c - 1)) for c in cosines) / 2) ** 3
    step = affinity / affinity.sum(0)
    walked = (scores.reshape(2, 20) @ step @ step).reshape(2, 4, 5)
    torch.testing.assert_close(got, torch.stack([resize(plane, 11, 13) for plane in walked]))


def test_the_walk_fills_a_region_from_a_seed_in_it() -> None:
    embedding = torch.zeros(2, 16, 16)
    embedding[0, :, :9], embedding[1, :, 9:] = 1, 1
    seeds = torch.zeros(2, 8, 8)
    seeds[0, 2, 1], seeds[1, 5, 6] = 1, 1
    labels = refine_by_walk(seeds, [embedding], (16, 16)).argmax(0)
    assert (labels[:, :8] == 0).all() and (labels[:, 10:] == 1).all()


def test_bad_refinements_are_refused() -> None:
    with pytest.raises(ConfigError, match="makes no sense"):
        walking_grid((0, 5))
    with pytest.raises(ConfigError, match="with 0 cells"):
        walking_grid((9, 5), limit=0)
    with pytest.raises(ConfigError, match="view"):
        head_scores([], (4, 4))
    with pytest.raises(ConfigError, match=r"\(2,\)"):
        head_scores([maps(3, 4, 4)], (4, 4), torch.tensor([True, False]))
    with pytest.raises(ConfigError, match=r"\(3, 12\)"):
        refine_by_walk(scores(), [maps(3, 4, 4)], (9, 9))
    with pytest.raises(ConfigError, match=r"\[\]"):
        refine_by_walk(maps(3, 4, 4), [], (9, 9))
