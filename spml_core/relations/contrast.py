"""The one contrastive primitive behind all four relations (METHODS.md 1.8 eq 3, 8.1).

For a pixel ``i`` with embedding ``v`` and own segment ``o``, positives ``P`` and negatives ``N`` (both
without ``o``)::

    L_i = log(1 + sum_N exp(kappa u.v) / sum_P exp(kappa u.v)) = softplus(lse_N - lse_P)

where ``o`` itself stands in for ``P`` when no other positive exists. The own segment is masked before any sum
is taken, never subtracted, so weak positives survive next to a strong own segment (METHODS.md 0.3).

Pixels are visited in blocks that fit the processor's cache, all pixels of a block sharing one row of the
relation. The segments are laid out positives first, so that loss and gradients need one exponential and five
matrix products per block and no mask of pixels x segments. The gradients are made in the forward pass and
only they are kept: memory grows with pixels + segments, not with their product. Problems small enough to be
quicker without blocks take the way of :mod:`dense`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spml_core.errors import ConfigError
from spml_core.relations.dense import DENSE_ELEMENTS, dense_losses
from spml_core.relations.relation import Relation

# Logits within +-40 can be exponentiated in float32 as they are: sums stay below 1e25, gradients above 1e-25.
_SAFE_LOGIT = 40.0
# Logits per block. 3 MB of float32: the two L2 caches of a small machine hold it between the passes.
_BLOCK_ELEMENTS = 3 * 2**18


@dataclass(frozen=True)
class _Problem:
    """What is fixed while the blocks are visited. ``own`` is -1 where the own segment takes no part."""

    own: Tensor
    relation: Relation
    kappa: float
    active: Tensor
    alone: Tensor
    count_own: bool
    block: int | None


@dataclass(frozen=True)
class _Group:
    """The pixels that share one row of the relation, and the segments, that row's positives first."""

    pixels: Tensor
    columns: Tensor
    num_positives: int
    place: Tensor


def contrastive_loss(
    pixels: Tensor,
    prototypes: Tensor,
    own: Tensor,
    relation: Relation,
    kappa: float,
    *,
    memory: Tensor | None = None,
    weights: Tensor | None = None,
    fallback: bool = True,
    count_own: bool = False,
    block: int | None = None,
) -> Tensor:
    """Mean contrastive loss of the pixels that take part (METHODS.md 1.8 eq 3).

    Parameters
    ----------
    pixels : Tensor, (n, D)
        Embeddings, of unit length or near it.
    prototypes : Tensor, (S, D)
        This batch's segment prototypes; gradient flows into them.
    own : Tensor, (n,) int64
        Each pixel's own segment, an index into ``prototypes``; -1 for none.
    relation : Relation
        Positives and negatives over ``S + M`` segments, memory last.
    kappa : float
        Concentration, above 0.
    memory : Tensor, (M, D), optional
        Prototypes of earlier batches. They never receive a gradient.
    weights : Tensor, (n,), optional
        Weight of each pixel, 0 or more; the result is the weighted mean. Constant: no gradient.
    fallback : bool
        Whether a pixel without another positive takes its own segment as the positive. Without it such pixels
        take no part.
    count_own : bool
        Keep an own segment that isn't related to its own pixel among the negatives, as the reference code
        does for pictures without a tag (METHODS.md 1.8.3).
    block : int, optional
        Pixels per block; chosen by the number of segments when not given.

    Returns
    -------
    Tensor, ()
        The loss; exactly 0, with a gradient of 0, when no pixel takes part.

    Raises
    ------
    ConfigError
        If shapes don't fit or ``kappa`` isn't positive.
    """
    problem = _prepare(pixels, prototypes, own, relation, kappa, memory, fallback, count_own, block)
    share = problem.active.to(pixels.dtype)
    if weights is not None:
        share = share * weights.detach().to(pixels.dtype)
    share = share / share.sum().clamp_min(torch.finfo(share.dtype).tiny)
    if block is None and len(pixels) * relation.positive.shape[1] <= DENSE_ELEMENTS and share.any():
        return _dense_loss(pixels, prototypes, memory, share, problem)
    wants = torch.is_grad_enabled() and (pixels.requires_grad or prototypes.requires_grad)
    loss: Tensor = _Contrast.apply(pixels, prototypes, memory, share, problem, wants)
    return loss


