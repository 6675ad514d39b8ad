"""Networks over whole pictures: at a scale, mirrored or not, in windows where they are large (METHODS.md 1.17).

Pictures are padded at the bottom and on the right to the size the network was trained on, with the colour that is 0 to
it. Larger ones are seen through evenly spread windows whose answers are averaged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import TrainingError
from spml_core.models.normalisation import IMAGENET_MEAN

Dense = Callable[[Tensor], Tensor]
"""From pictures (1, 3, h, w) in 0..255 to maps (1, C, h', w') of any stride."""

_MEAN_COLOR = tuple(255 * mean for mean in IMAGENET_MEAN)  # 0 after normalisation


@dataclass(frozen=True)
class View:
    """A way to look at a picture.

    Attributes
    ----------
    scale : float
    flip : bool
        Mirrored left to right.
    """

    scale: float = 1.0
    flip: bool = False


def views_of(scales: Sequence[float], flip: bool) -> list[View]:
    """Every scale, and each of them mirrored too if asked for."""
    return [View(scale, mirrored) for scale in scales for mirrored in ((False, True) if flip else (False,))]


def resized(rgb: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Picture (H, W, 3) at ``factor`` times its size, bilinear, at least one pixel high and wide."""
    if factor == 1:
        return rgb
    height, width = (max(1, round(side * factor)) for side in rgb.shape[:2])
    scaled: NDArray[np.uint8] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR).astype(
        np.uint8
    )
    return scaled


def see(
    dense: Dense, rgb: NDArray[np.uint8], view: View, crop: int, device: torch.device, *, unit: bool = False
) -> Tensor:
    """Answer of a network for every pixel of a scaled picture, turned back if the view is mirrored.

    Parameters
    ----------
    dense : callable
    rgb : ndarray, (H, W, 3) uint8
    view : View
    crop : int
        Side of the windows, in pixels.
    device : torch.device
    unit : bool
        Whether the answers are embeddings, to be scaled to unit length in every window.

    Returns
    -------
    Tensor, (C, H', W')
        Of the scaled picture's size.
    """
    scaled = resized(rgb, view.scale)
    if view.flip:
        scaled = scaled[:, ::-1]
    picture = torch.from_numpy(np.ascontiguousarray(scaled)).to(device).movedim(-1, 0)[None].float()
    seen = in_windows(dense, picture, crop, unit=unit)
    return seen.flip(-1) if view.flip else seen


@torch.no_grad()
def in_windows(dense: Dense, picture: Tensor, crop: int, *, unit: bool = False) -> Tensor:
    """Answers (C, H, W) for a picture (1, 3, H, W), averaged over the windows that see each pixel.

    Windows are ``crop`` x ``crop`` pixels; along a side of ``H`` there are ``ceil(H / crop)``, whose ends are spread
    evenly from ``crop`` to ``H``. What is averaged isn't scaled to unit length again.

    Raises
    ------
    TrainingError
        If an answer is no number.
    """
    height, width = picture.shape[-2:]
    padded = pad_to(picture, max(height, crop), max(width, crop))
    ends = [window_ends(side, crop) for side in padded.shape[-2:]]
    total: Tensor | None = None
    count = padded.new_zeros(padded.shape[-2:])
    for bottom, right in itertools.product(*ends):
        part = np.s_[..., bottom - crop : bottom, right - crop : right]
        answer = F.interpolate(dense(padded[part]), size=(crop, crop), mode="bilinear", align_corners=False)
        if unit:
            answer = F.normalize(answer, dim=1)
        if total is None:
            total = answer.new_zeros(answer.shape[1], *padded.shape[-2:])
        total[part] += answer[0]
        count[part] += 1
    assert total is not None  # there is one window at least
    if not bool(total.isfinite().all()):
        raise TrainingError(
            "The network answers a picture with NaN: numbers in it are far too large.",
            "Train again with another seed or a lower learning rate.",
        )
    return (total / count)[:, :height, :width]


def window_ends(side: int, crop: int) -> list[int]:
    """Where windows of ``crop`` end along a side of ``crop`` pixels or more."""
    count = math.ceil((side - crop) / crop) + 1
    return [int(end) for end in np.linspace(crop, side, count)]


def pad_to(picture: Tensor, height: int, width: int) -> Tensor:
    """Pictures (N, 3, H, W) in 0..255 with the mean colour below and to the right."""
    below, beside = height - picture.shape[-2], width - picture.shape[-1]
    if below == beside == 0:
        return picture
    mean = picture.new_tensor(_MEAN_COLOR)[:, None, None]
    return F.pad(picture - mean, (0, beside, 0, below)) + mean


def to_size(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (C, H, W) resized bilinearly to (C, height, width)."""
    return F.interpolate(maps[None], size=(height, width), mode="bilinear", align_corners=False)[0]
