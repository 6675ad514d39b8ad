"""The paper's embedding head for DensePose: pyramid pooling (METHODS.md 1.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spml_core.models.resnet import initialise


class PyramidHead(nn.Module):
    """Features beside their means over 1, 2 x 2, 3 x 3 and 6 x 6 bins, mixed by a convolution, at twice the resolution.

    Parameters
    ----------
    channels : int
        Of the features.
    dim : int
        Embedding dimension D.
    bins : sequence of int
        Bins along a side of each pooled map.
    width : int, optional
        Channels of each pooled map and of the mixing convolution; a quarter of ``channels``.
    """

    def __init__(
        self, channels: int, dim: int = 32, bins: Sequence[int] = (1, 2, 3, 6), width: int | None = None
    ) -> None:
        super().__init__()
        self.dim = dim
        width = max(1, channels // 4) if width is None else width
        self.pooled = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(b), *_conv_norm(channels, width, 1)) for b in bins
        )
        self.mix = nn.Sequential(
            *_conv_norm(channels + len(bins) * width, width, 3), nn.Conv2d(width, dim, 1)
        )
        initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings (N, D, 2h, 2w), of any length, of features (N, C, h, w).

        A batch of one picture in training mode is refused by torch: a single bin has no variance.
        """
        size = features.shape[-2:]
        views = [
            F.interpolate(part(features), size=size, mode="bilinear", align_corners=False)
            for part in self.pooled
        ]
        mixed = self.mix(torch.cat([features, *views], dim=1))
        return F.interpolate(mixed, scale_factor=2, mode="bilinear", align_corners=False)


def _conv_norm(channels_in: int, channels_out: int, kernel: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
