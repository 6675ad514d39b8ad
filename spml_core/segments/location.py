"""Where a pixel lies, and what colour it has there, as features for clustering (METHODS.md 1.4)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from spml_core.errors import ConfigError
from spml_core.segments.prototypes import normalize

Blur = Literal["reference", "gaussian"]


def location_features(height: int, width: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Position of every pixel of a grid, (H * W, 2) as (y, x) in -0.5..0.5; 0 along a side of one pixel."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return locate(torch.stack([y, x], -1).reshape(-1, 2), height, width, dtype=dtype)


def locate(positions: Tensor, height: int, width: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Location features of chosen pixels.

    Parameters
    ----------
    positions : Tensor, (n, 2)
        (y, x) in ``0..H-1``, ``0..W-1``.
    height, width : int
        Size of the grid the positions lie on.
    dtype : torch.dtype

    Returns
    -------
    Tensor, (n, 2)
        ``(y / (H - 1) - 0.5, x / (W - 1) - 0.5)``; 0 along a side of one pixel.
    """
    last = torch.tensor([height - 1, width - 1], dtype=dtype, device=positions.device)
    return torch.where(last > 0, positions.to(dtype) / last.clamp_min(1) - 0.5, 0.0)


def color_features(rgb: Tensor, height: int, width: int, *, blur: Blur = "gaussian") -> Tensor:
    """Blurred colour of every pixel of the embedding grid, in -1..1.

    Parameters
    ----------
    rgb : Tensor, (3, H0, W0) float
        Picture of at least 5 x 5 pixels.
    height, width : int
        Size of the embedding grid.
    blur : {"gaussian", "reference"}
        ``"reference"`` weighs each of the 5 x 5 neighbours by its distance, so the centre by nothing, as the
        published code does; ``"gaussian"`` is a bell of one pixel's width.

    Returns
    -------
    Tensor, (height * width, 3)
        Each channel has mean 0 and largest magnitude 1 over the picture (0 where it is constant).

    Raises
    ------
    ConfigError
        If the picture is too small or the blur unknown.
    """
    if rgb.ndim != 3 or len(rgb) != 3 or min(rgb.shape[1:]) < 5:
        raise ConfigError(
            f"Colour features need a picture (3, H, W) of 5 x 5 or more; got {tuple(rgb.shape)}.",
            "Use location alone.",
        )
    offset = torch.arange(-2, 3, dtype=rgb.dtype, device=rgb.device)
    squared = offset[:, None] ** 2 + offset[None] ** 2
    if blur == "reference":
        kernel = squared.sqrt()
    elif blur == "gaussian":
        kernel = torch.exp(-squared / 2)
    else:
        raise ConfigError(f"Unknown blur {blur!r}.", "Choose gaussian or reference.")
    kernel = (kernel / kernel.sum()).expand(3, 1, 5, 5)
    smooth = functional.conv2d(rgb[None], kernel, groups=3)
    resized = functional.interpolate(smooth, size=(height, width), mode="bilinear", align_corners=False)[0]
    centred = resized.reshape(3, -1).T - resized.mean((1, 2))
    # A constant channel is rounding noise around 0: keep it from being blown up to 1.
    top = centred.abs().amax(0)
    return torch.where(top > 1e-6, centred / top.clamp_min(1e-6), 0.0)


def with_location(vectors: Tensor, local: Tensor, scale: float = 1.0) -> Tensor:
    """Append local features: unit vectors ``[scale * v ; local]`` (METHODS.md 1.4).

    Parameters
    ----------
    vectors : Tensor, (n, D)
        Unit-length embeddings.
    local : Tensor, (n, L)
        Location and colour features.
    scale : float
        1 for clustering; 0.1 lets place and colour rule (METHODS.md 1.11).

    Returns
    -------
    Tensor, (n, D + L)
    """
    return normalize(torch.cat([scale * vectors, local.to(vectors)], dim=-1))
