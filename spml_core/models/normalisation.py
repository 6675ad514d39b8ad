"""How pictures are brought to the range that ImageNet weights expect (METHODS.md 0.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise_rgb(
    rgb: Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Tensor:
    """Pictures (..., 3, H, W) of 0..255 as ``(rgb / 255 - mean) / std``, channel by channel."""
    scale = 1 / (255 * torch.tensor(std, dtype=torch.float32, device=rgb.device))
    shift = torch.tensor(mean, dtype=torch.float32, device=rgb.device) * 255 * scale
    return rgb * scale[:, None, None] - shift[:, None, None]
