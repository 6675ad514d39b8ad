"""Who is positive for whom: from group numbers or from tag vectors (METHODS.md 1.8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Relation:
    """Positives and negatives of every pixel, without a matrix of pixels x segments.

    Attributes
    ----------
    rows : Tensor, (n,) int64
        Each pixel's row in ``positive``; -1 where the pixel takes no part.
    positive : Tensor, (G, S) bool
        Which segments are positives for a row's pixels; the others are negatives.
    takes_part : Tensor, (S,) bool
        Segments outside are neither.
    """

    rows: Tensor
    positive: Tensor
    takes_part: Tensor

    @classmethod
    def from_groups(cls, pixel_groups: Tensor, segment_groups: Tensor) -> Relation:
        """Relate by group: the same is positive, another negative, and a negative number takes no part.

        Parameters
        ----------
        pixel_groups : Tensor, (n,) int64
        segment_groups : Tensor, (S,) int64
        """
        present, rows = torch.unique(pixel_groups, return_inverse=True)
        outside = int((present < 0).sum())
        positive = present[outside:, None] == segment_groups[None, :]
        return cls((rows - outside).clamp_min(-1), positive, segment_groups >= 0)

    @classmethod
    def from_tags(cls, rows: Tensor, row_tags: Tensor, segment_tags: Tensor) -> Relation:
        """Relate by tags: one or more in common is positive, none negative (METHODS.md 1.8.3).

        Parameters
        ----------
        rows : Tensor, (n,) int64
            Each pixel's row in ``row_tags``; -1 takes no part.
        row_tags : Tensor, (G, T) bool
        segment_tags : Tensor, (S, T) bool
        """
        shared = row_tags.to(torch.float32) @ segment_tags.to(torch.float32).T
        return cls(rows, shared > 0, torch.ones(len(segment_tags), dtype=torch.bool, device=rows.device))
