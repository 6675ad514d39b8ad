"""Unit vectors and segment prototypes (METHODS.md 0.3, 1.6, 1.7)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.errors import ConfigError

_EPSILON = 1e-12


def normalize(vectors: Tensor) -> Tensor:
    """Scale the last axis to unit length; the zero vector stays zero (METHODS.md 0.3).

    Parameters
    ----------
    vectors : Tensor, (..., D) float

    Returns
    -------
    Tensor, (..., D)
        ``a / max(|a|, 1e-12)``, differentiable.
    """
    return torch.nn.functional.normalize(vectors, dim=-1, eps=_EPSILON)


def segment_prototypes(vectors: Tensor, segments: Tensor, num_segments: int) -> Tensor:
    """Unit-length mean direction of each segment's pixels (METHODS.md 1.7).

    Parameters
    ----------
    vectors : Tensor, (n, D) float
        Pixel vectors; gradient flows back into them.
    segments : Tensor, (n,) int64
        Segment of each pixel, in ``0..num_segments-1``.
    num_segments : int

    Returns
    -------
    Tensor, (num_segments, D)
        A segment without pixels gets the zero vector.

    Raises
    ------
    ConfigError
        If vectors and segments differ in number.
    """
    if len(vectors) != len(segments):
        raise ConfigError(
            f"{len(vectors)} vectors came with {len(segments)} segment ids.", "Give one id per vector."
        )
    sums = vectors.new_zeros(num_segments, vectors.shape[-1]).index_add(0, segments, vectors)
    return normalize(sums)
