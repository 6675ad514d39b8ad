"""A classifier that learns from tags alone what cell belongs to which class: the source of activation maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.errors import ConfigError, TrainingError
from spml_core.models.finite import descend
from spml_core.seeds.equivariance import bags_loss, cell_affinity
from spml_core.seeds.pooling import Pooling, pool_attention, pool_lse, pool_mean

_ITERATIONS_A_STEP = 5  # of L-BFGS, between two questions whether to go on
_EQUIVARIANCE_CELLS = 200  # cells of a bag whose maps are compared with the twin's


@dataclass(frozen=True)
class Bag:
    """What one picture tells: some of its cells, and which classes are somewhere in it.

    Attributes
    ----------
    features : Tensor, (n, C) float
        Standardised; cells drawn fairly over the picture.
    present : Tensor, (K-1,) bool
        Classes that are in the picture, the background not counted.
    absent : Tensor, (K-1,) bool
        Classes that are known not to be there, from a complete list of tags. A class that is neither is
        unknown and teaches nothing.
    twin : Tensor, (n, C) float, optional
        The same cells in a transformed picture (mirrored, resized), for equivariance.
    """

    features: Tensor
    present: Tensor
    absent: Tensor
    twin: Tensor | None = None


@dataclass(frozen=True)
class TagClassifier:
    """Scores ``features @ weight.T + bias`` of the classes but the background.

    Attributes
    ----------
    weight : Tensor, (K-1, C)
    bias : Tensor, (K-1,)
    """

    weight: Tensor
    bias: Tensor

    def activations(self, features: Tensor) -> Tensor:
        """Rectified scores (..., K-1) of features (..., C)."""
        return (features @ self.weight.T + self.bias).relu()

    def maps(self, features: Tensor) -> Tensor:
        """Scores (K-1, h, w) of a feature map (C, h, w), not rectified: views are added up first."""
        return torch.einsum("kc,chw->khw", self.weight, features) + self.bias[:, None, None]

    def on_raw(self, mean: Tensor, scale: Tensor) -> TagClassifier:
        """The same function of features that aren't standardised yet."""
        weight = self.weight / scale
        return TagClassifier(weight, self.bias - weight @ mean)


def fit_tag_classifier(
    bags: Sequence[Bag],
    *,
    pooling: Pooling = "attention",
    sharpness: float = 1.0,
    penalty: float = 0.4,
    equivariance: float = 0.0,
    refine: bool = False,
    cells: int = 250,
    max_iterations: int = 60,
    keep_going: Callable[[], bool] = lambda: True,
) -> TagClassifier:
    """Minimise ``tag_loss + penalty |weight|^2 + equivariance * bags_loss`` by L-BFGS.

    Parameters
    ----------
    bags : sequence of Bag
    pooling : str
        From cells to picture. On real pictures attention gave the best seeds, lse nearly as good ones, the mean
        far worse ones: its maps spread over the background that goes with a class.
    sharpness : float
        Of ``"lse"``.
    penalty : float
        Greater keeps the classifier from resting on a few features that happen to go with a class.
    equivariance : float
        Weight of the agreement with the twins of those bags that have one.
    refine : bool
        Whether scores refined by the cells' affinity take part in that, as in SEAM's cross regularisation.
    cells : int
        Of each bag, evenly picked. Does nothing to ``"mean"``, which costs the same with all.
    max_iterations : int
    keep_going : callable
        Asked every five iterations; once it says no, the best so far is returned.

    Returns
    -------
    TagClassifier
        Float32. The weight of a class that no bag holds is 0 and its bias is negative, so it is active nowhere.

    Raises
    ------
    TrainingError
        If there is no bag, no class is present in any of them, or the bags disagree in their sizes.
    ConfigError
        If a setting is out of its range.
    """
    _check(bags, pooling, sharpness, penalty, equivariance, cells)
    present = torch.stack([bag.present for bag in bags])
    absent = torch.stack([bag.absent for bag in bags])
    read, sizes = _pooled_features(bags, pooling, cells)
    number = torch.repeat_interleave(torch.arange(len(bags), device=read.device), sizes)
    agree = _agreement(bags, refine) if equivariance > 0 else None
    weight = read.new_zeros(present.shape[1], read.shape[1]).requires_grad_()
    bias = read.new_zeros(present.shape[1]).requires_grad_()

    def pooled(scores: Tensor) -> Tensor:
        if pooling == "attention":
            return pool_attention(scores, number, len(bags))
        if pooling == "lse":
            return pool_lse(scores, number, len(bags), sharpness)
        return pool_mean(scores, number, len(bags))

    def objective() -> Tensor:
        loss = tag_loss(pooled(read @ weight.T + bias), present, absent)
        loss = loss + penalty * (weight * weight).sum()
        return loss if agree is None else loss + equivariance * agree(weight, bias)

    _minimise(objective, [weight, bias], max_iterations, keep_going)
    never = ~present.any(dim=0)
    return TagClassifier(
        weight.detach().masked_fill(never[:, None], 0), bias.detach().masked_fill(never, -1.0)
    )


