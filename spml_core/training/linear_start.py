"""Where training starts: the multinomial logistic regression on the marked cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.models.finite import descend


def _look_away(weight: Tensor, bias: Tensor) -> None:
    """Watch nothing."""


def fit_logistic(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    inverse_penalty: float = 0.005,
    max_iterations: int = 60,
    line_search: int = 1,
    initial: tuple[Tensor, Tensor] | None = None,
    keep_going: Callable[[], bool] = lambda: True,
    watch: Callable[[Tensor, Tensor], object] = _look_away,
) -> tuple[Tensor, Tensor]:
    """Minimise ``inverse_penalty * sum of cross-entropies + |weight|^2 / 2`` by L-BFGS.

    Parameters
    ----------
    features : Tensor, (n, C) float32
        Standardised.
    labels : Tensor, (n,) int64
        In ``0..num_classes-1``.
    num_classes : int
        K.
    inverse_penalty : float
        Greater fits the marks more closely.
    max_iterations : int
    line_search : int
        Evaluations that an iteration may spend on finding how far to go. One is quick and enough from nothing; a start
        that the labels contradict needs more, or it stays where it is.
    initial : tuple of Tensor, optional
        Weight and bias to start from; zeros if not given.
    keep_going : callable
        Asked before each iteration; once it says no, the best so far is returned.
    watch : callable
        Given weight and bias as they are before each iteration, and before ``keep_going`` is asked.

    Returns
    -------
    weight : Tensor, (K, C)
    bias : Tensor, (K,)
        A class without a label gets a bias that keeps it from ever winning against a marked one.
    """
    device = features.device
    if initial is None:
        initial = (
            torch.zeros(num_classes, features.shape[1], device=device),
            torch.zeros(num_classes, device=device),
        )
    weight, bias = (part.detach().clone().requires_grad_() for part in initial)
    scale = inverse_penalty * max(len(labels), 1)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=1,
        max_eval=line_search,
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-5 * scale,
        tolerance_change=1e-7,
    )

    def objective() -> Tensor:
        logits = features @ weight.T + bias
        fit = F.cross_entropy(logits, labels) if len(labels) else logits.sum()  # the mean of none is NaN
        return scale * fit + 0.5 * (weight * weight).sum()

    before = float("inf")
    for iteration in range(1, max_iterations + 1):
        watch(weight.detach(), bias.detach())
        if not keep_going():
            break
        now = descend(optimiser, objective, "cross_entropy", "Linear start", iteration)
        if abs(before - now) < 1e-6 * max(abs(now), 1.0):
            break
        before = now
    absent = torch.bincount(labels, minlength=num_classes) == 0
    return weight.detach(), bias.detach().masked_fill(absent, -30.0)


def leading_directions(features: Tensor, count: int, seed: int) -> Tensor:
    """The ``count`` directions along which features (n, C) vary most, (count, C), orthonormal.

    With fewer than ``count`` samples or channels the rest are zero.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    pick = torch.randperm(len(features), generator=generator)[:4000]
    taken = features[pick.to(features.device)]
    centered = taken - taken.mean(0)
    # Eigenvectors of the scatter matrix, in ascending order: several times quicker than a singular value decomposition.
    basis = torch.linalg.eigh(centered.T @ centered).eigenvectors.T.flip(0)[: min(count, len(taken))]
    directions = features.new_zeros(count, features.shape[1])
    directions[: len(basis)] = basis
    return directions
