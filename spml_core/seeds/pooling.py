"""From a classifier's score in each cell to its score for the picture."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Pooling: TypeAlias = Literal["mean", "lse", "attention"]
"""How the cells' scores become the picture's; :func:`pool_mean`, :func:`pool_lse`, :func:`pool_attention`."""

_TINY = 1e-6


def pool_mean(scores: Tensor, bags: Tensor, num_bags: int) -> Tensor:
    """Mean score of each bag's cells: global average pooling, as in the first class activation maps.

    Parameters
    ----------
    scores : Tensor, (n, c)
        Of all bags' cells.
    bags : Tensor, (n,) int64
        Which bag each cell is of. Every bag has a cell.
    num_bags : int

    Returns
    -------
    Tensor, (num_bags, c)

    References
    ----------
    Zhou et al., Learning deep features for discriminative localization, CVPR 2016.
    """
    return _sums(scores, bags, num_bags) / _counts(bags, num_bags, scores)


def pool_lse(scores: Tensor, bags: Tensor, num_bags: int, sharpness: float = 1.0) -> Tensor:
    """``log(mean_i exp(r s_i)) / r``: from the mean (r near 0) to the maximum (r large) of each bag's scores.

    Parameters and result as for :func:`pool_mean`; ``sharpness`` is r.

    References
    ----------
    Pinheiro and Collobert, From image-level to pixel-level labeling with convolutional networks, CVPR 2015.
    """
    scaled = scores * sharpness
    highest = scores.new_full((num_bags, scores.shape[1]), -math.inf)
    highest = highest.scatter_reduce(0, bags[:, None].expand_as(scores), scaled.detach(), "amax")
    sums = _sums((scaled - highest[bags]).exp(), bags, num_bags)
    return ((sums / _counts(bags, num_bags, scores)).log() + highest) / sharpness


def pool_attention(scores: Tensor, bags: Tensor, num_bags: int) -> Tensor:
    """Mean score of each bag's cells, every cell weighted by how far the class wins it.

    The weight of cell i for class c is its softmax over all classes and a background of score 0,
    ``a_ic = exp(s_ic) / (1 + sum_d exp(s_id))``; the bag's score is ``sum_i a_ic s_ic / (1e-6 + sum_i a_ic)``.

    Parameters and result as for :func:`pool_mean`.

    References
    ----------
    Araslanov and Roth, Single-stage semantic segmentation from image labels, CVPR 2020: normalised global weighted
    pooling.
    """
    attention = F.pad(scores, (0, 1)).softmax(dim=1)[:, :-1]
    weighted = _sums(attention * scores, bags, num_bags)
    return weighted / (_sums(attention, bags, num_bags) + _TINY)


def _sums(values: Tensor, bags: Tensor, num_bags: int) -> Tensor:
    return values.new_zeros(num_bags, values.shape[1]).index_add(0, bags, values)


def _counts(bags: Tensor, num_bags: int, like: Tensor) -> Tensor:
    return torch.bincount(bags, minlength=num_bags).to(like.dtype)[:, None]
