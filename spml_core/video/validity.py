"""Where a flow can be trusted: it leads back, within the frame, to what looks the same (METHODS.md V.2, 6.3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.models.normalisation import normalise_rgb
from spml_core.video.warp import Flow, Mask, inside, warp, warp_array

WeightMode = Literal["paper", "reference"]

# How far the way there and back may miss: a share of the squared lengths, and squared pixels (METHODS.md V.2).
_SHARE = 0.01
_SLACK = 0.5


def forward_backward_valid(flow_tk: Flow, flow_kt: Flow) -> Mask:
    """Where following the flow there and back ends near the start, and the way leads through the frame.

    ``|F_tk + B|^2 < 0.01 (|F_tk|^2 + |B|^2) + 0.5`` with ``B`` = ``F_kt`` sampled where ``F_tk`` leads (METHODS.md
    V.2; Sundaram, Brox and Keutzer, ECCV 2010, equation 5), and the position inside the frame.

    Parameters
    ----------
    flow_tk, flow_kt : ndarray, (H, W, 2) float32
        Flow from t to k and from k to t, in pixels.

    Returns
    -------
    ndarray, (H, W) bool
        For the pixels of frame t. False where a flow isn't a number.

    Raises
    ------
    ConfigError
        If the shapes don't fit.
    """
    back = warp_array(flow_kt, flow_tk)
    missed = _squared_length(flow_tk + back)
    lengths = _squared_length(flow_tk) + _squared_length(back)
    valid: Mask = (missed < _SHARE * lengths + _SLACK) & inside(flow_tk)
    return valid


def _squared_length(flow: Flow) -> NDArray[np.float32]:
    # Several times as quick as a sum over an axis of two.
    length: NDArray[np.float32] = np.square(flow[..., 0]) + np.square(flow[..., 1])
    return length


def occlusion_weight(image_t: Tensor, image_k: Tensor, flow: Tensor, mode: WeightMode = "paper") -> Tensor:
    """How alike a pixel and what the flow leads to are: near 0 where it is hidden in the other frame.

    ``V = exp(-d)`` with ``D = I_t - warp(I_k, F_tk)`` and (METHODS.md 6.3)

    * paper: ``d`` the mean over channels of ``|D|``;
    * reference: ``d = |sum over channels of D|``, as the released code has it, where colours can cancel.

    Parameters
    ----------
    image_t, image_k : Tensor, (N, 3, H, W) floating point
        Normalised by ImageNet's mean and deviation.
    flow : Tensor, (N, 2, H, W)
        From t to k, in pixels.
    mode : {"paper", "reference"}

    Returns
    -------
    Tensor, (N, 1, H, W), in 0..1

    Raises
    ------
    ConfigError
        If the shapes don't fit or the mode is unknown.
    """
    if image_t.shape != image_k.shape:
        raise ConfigError(
            f"The frames are {tuple(image_t.shape)} and {tuple(image_k.shape)}.", "Give frames of one size."
        )
    difference = image_t - warp(image_k, flow)
    if mode == "paper":
        return torch.exp(-difference.abs().mean(1, keepdim=True))
    if mode == "reference":
        return torch.exp(-difference.sum(1, keepdim=True).abs())
    raise ConfigError(f"Unknown occlusion weight {mode!r}.", "Use paper or reference.")


def photometric_weight(
    rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8], flow: Flow, mode: WeightMode = "paper"
) -> NDArray[np.float32]:
    """:func:`occlusion_weight` of two frames as they are read.

    Parameters
    ----------
    rgb_t, rgb_k : ndarray, (H, W, 3) uint8
    flow : ndarray, (H, W, 2) float32
        From t to k, in pixels.
    mode : {"paper", "reference"}

    Returns
    -------
    ndarray, (H, W) float32, in 0..1

    Raises
    ------
    ConfigError
        See :func:`occlusion_weight`.
    """
    image_t, image_k, motion = (
        torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None].float()
        for array in (rgb_t, rgb_k, flow)
    )
    with torch.no_grad():
        weight = occlusion_weight(normalise_rgb(image_t), normalise_rgb(image_k), motion, mode)
    found: NDArray[np.float32] = weight[0, 0].numpy()
    return found
