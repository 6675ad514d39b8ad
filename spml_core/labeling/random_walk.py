"""Random-walk refinement: class scores smoothed along embedding affinities (METHODS.md 1.14)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spml_core.errors import ConfigError
from spml_core.seeds.activation import with_background
from spml_core.segments import normalize


def random_walk(
    scores: Tensor,
    embeddings: Tensor | Sequence[Tensor],
    *,
    alpha: float = 20.0,
    beta: float = 5.0,
    steps: int = 64,
) -> Tensor:
    """Walk ``steps`` steps on the graph of all pixels.

    Parameters
    ----------
    scores : Tensor, (K, n)
        Class scores of every pixel.
    embeddings : Tensor, (n, D), or sequence of them
        Unit vectors of the same pixels, one set per view (for instance flipped back and plain).
    alpha : float
        Power of the affinities: 0 walks anywhere, large values stay put.
    beta : float
        Concentration of one view's affinity ``exp(beta (cos - 1))``.
    steps : int
        64 are the six squarings of the transition matrix in the paper, as products with the scores.

    Returns
    -------
    Tensor, (K, n)
        Every output is a convex combination of a class's inputs: constant maps stay, extremes never grow.

    Raises
    ------
    ConfigError
        If shapes don't fit, there is no view, or ``alpha``, ``beta`` or ``steps`` is negative.
    """
    views = [embeddings] if isinstance(embeddings, Tensor) else list(embeddings)
    if not views or scores.ndim != 2 or any(v.ndim != 2 or len(v) != scores.shape[1] for v in views):
        raise ConfigError(
            f"Scores of shape {tuple(scores.shape)} came with views of {[tuple(v.shape) for v in views]}.",
            "Give (classes, pixels) and one or more (pixels, dimensions).",
        )
    if steps < 0:
        raise ConfigError(f"A walk of {steps} steps was asked for.", "Use 0 or more.")
    step = transition_matrix(views, alpha=alpha, beta=beta)
    for _ in range(steps):
        scores = scores @ step
    return scores


def transition_matrix(views: Sequence[Tensor], *, alpha: float = 20.0, beta: float = 5.0) -> Tensor:
    """Affinities to the power ``alpha``, averaged over views first, each column scaled to sum 1.

    Parameters
    ----------
    views : sequence of Tensor, (n, D)
    alpha, beta : float
        As in :func:`random_walk`.

    Returns
    -------
    Tensor, (n, n)

    Raises
    ------
    ConfigError
        If ``alpha`` or ``beta`` is negative.
    """
    if alpha < 0 or beta < 0:
        raise ConfigError(f"A random walk has alpha {alpha} and beta {beta}.", "Use 0 or more for both.")
    total = (beta * (views[0] @ views[0].T - 1)).exp_()
    for view in views[1:]:
        total += (beta * (view @ view.T - 1)).exp_()
    # Scaled by each column's largest first: a sum can then neither overflow nor vanish, however large alpha
    # is.
    total = (total / total.amax(0)).pow_(alpha)
    # What is lost in rounding beside a column's largest goes: numbers near the smallest there are make a product
    # thirty times slower.
    total = functional.threshold(total, torch.finfo(total.dtype).eps ** 2, 0.0, inplace=True)
    return total / total.sum(0)


def walking_grid(size: tuple[int, int], *, stride: int = 8, limit: int = 4096) -> tuple[int, tuple[int, int]]:
    """Stride, and grid ``(H // stride, W // stride)``, that a picture's pixels walk on.

    Parameters
    ----------
    size : (int, int)
        Height and width of the picture.
    stride : int
        The least; it grows until the grid has ``limit`` cells at the most. A side shorter than it is one cell.
    limit : int
        Bound of the cells, 1 or more: the transition matrix has its square.

    Raises
    ------
    ConfigError
        If a value is below 1.
    """
    if min(*size, stride, limit) < 1:
        raise ConfigError(
            f"A walk over {size[0]} x {size[1]} pixels at stride {stride} with {limit} cells makes no sense.",
            "Use 1 or more for each.",
        )
    while max(1, size[0] // stride) * max(1, size[1] // stride) > limit:
        stride += 1
    return stride, (max(1, size[0] // stride), max(1, size[1] // stride))


def head_scores(logits: Sequence[Tensor], grid: tuple[int, int], present: Tensor | None = None) -> Tensor:
    """Scores to walk from, made of a softmax head's logits.

    Parameters
    ----------
    logits : sequence of Tensor, (K, h_v, w_v)
        One a view, mirrored ones turned back.
    grid : (int, int)
        Of :func:`walking_grid`.
    present : Tensor, (K,) bool, optional
        Classes that the picture's annotation names; the others, background too, become zero.

    Returns
    -------
    Tensor, (K, h, w)
        Mean over the views of the softmax of the resized logits, each class divided by its largest value.

    Raises
    ------
    ConfigError
        If there is no view, or ``present`` has another length.
    """
    if not logits:
        raise ConfigError(
            "No view of the picture came to the random walk.", "Give the logits of one or more."
        )
    views = [torch.softmax(_resized(view, grid), 0) for view in logits]
    return scaled_classes(torch.stack(views).mean(0), present)


def scaled_classes(scores: Tensor, present: Tensor | None = None) -> Tensor:
    """Scores (K, h, w) 0 or more, each class divided by its largest; those not ``present`` (K,) become zero.

    Raises
    ------
    ConfigError
        If ``present`` has another length.
    """
    scaled = scores / scores.amax((1, 2), keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)
    if present is None:
        return scaled
    if present.shape != scores.shape[:1]:
        raise ConfigError(
            f"{len(scores)} classes came with a list of {tuple(present.shape)} present ones.",
            "Give one yes or no per class.",
        )
    return scaled * present.to(scaled)[:, None, None]


def activation_scores(
    activation: NDArray[np.floating], grid: tuple[int, int], stride: int, *, alpha: float = 6.0
) -> Tensor:
    """Scores to walk from, made of class activation maps.

    Parameters
    ----------
    activation : ndarray, (K - 1, H, W) float
        In 0..1, zero for classes that aren't in the picture.
    grid, stride
        Of :func:`walking_grid`.
    alpha : float
        Power of the background ``(1 - max_c M_c)^alpha``, which is taken at full size.

    Returns
    -------
    Tensor, (K, h, w)
        Background first. Cell (i, j) is read at the middle of its ``stride`` x ``stride`` pixels, bilinearly.
    """
    maps = torch.from_numpy(with_background(activation, alpha))
    # Without the rows and columns past the last whole cell, a resize to the grid has exactly this stride.
    covered = maps[:, : max(1, grid[0] * stride), : max(1, grid[1] * stride)]
    return _resized(covered, grid)


def refine_by_walk(
    scores: Tensor,
    embeddings: Sequence[Tensor],
    size: tuple[int, int],
    *,
    alpha: float = 20.0,
    beta: float = 5.0,
    steps: int = 64,
) -> Tensor:
    """Scores that have walked along a picture's affinities, at the picture's size.

    Parameters
    ----------
    scores : Tensor, (K, h, w)
        On the :func:`walking_grid`, made by :func:`head_scores`, :func:`activation_scores` or propagation.
    embeddings : sequence of Tensor, (D, h_v, w_v)
        One a view, mirrored ones turned back; resized to the grid and scaled to unit length here.
    size : (int, int)
        Height and width of the picture.
    alpha, beta, steps
        As in :func:`random_walk`.

    Returns
    -------
    Tensor, (K, H, W)
        Resized bilinearly.

    Raises
    ------
    ConfigError
        As :func:`random_walk`, or if ``scores`` or a view isn't a map.
    """
    if scores.ndim != 3 or not embeddings or any(view.ndim != 3 for view in embeddings):
        raise ConfigError(
            f"A walk got scores of shape {tuple(scores.shape)} and views of "
            f"{[tuple(view.shape) for view in embeddings]}.",
            "Give maps (classes, h, w) and one or more (dimensions, h, w).",
        )
    grid = (scores.shape[1], scores.shape[2])
    views = [normalize(_resized(view, grid).flatten(1).T) for view in embeddings]
    walked = random_walk(scores.flatten(1).to(views[0]), views, alpha=alpha, beta=beta, steps=steps)
    return _resized(walked.reshape(scores.shape), size)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resize of (C, h, w), cell centres kept in place."""
    return functional.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]
