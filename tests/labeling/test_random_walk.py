"""METHODS.md 1.21 check 11: the random walk."""

from __future__ import annotations

import math

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.labeling.random_walk import random_walk, transition_matrix
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
