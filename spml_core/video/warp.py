"""Backward warping along optical flow (METHODS.md V.1).

Flow is (dx, dy) in pixels, from the current frame to the frame that is sampled. Positions outside it are clamped to its
border. A label map is warped as one-hot maps or by the nearest pixel, never bilinearly as numbers.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import ConfigError

Flow = NDArray[np.float32]
"""(H, W, 2): dx and dy in pixels."""
Mask = NDArray[np.bool_]

_TOGETHER = 16  # one-hot maps at a time: a label map may hold thousands of segments

_Code = TypeVar("_Code", bound=np.integer[Any])


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Sample maps where the flow leads, bilinearly: ``out(y, x) = x(y + flow_y, x + flow_x)``.

    As ``grid_sample`` with the border's values outside and aligned corners, but exact wherever the flow leads to the
    middle of a pixel, so that no flow changes nothing. Differentiable in both arguments; where a position is clamped
    the flow gets no gradient.

    Parameters
    ----------
    x : Tensor, (N, C, H, W) floating point
        Half precision is interpolated in single precision.
    flow : Tensor, (N, 2, H, W)
        dx and dy in pixels.

    Returns
    -------
    Tensor, (N, C, H, W), of the type of ``x``

    Raises
    ------
    ConfigError
        If the shapes don't fit.
    """
    if x.ndim != 4 or flow.shape != (len(x), 2, *x.shape[2:]):
        raise ConfigError(
            f"Maps of shape {tuple(x.shape)} can't be warped by a flow of shape {tuple(flow.shape)}.",
            "Give maps (N, C, H, W) and a flow (N, 2, H, W) of the same size.",
        )
    exact = torch.promote_types(x.dtype, torch.float32)
    height, width = x.shape[2:]
    rows = torch.arange(height, dtype=exact, device=x.device)[:, None]
    columns = torch.arange(width, dtype=exact, device=x.device)
    at_x = (columns + flow[:, 0].to(exact)).clamp(0, width - 1)
    at_y = (rows + flow[:, 1].to(exact)).clamp(0, height - 1)
    # grid_sample wants positions as shares of the sides. Of a power of two those of whole pixels are exact.
    padded_height, padded_width = _power_of_two(height), _power_of_two(width)
    grid = torch.stack([(2 * at_x + 1) / padded_width - 1, (2 * at_y + 1) / padded_height - 1], dim=-1)
    padded = F.pad(x.to(exact), (0, padded_width - width, 0, padded_height - height))
    return F.grid_sample(padded, grid, mode="bilinear", padding_mode="border", align_corners=False).to(
        x.dtype
    )


def _power_of_two(side: int) -> int:
    return 1 << (side - 1).bit_length()


def warp_array(values: NDArray[Any], flow: Flow) -> NDArray[np.float32]:
    """Sample a map where the flow leads, bilinearly; see :func:`warp`.

    Parameters
    ----------
    values : ndarray, (H, W) or (H, W, C)
        Numbers that can be mixed: colours, probabilities, a flow. Not label codes.
    flow : ndarray, (H, W, 2) float32
        dx and dy in pixels.

    Returns
    -------
    ndarray, of the shape of ``values``, float32

    Raises
    ------
    ConfigError
        If the shapes don't fit.
    """
    _require_flow(flow, values.shape)
    planes = np.atleast_3d(np.asarray(values, np.float32)).transpose(2, 0, 1)
    with torch.no_grad():
        sampled = warp(_tensor(planes)[None], _tensor(flow.transpose(2, 0, 1))[None])[0].numpy()
    warped: NDArray[np.float32] = np.ascontiguousarray(sampled.transpose(1, 2, 0)).reshape(values.shape)
    return warped


def warp_labels(
    labels: NDArray[_Code], flow: Flow, mode: Literal["onehot", "nearest"] = "onehot"
) -> NDArray[_Code]:
    """Sample a label map where the flow leads; gives only codes that it holds.

    Parameters
    ----------
    labels : ndarray, (H, W) of any integers
    flow : ndarray, (H, W, 2) float32
        dx and dy in pixels.
    mode : {"onehot", "nearest"}
        The code with the largest bilinear weight, the lowest of equals; or that of the nearest pixel, the one to the
        right or below of equals.

    Returns
    -------
    ndarray, (H, W), of the type of ``labels``

    Raises
    ------
    ConfigError
        If the shapes don't fit or the mode is unknown.
    """
    _require_flow(flow, labels.shape)
    if mode == "nearest":
        height, width = labels.shape
        rows = np.clip(np.arange(height)[:, None] + flow[..., 1], 0, height - 1)
        columns = np.clip(np.arange(width) + flow[..., 0], 0, width - 1)
        # The nearest whole number, halves up: numpy's own rounding sends them to even ones.
        found: NDArray[_Code] = labels[
            np.floor(rows + 0.5).astype(np.intp), np.floor(columns + 0.5).astype(np.intp)
        ]
        return found
    if mode != "onehot":
        raise ConfigError(f"Unknown way {mode!r} to warp labels.", "Use onehot or nearest.")
    codes = np.unique(labels)
    motion = _tensor(flow.transpose(2, 0, 1))[None]
    place = torch.zeros(labels.shape, dtype=torch.int64)
    best = torch.full(labels.shape, -torch.inf)
    for start in range(0, len(codes), _TOGETHER):
        maps = _tensor(labels == codes[start : start + _TOGETHER, None, None])
        weight, first = warp(maps[None], motion)[0].max(0)
        larger = weight > best
        best = torch.where(larger, weight, best)
        place = torch.where(larger, first + start, place)
    warped: NDArray[_Code] = codes[place.numpy()]
    return warped


def inside(flow: Flow) -> Mask:
    """Where the flow leads to a position within the frame: between the middles of its outermost pixels.

    Parameters
    ----------
    flow : ndarray, (H, W, 2) float32

    Returns
    -------
    ndarray, (H, W) bool
        False where the flow isn't a number.
    """
    _require_flow(flow, flow.shape)
    height, width = flow.shape[:2]
    x = np.arange(width) + flow[..., 0]
    y = np.arange(height)[:, None] + flow[..., 1]
    within: Mask = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return within


def resize_flow(flow: Flow, size: tuple[int, int]) -> Flow:
    """Resize a flow and its values with it: dx grows as the width does, dy as the height does.

    Parameters
    ----------
    flow : ndarray, (H, W, 2) float32
    size : (int, int)
        New height and width.

    Returns
    -------
    ndarray, (h, w, 2) float32

    Raises
    ------
    ConfigError
        If ``flow`` is no flow or a side of ``size`` is below 1.
    """
    _require_flow(flow, flow.shape)
    height, width = size
    if min(size) < 1:
        raise ConfigError(f"A flow can't be resized to {height} x {width}.", "Give sides of 1 or more.")
    factor = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    if size == flow.shape[:2]:
        return flow.astype(np.float32)
    resized = cv2.resize(flow.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32) * factor


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _require_flow(flow: NDArray[Any], shape: tuple[int, ...]) -> None:
    if flow.ndim != 3 or flow.shape[2] != 2 or flow.shape[:2] != shape[:2] or 0 in flow.shape:
        raise ConfigError(
            f"A flow of shape {flow.shape} doesn't fit a map of shape {shape}.",
            "Give dx and dy as (H, W, 2), of the map's height and width.",
        )
