"""Deep features for suggestions. The only file of this room that needs torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from spml_core.models import Backbone, EfficientNetLite0, rgb_tensor

Floats = NDArray[np.float32]

_SCALE = 2.0
_INPUT_PIXELS = 2**20
_STRIDE = 4
_MIDDLE = slice(2, 6)  # of the default backbone: neither bare edges nor what the whole picture is about


@torch.inference_mode()
def network_features(backbone: Backbone, rgb: NDArray[np.uint8], *, scale: float = _SCALE) -> Floats:
    """Middle levels of a backbone on an enlarged picture (a large one: as far as 2^20 pixels allow).

    Within one picture they tell more than the deepest ones, which are about the whole scene.

    Parameters
    ----------
    backbone : Backbone
        Others than the default one give all but their first level.
    rgb : ndarray, (H, W, 3) uint8
    scale : float
        How much it is enlarged.

    Returns
    -------
    ndarray, (ceil(H / 4), ceil(W / 4), C) float32
    """
    height, width = rgb.shape[:2]
    scale = min(scale, (_INPUT_PIXELS / (height * width)) ** 0.5)
    size = tuple(max(32, 32 * round(side * scale / 32)) for side in (height, width))
    device = next(backbone.parameters()).device
    batch = F.interpolate(rgb_tensor(rgb).to(device), size=size, mode="bilinear", antialias=scale < 1)
    if isinstance(backbone, EfficientNetLite0):
        chosen = backbone.shallow_levels(batch, _MIDDLE.stop)[_MIDDLE]
    else:
        levels = backbone(batch)
        chosen = levels[1:] or levels
    cells = (-(-height // _STRIDE), -(-width // _STRIDE))
    grids = []
    for level in chosen:
        # Channels last while it is small: so nothing has to be turned round at the end.
        level = level.contiguous(memory_format=torch.channels_last)
        shrinks = level.shape[-2] > cells[0] or level.shape[-1] > cells[1]
        grids.append(
            F.adaptive_avg_pool2d(level, cells)
            if shrinks
            else F.interpolate(level, size=cells, mode="bilinear", align_corners=False)
        )
    grid: Floats = torch.cat(grids, 1)[0].permute(1, 2, 0).float().cpu().contiguous().numpy()
    return grid


def level_weights(backbone: Backbone) -> Floats:
    """Weight of each channel of :func:`network_features`, (C,): every level weighs the same."""
    channels = tuple(backbone.channels)
    channels = channels[_MIDDLE] if isinstance(backbone, EfficientNetLite0) else channels[1:] or channels
    return np.concatenate([np.full(count, count**-0.5) for count in channels]).astype(np.float32)
