"""The linear classifier that follows soft labels and changes little along the flow, by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spml_core.models.finite import descend
from spml_core.training.classifier import LinearClassifier


def flow_scatter(differences: Tensor, validity: Tensor) -> Tensor:
    """``S = sum_i V_i d_i d_i^T / m`` of feature differences (m, C) along the flow, (C, C).

    Of a linear classifier W, ``trace(W S W^T)`` is the mean of ``V_i |q_t(i) - q_k(i)|^2`` on logits: ETC's temporal
    loss (METHODS.md 6.3) on features that don't change is quadratic, and needs no pass over the pairs.
    """
    return (differences * validity[:, None]).T @ differences / max(len(differences), 1)


def fit_soft(
    features: Tensor,
    targets: Tensor,
    weights: Tensor,
    *,
    start: LinearClassifier | None = None,
    scatter: Tensor | None = None,
    steadiness: float = 0.0,
    inverse_penalty: float = 0.005,
    max_iterations: int = 40,
    keep_going: Callable[[], bool] = lambda: True,
) -> LinearClassifier:
    """Minimise ``p n (sum_i w_i CE(target_i, i) + steadiness trace(W S W^T)) + |W|^2 / 2``, the weights summing to 1.

    Parameters
    ----------
    features : Tensor, (n, C) float32
        Standardised.
    targets : Tensor, (n, K) float32
        Rows sum to 1.
    weights : Tensor, (n,) float32
        0 or more.
    start : LinearClassifier, optional
        Where to begin; zeros if not given.
    scatter : Tensor, (C, C), optional
        S of :func:`flow_scatter`.
    steadiness : float
    inverse_penalty : float
        p; greater follows the targets more closely.
    max_iterations : int
    keep_going : callable
        Asked before each iteration; once it says no, the best so far is returned.
    """
    classes = targets.shape[1]
    weight = torch.zeros(classes, features.shape[1], device=features.device)
    bias = torch.zeros(classes, device=features.device)
    if start is not None:
        weight, bias = start.weight.detach().clone(), start.bias.detach().clone()
    weight.requires_grad_()
    bias.requires_grad_()
    share = weights / weights.sum().clamp_min(1e-12)
    scale = inverse_penalty * max(len(features), 1)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=1,
        max_eval=10,  # a single evaluation may stop far from the minimum where the targets are many
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-5 * scale,
        tolerance_change=1e-7,
    )

    def objective() -> Tensor:
        answer = torch.log_softmax(features @ weight.T + bias, 1)
        fit = -(share * (targets * answer).sum(1)).sum()
        if scatter is not None and steadiness:
            fit = fit + steadiness * ((weight @ scatter) * weight).sum()
        return scale * fit + 0.5 * (weight * weight).sum()

    before = float("inf")
    for iteration in range(1, max_iterations + 1):
        if not keep_going():
            break
        now = descend(optimiser, objective, "cross_entropy", "Learning from films", iteration)
        if abs(before - now) < 1e-6 * max(abs(now), 1.0):
            break
        before = now
    return LinearClassifier(weight.detach(), bias.detach())