@torch.no_grad()
def contrastive_losses(
    pixels: Tensor,
    prototypes: Tensor,
    own: Tensor,
    relation: Relation,
    kappa: float,
    *,
    memory: Tensor | None = None,
    fallback: bool = True,
    count_own: bool = False,
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of every pixel, without gradient; arguments as :func:`contrastive_loss`.

    Returns
    -------
    losses : Tensor, (n,)
        0 where a pixel takes no part.
    active : Tensor, (n,) bool
        Which pixels take part.
    """
    problem = _prepare(pixels, prototypes, own, relation, kappa, memory, fallback, count_own, block)
    losses, _, _ = _evaluate(pixels, prototypes, memory, None, problem)
    return losses, problem.active


def _dense_loss(
    pixels: Tensor, prototypes: Tensor, memory: Tensor | None, share: Tensor, problem: _Problem
) -> Tensor:
    """The weighted sum of the losses of a small problem's active pixels."""
    chosen = problem.active.nonzero()[:, 0]
    related = problem.relation.positive[problem.relation.rows[chosen]]
    takes_part = problem.relation.takes_part
    losses = dense_losses(
        pixels[chosen],
        prototypes if memory is None else torch.cat([prototypes, memory.detach()]),
        problem.own[chosen],
        related & takes_part,
        ~related & takes_part,
        problem.alone[chosen],
        problem.kappa,
        count_own=problem.count_own,
    )
    return torch.dot(losses, share[chosen])


def _prepare(
    pixels: Tensor,
    prototypes: Tensor,
    own: Tensor,
    relation: Relation,
    kappa: float,
    memory: Tensor | None,
    fallback: bool,
    count_own: bool,
    block: int | None,
) -> _Problem:
    """Check the shapes and find out which pixels take part and which have only their own segment."""
    segments = len(prototypes) + (0 if memory is None else len(memory))
    if not kappa > 0:
        raise ConfigError(f"The concentration kappa is {kappa}.", "Give a number above 0.")
    if len(own) != len(pixels) or len(relation.rows) != len(pixels):
        raise ConfigError(
            f"{len(pixels)} pixels came with {len(own)} own segments and {len(relation.rows)} relation rows.",
            "Give one of each per pixel.",
        )
    if relation.positive.shape[1] != segments:
        raise ConfigError(
            f"The relation knows {relation.positive.shape[1]} segments; there are {segments} with memory.",
            "Build the relation over this batch's segments followed by the memory's.",
        )
    positive, takes_part = relation.positive, relation.takes_part
    if segments == 0 or len(positive) == 0:
        nobody = torch.zeros(len(pixels), dtype=torch.bool, device=pixels.device)
        return _Problem(own, relation, kappa, nobody, nobody, count_own, block)
    row = relation.rows.clamp_min(0)
    own = torch.where((own >= 0) & takes_part[own.clamp_min(0)], own, -1)
    own_related = positive[row, own.clamp_min(0)] & (own >= 0)
    others = (positive & takes_part).sum(1)[row] - own_related.long()
    alone = others == 0
    possible = ~alone | (own >= 0) if fallback else ~alone
    return _Problem(own, relation, kappa, (relation.rows >= 0) & possible, alone, count_own, block)


class _Contrast(torch.autograd.Function):
    """Weighted sum of the pixel losses, with both gradients made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        pixels: Tensor,
        prototypes: Tensor,
        memory: Tensor | None,
        share: Tensor,
        problem: _Problem,
        wants: bool,
    ) -> Tensor:
        losses, grad_pixels, grad_prototypes = _evaluate(
            pixels, prototypes, memory, share if wants else None, problem
        )
        if wants:
            ctx.save_for_backward(grad_pixels, grad_prototypes)
        return torch.dot(losses, share)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_pixels, grad_prototypes = ctx.saved_tensors
        return grad_pixels * grad, grad_prototypes * grad, None, None, None, None


def _evaluate(
    pixels: Tensor, prototypes: Tensor, memory: Tensor | None, share: Tensor | None, problem: _Problem
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Loss of every pixel and, when ``share`` (n,) is given, the gradients of ``sum(share * losses)``."""
    losses = pixels.new_zeros(len(pixels))
    grad_pixels = None if share is None else torch.zeros_like(pixels)
    grad_prototypes = None if share is None else torch.zeros_like(prototypes)
    bank = problem.kappa * (prototypes if memory is None else torch.cat([prototypes, memory]))
    if not problem.active.any():
        return losses, grad_pixels, grad_prototypes
    reach = float(bank.norm(dim=1).max() * pixels.norm(dim=1).max())
    size = problem.block or max(64, _BLOCK_ELEMENTS // len(bank))
    logits = pixels.new_empty(min(size, len(pixels)) * len(bank))
    with torch.autocast(pixels.device.type, enabled=False):
        for group in _groups(problem):
            local = bank[group.columns]
            # Segments are in ascending order within positives and negatives, so memory is at each end.
            split = group.num_positives
            fresh = group.columns < len(prototypes)
            ends = (int(fresh[:split].sum()), split + int(fresh[split:].sum()))
            grad_local = None if share is None else torch.zeros_like(local)
            for chosen in torch.split(group.pixels, size):
                block = logits[: len(chosen) * len(local)].view(len(chosen), len(local))
                vectors = pixels[chosen]
                torch.mm(vectors, local.T, out=block)
                loss, pull, push, lonely = _block_loss(block, chosen, vectors, bank, group, problem, reach)
                losses[chosen] = loss
                if share is None or grad_pixels is None or grad_prototypes is None or grad_local is None:
                    continue
                pull, push = (-share[chosen] * pull)[:, None], (share[chosen] * push)[:, None]
                grad = torch.mm(block[:, split:], local[split:]).mul_(push)
                grad_local[split : ends[1]].addmm_(block[:, split : ends[1]].T, vectors * push)
                if lonely:
                    mine = problem.own[chosen]
                    grad.addcmul_(bank[mine], pull)
                    grad_prototypes.index_add_(0, mine, vectors * pull)
                else:
                    grad.addcmul_(torch.mm(block[:, :split], local[:split]), pull)
                    grad_local[: ends[0]].addmm_(block[:, : ends[0]].T, vectors * pull)
                grad_pixels[chosen] = grad
            if grad_prototypes is not None and grad_local is not None:
                grad_prototypes.index_add_(0, group.columns[:split][: ends[0]], grad_local[: ends[0]])
                grad_prototypes.index_add_(0, group.columns[split : ends[1]], grad_local[split : ends[1]])
    if grad_prototypes is not None:
        grad_prototypes *= problem.kappa
    return losses, grad_pixels, grad_prototypes


def _block_loss(
    logits: Tensor,
    chosen: Tensor,
    vectors: Tensor,
    bank: Tensor,
    group: _Group,
    problem: _Problem,
    reach: float,
) -> tuple[Tensor, Tensor, Tensor, bool]:
    """Turn a block of logits into exponentials, in place, and give the loss with its two slopes.

    Returns
    -------
    loss : Tensor, (b,)
    pull, push : Tensor, (b,)
        Factor of the positives' and negatives' exponentials in the gradient by the logits (pull without its
        sign).
    lonely : bool
        The group has no positive at all: the own segments, outside ``logits``' positives, stand in.
    """
    split = group.num_positives
    own, alone = problem.own[chosen], problem.alone[chosen]
    place = group.place[own.clamp_min(0)]
    hidden = (own >= 0) & torch.where(place < split, ~alone, not problem.count_own)
    kept = logits.gather(1, place[:, None])
    logits.scatter_(1, place[:, None], kept.masked_fill_(hidden[:, None], -torch.inf))
    positive, negative = logits[:, :split], logits[:, split:]
    top_p = top_n = logits.new_zeros(())
    if reach > _SAFE_LOGIT:
        top_p, top_n = _lower(positive), _lower(negative)
    logits.exp_()
    sum_p, sum_n = positive.sum(1), negative.sum(1)
    lonely = split == 0
    if lonely:
        sum_p = torch.ones_like(sum_n)
        top_p = (vectors * bank[own]).sum(1)
    gap = (sum_n.log() + top_n) - (sum_p.log() + top_p)
    slope = torch.sigmoid(gap)
    return (
        torch.logaddexp(gap, torch.zeros_like(gap)),
        slope / sum_p,
        slope / sum_n.clamp_min_(torch.finfo(sum_n.dtype).tiny),
        lonely,
    )


def _lower(part: Tensor) -> Tensor:
    """Subtract each row's largest logit in place and return it; rows of nothing stay -inf."""
    if part.shape[1] == 0:
        return part.new_zeros(len(part))
    top = part.amax(1).clamp_min_(torch.finfo(part.dtype).min)
    part.sub_(top[:, None])
    return top


def _groups(problem: _Problem) -> list[_Group]:
    """Split the active pixels by the row of the relation they share."""
    positive, takes_part = problem.relation.positive, problem.relation.takes_part
    pixels = problem.active.nonzero()[:, 0]
    rows, order = problem.relation.rows[pixels].sort(stable=True)
    present, counts = torch.unique_consecutive(rows, return_counts=True)
    groups = []
    for row, members in zip(present.tolist(), torch.split(pixels[order], counts.tolist()), strict=True):
        positives = (positive[row] & takes_part).nonzero()[:, 0]
        negatives = (~positive[row] & takes_part).nonzero()[:, 0]
        columns = torch.cat([positives, negatives])
        place = torch.zeros_like(takes_part, dtype=torch.long)
        place[columns] = torch.arange(len(columns), device=columns.device)
        groups.append(_Group(members, columns, len(positives), place))
    return groups
