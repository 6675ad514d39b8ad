"""The contrastive loss of a small problem: one masked similarity matrix and autograd.

Visiting blocks pays when pixels x segments is large. Where it is small but has many groups, as within one picture, the
visits themselves cost most; then the direct way is the quick one, and its memory is bounded by what counts as small.
"""

from __future__ import annotations

import torch
from torch import Tensor

DENSE_ELEMENTS = 2**20
"""Pixels x segments up to which a problem counts as small."""

_NEVER = -1e30  # finite, so that a row without an entry has a gradient of 0 and not NaN


def dense_losses(
    pixels: Tensor,
    bank: Tensor,
    own: Tensor,
    positive: Tensor,
    negative: Tensor,
    alone: Tensor,
    kappa: float,
    *,
    count_own: bool,
) -> Tensor:
    """Loss of every pixel, ``softplus(lse_N - lse_P)`` by masked log-sum-exp (METHODS.md 0.3, 1.8 eq 3).

    Parameters
    ----------
    pixels : Tensor, (n, D)
    bank : Tensor, (S, D)
    own : Tensor, (n,) int64
        Own segment, -1 for none.
    positive, negative : Tensor, (n, S) bool
        Related and unrelated segments that take part.
    alone : Tensor, (n,) bool
        Where the own segment stands in for positives.
    kappa : float
    count_own : bool
        Keep an unrelated own segment among the negatives.

    Returns
    -------
    Tensor, (n,)
    """
    logits = kappa * (pixels @ bank.T)
    is_own = torch.arange(len(bank), device=own.device) == own[:, None]
    positive = torch.where(is_own, alone[:, None], positive)
    negative = negative if count_own else negative & ~is_own
    pull = torch.logsumexp(logits.masked_fill(~positive, _NEVER), 1)
    push = torch.logsumexp(logits.masked_fill(~negative, _NEVER), 1)
    gap = push - pull
    # Not softplus: that cuts the small end off above 20.
    return torch.logaddexp(gap, torch.zeros_like(gap))
