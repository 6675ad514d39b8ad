"""Equivariance regularisation: the maps of a picture and of the same picture transformed shall agree (SEAM).

References
----------
Wang et al., Self-supervised equivariant attention mechanism for weakly supervised semantic segmentation, CVPR 2020: the
losses it calls ER (equivariant regularisation) and ECR (equivariant cross regularisation), and its pixel correlation
module (PCM). There they move a network; here features are frozen and they move a linear classifier.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALL = 1e-5


def normalised_maps(scores: Tensor) -> Tensor:
    """Rectified scores (n, c) of one bag's cells divided by ``their maximum + 1e-5``, class by class."""
    positive = scores.relu()
    return positive / (positive.amax(dim=0) + _SMALL)


def cell_affinity(features: Tensor) -> Tensor:
    """How much each cell's score counts for each other's: ``A_ij``, (n, n), rows summing to 1 or nearly so.

    ``A_ij = relu(cos(x_i, x_j)) / (1e-5 + sum_j relu(cos(x_i, x_j)))``: the weights of PCM.

    Parameters
    ----------
    features : Tensor, (n, C)
        Of one bag's cells.
    """
    unit = F.normalize(features, dim=1)
    similar = (unit @ unit.T).relu()
    return similar / (similar.sum(dim=1, keepdim=True) + _SMALL)


def equivariance_loss(
    scores: Tensor, twin: Tensor, present: Tensor, affinities: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Mean difference between the maps of one bag's cells and of its twin.

    With ``m(s)`` the normalised map and ``A s`` the scores refined by the affinities, the loss is the mean over cells
    and present classes of

    * ER: ``|m(s) - m(s')|``,
    * ECR, if there are affinities: ``|m(A s) - m(s')| + |m(s) - m(A' s')|``, added to ER.

    Parameters
    ----------
    scores, twin : Tensor, (n, c)
        Of the same cells in the picture and in the transformed one.
    present : Tensor, (c,) bool
        Maps of other classes don't count.
    affinities : tuple of Tensor, each (n, n), optional
        Of the cells' features and of the twin's, :func:`cell_affinity`.

    Returns
    -------
    Tensor, ()
        0 if no class is present.
    """
    scores, twin = scores[:, present], twin[:, present]
    if not scores.numel():
        return scores.sum()
    mine, its = normalised_maps(scores), normalised_maps(twin)
    loss = (mine - its).abs().mean()
    if affinities is not None:
        refined = normalised_maps(affinities[0] @ scores)
        refined_twin = normalised_maps(affinities[1] @ twin)
        loss = loss + (refined - its).abs().mean() + (mine - refined_twin).abs().mean()
    return loss


def bags_loss(
    scores: Tensor,
    twins: Tensor,
    present: Tensor,
    sizes: list[int],
    affinities: list[tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """Mean of :func:`equivariance_loss` over bags.

    Parameters
    ----------
    scores, twins : Tensor, (n, c)
        Of all bags' cells, bag after bag.
    present : Tensor, (b, c) bool
    sizes : list of int
        How many cells each of the b bags has.
    affinities : list of tuple of Tensor, optional
        One pair for each bag.
    """
    terms = [
        equivariance_loss(mine, its, there, affinities[number] if affinities else None)
        for number, (mine, its, there) in enumerate(
            zip(torch.split(scores, sizes), torch.split(twins, sizes), present, strict=True)
        )
    ]
    return torch.stack(terms).mean() if terms else scores.sum()