def tag_loss(logits: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Multi-label soft margin loss of what is known, each class weighing the same however often it is known.

    ``sum_c mean_(b known for c) log(1 + exp(-t_bc s_bc))``, ``t`` 1 where present, -1 where absent.

    Parameters
    ----------
    logits : Tensor, (b, c)
    present, absent : Tensor, (b, c) bool

    Returns
    -------
    Tensor, ()
        0 where nothing is known.
    """
    known = (present | absent).to(logits.dtype)
    losses = F.softplus(torch.where(present, -logits, logits)) * known
    return (losses.sum(dim=0) / known.sum(dim=0).clamp_min(1)).sum()


def _pooled_features(bags: Sequence[Bag], pooling: Pooling, cells: int) -> tuple[Tensor, Tensor]:
    """Features to be scored and how many of them each bag has; for the mean a single one each: its mean."""
    if pooling == "mean":  # scores are linear, so the mean score is that of the mean
        parts = [bag.features.float().mean(dim=0, keepdim=True) for bag in bags]
    else:
        parts = [_evenly(bag.features, cells) for bag in bags]
    sizes = torch.tensor([len(part) for part in parts], device=parts[0].device)
    return torch.cat(parts), sizes


def _agreement(bags: Sequence[Bag], refine: bool) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The equivariance loss as a function of weight and bias; None if no bag has a twin."""
    pairs = [
        (_evenly(bag.features, _EQUIVARIANCE_CELLS), _evenly(bag.twin, _EQUIVARIANCE_CELLS))
        for bag in bags
        if bag.twin is not None
    ]
    if not pairs:
        return None
    mine, its = (torch.cat(side) for side in zip(*pairs, strict=True))
    present = torch.stack([bag.present for bag in bags if bag.twin is not None])
    sizes = [len(pair[0]) for pair in pairs]
    affinities = [(cell_affinity(a), cell_affinity(b)) for a, b in pairs] if refine else None

    def loss(weight: Tensor, bias: Tensor) -> Tensor:
        return bags_loss(mine @ weight.T + bias, its @ weight.T + bias, present, sizes, affinities)

    return loss


def _evenly(features: Tensor, most: int) -> Tensor:
    if len(features) <= most:
        return features.float()
    return features[torch.linspace(0, len(features) - 1, most, device=features.device).long()].float()


def _minimise(
    objective: Callable[[], Tensor],
    parameters: list[Tensor],
    max_iterations: int,
    keep_going: Callable[[], bool],
) -> None:
    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=_ITERATIONS_A_STEP,
        max_eval=10 * _ITERATIONS_A_STEP,
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
    )

    before = float("inf")
    for iteration in range(0, max_iterations, _ITERATIONS_A_STEP):
        if not keep_going():
            return
        now = descend(optimiser, objective, "tags", "Classifier of tags", iteration + 1)
        if abs(before - now) < 1e-6 * max(abs(now), 1.0):
            return
        before = now


def _check(
    bags: Sequence[Bag],
    pooling: Pooling,
    sharpness: float,
    penalty: float,
    equivariance: float,
    cells: int,
) -> None:
    if pooling not in get_args(Pooling):
        raise ConfigError(f"Unknown pooling {pooling!r}.", f"Use one of: {', '.join(get_args(Pooling))}.")
    if sharpness <= 0 or penalty < 0 or equivariance < 0 or cells < 1:
        raise ConfigError(
            f"Sharpness {sharpness}, penalty {penalty}, equivariance {equivariance} or {cells} cells is out of range.",
            "Use positive values; penalty and equivariance may be 0.",
        )
    sizes = {(bag.features.shape[-1], len(bag.present), len(bag.absent)) for bag in bags}
    if len(sizes) > 1 or not all(
        len(bag.features) and (bag.twin is None or bag.twin.shape == bag.features.shape) for bag in bags
    ):
        raise TrainingError(
            f"The pictures' cells and tags differ in size or are empty: channels and classes {sorted(sizes)}.",
            "Give each picture at least one cell, with the same channels and classes.",
        )
    if not bags or not any(bool(bag.present.any()) for bag in bags):
        raise TrainingError(
            f"None of {len(bags)} pictures has a class to learn from tags.",
            "Tag pictures with what they show.",
        )
