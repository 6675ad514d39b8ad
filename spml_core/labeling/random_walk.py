"""Random-walk refinement: class scores smoothed along embedding affinities (METHODS.md 1.14)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spml_core.errors import ConfigError


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
    return total / total.sum(0)
