"""The class activation maps of a whole picture, added up over scales and mirrored views."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.seeds.activation import VIEW_SCALES, aggregate_views

_SMALLEST = 32  # pixels: the shortest side of a view


@torch.no_grad()
def picture_activation(
    rgb: Tensor,
    maps_of: Callable[[Tensor], Tensor],
    *,
    present: NDArray[np.bool_] | None = None,
    scales: Sequence[float] = VIEW_SCALES,
    shape: tuple[int, int] | None = None,
) -> NDArray[np.float32]:
    """Activation maps of a picture, each scale seen plain and mirrored.

    Parameters
    ----------
    rgb : Tensor, (1, 3, H, W)
        Values in 0..255 (:func:`spml_core.models.rgb_tensor`).
    maps_of : callable
        From a picture (1, 3, H', W') to scores (K-1, h', w'), not rectified: for instance
        ``lambda view: classifier.maps(network.standardise(features(view)))``.
    present : ndarray (K,) bool, optional
        Classes in the picture; the maps of others are 0.
    scales : sequence of float
        Sizes of the views, relative to the picture.
    shape : tuple of int, optional
        Size of the result, if it isn't to be the picture's.

    Returns
    -------
    ndarray (K-1, H, W), float32
        Sums, neither rectified nor normalised (:func:`normalise_psa`, :func:`normalise_seam`).

    Raises
    ------
    ConfigError
        If there are no scales, or one isn't positive.

    References
    ----------
    METHODS.md 1.10.1 step 1.
    """
    if not scales or min(scales) <= 0:
        raise ConfigError(f"A picture can't be seen at the scales {tuple(scales)}.", "Give positive ones.")
    size: tuple[int, int] = (rgb.shape[-2], rgb.shape[-1])
    maps = []
    for scale in scales:
        view = _resized(rgb, size, scale)
        maps += [maps_of(seen).float().cpu().numpy() for seen in (view, view.flip(-1))]
    return aggregate_views(maps, shape or size, present)


def _resized(rgb: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    height, width = (max(_SMALLEST, round(side * scale)) for side in size)
    if (height, width) == size:
        return rgb
    return F.interpolate(rgb, (height, width), mode="bilinear", align_corners=False, antialias=scale < 1)
