"""The paper's embedding head for PASCAL VOC: parallel dilated convolutions, summed (METHODS.md 1.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spml_core.models.resnet import initialise


class DeepLabHead(nn.Module):
    """Sum of parallel 3 x 3 convolutions of several dilations, then twice the resolution. No norm, no activation.

    The convolutions are computed as one matrix product with all their taps, whose results are then shifted into place:
    the same function, several times faster than dilated convolutions with few outputs.

    Parameters
    ----------
    channels : int
        Of the features.
    dim : int
        Embedding dimension D.
    dilations : sequence of int
        One convolution each.
    """

    def __init__(self, channels: int, dim: int = 64, dilations: Sequence[int] = (6, 12, 18, 24)) -> None:
        super().__init__()
        self.dim = dim
        self.dilations = tuple(dilations)
        self.branches = nn.Sequential(
            *(nn.Conv2d(channels, dim, 3, padding=d, dilation=d) for d in self.dilations)
        )
        initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings (N, D, 2h, 2w), of any length, of features (N, C, h, w)."""
        height, width = features.shape[-2:]
        weights: dict[tuple[int, int], Tensor] = {}
        bias = torch.zeros((), device=features.device)
        for branch, dilation in zip(self.branches, self.dilations, strict=True):
            bias = bias + branch.get_parameter("bias")
            for row, by_column in enumerate(branch.get_parameter("weight").unbind(2)):
                for column, tap in enumerate(by_column.unbind(2)):
                    shift = (dilation * (row - 1), dilation * (column - 1))
                    # Taps that only ever see padding are left out; the branches' centres are one tap.
                    if abs(shift[0]) < height and abs(shift[1]) < width:
                        weights[shift] = weights[shift] + tap if shift in weights else tap
        # The matrix product comes out in the precision of autocast.
        products = F.conv2d(features, torch.cat(list(weights.values()))[:, :, None, None])
        total = bias[:, None, None]
        for (down, right), part in zip(weights, torch.split(products, self.dim, dim=1), strict=True):
            total = total + F.pad(part, (-right, right, -down, down))
        return F.interpolate(total, scale_factor=2, mode="bilinear", align_corners=False)
