"""Holistically-nested edge detection: a VGG-16 trunk, an edge map from each of its five stages, and their fusion.

Xie and Tu, "Holistically-nested edge detection", ICCV 2015; METHODS.md 1.9. Published weights are read by
:func:`spml_core.models.hed_weights.load_hed`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from spml_core.errors import ConfigError, PictureError
from spml_core.models.pyramid import Pyramid, rgb_tensor

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the convolutions of each stage; between stages the maps are halved."""

HED_SCALES = (0.5, 1.0, 1.5)
"""Input scales whose edges are averaged unless others are asked for."""

# Of the ImageNet pictures the trunk was first trained on: blue, green, red.
_MEAN_BGR = (104.00699, 116.66877, 122.67892)
# Larger pictures are computed in tiles whose margin covers half the receptive field of 196 pixels. Tiles start on
# multiples of 16, so that every pooling cell holds the same pixels as in the whole picture.
_TILES = Pyramid(scales=(1.0,), stride=16, whole=1_000_000, tile=768, margin=112)


class HED(nn.Module):
    """Edge probability from five depths.

    Convolutions pad by one pixel, as the torch and Keras versions do; Caffe's pads the picture by 35 and crops, which
    differs near the frame only.

    Parameters
    ----------
    stages : sequence of sequences of int
        Channels of each stage's convolutions; the published network's unless given. Five stages.

    Raises
    ------
    ConfigError
        If there aren't five stages with a convolution each.
    """

    mean: Tensor

    def __init__(self, stages: Sequence[Sequence[int]] = STAGES) -> None:
        super().__init__()
        if len(stages) != 5 or not all(stages):
            raise ConfigError(
                f"HED has five stages; {stages!r} was asked for.", "Give channels for each of five."
            )
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).reshape(1, 3, 1, 1), persistent=False)
        self.stages = nn.ModuleList()
        before = 3
        for channels in stages:
            convolutions = nn.ModuleList()
            for count in channels:
                convolutions.append(nn.Conv2d(before, count, 3, padding=1))
                before = count
            self.stages.append(convolutions)
        self.sides = nn.ModuleList(nn.Conv2d(channels[-1], 1, 1) for channels in stages)
        self.fuse = nn.Conv2d(5, 1, 1)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Logits of the edges.

        Parameters
        ----------
        rgb : Tensor, (N, 3, H, W)
            Values in 0..255.

        Returns
        -------
        list of 6 Tensor, each (N, 1, H, W)
            The five side outputs, shallow to deep, and their fusion. Pooling keeps a last odd row and column, and a
            map enlarges by exactly its stride before it is cropped, so edges stay where they are for every size.
        """
        height, width = rgb.shape[-2:]
        maps = rgb.flip(1) - self.mean
        outputs: list[Tensor] = []
        for depth, (convolutions, side) in enumerate(zip(self.stages, self.sides, strict=True)):
            if depth:
                maps = F.max_pool2d(maps, 2, ceil_mode=True)
            assert isinstance(convolutions, nn.ModuleList)
            for convolution in convolutions:
                maps = F.relu(convolution(maps))
            score: Tensor = side(maps)
            if depth:
                score = F.interpolate(score, scale_factor=2.0**depth, mode="bilinear", align_corners=False)
            outputs.append(score[..., :height, :width])
        return [*outputs, self.fuse(torch.cat(outputs, 1))]


@torch.inference_mode()
def hed_edges(
    network: HED, rgb: NDArray[np.uint8], scales: Sequence[float] = HED_SCALES
) -> NDArray[np.float32]:
    """Edge probability of a picture, averaged over input scales.

    Parameters
    ----------
    network : HED
    rgb : ndarray, (H, W, 3) uint8
    scales : sequence of float
        Factors by which the picture is resized, each in 0.25..4. Small ones see whole objects, large ones thin things.

    Returns
    -------
    ndarray, (H, W) float32
        In 0..1. Pictures of more than a million pixels are computed in tiles.

    Raises
    ------
    PictureError
        If the picture isn't (H, W, 3) of 8 bit or has no pixel.
    ConfigError
        If there is no scale or one is out of range.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise PictureError(
            f"HED needs an RGB picture of 8 bit; this one has shape {rgb.shape} and type {rgb.dtype}.",
            "Convert it to (rows, columns, 3) uint8 first.",
        )
    if not scales or not all(0.25 <= scale <= 4 for scale in scales):
        raise ConfigError(f"Input scales {tuple(scales)} are out of range.", "Use values from 0.25 to 4.")
    height, width = rgb.shape[:2]
    # A copy: the picture may be read-only, which torch warns of.
    pixels = rgb_tensor(rgb.copy()).to(network.mean.device)
    total = torch.zeros(height, width)
    for scale in scales:
        # 16 pixels, so that the deepest stage has one to look at.
        size = max(16, round(height * scale)), max(16, round(width * scale))
        total += _resized(_in_tiles(network, _resized(pixels, size)), (height, width))[0, 0].cpu()
    edges: NDArray[np.float32] = (total / len(scales)).clamp_(0, 1).numpy()
    return edges


def _in_tiles(network: HED, rgb: Tensor) -> Tensor:
    """Fused probability (1, 1, H, W) of a picture (1, 3, H, W)."""
    result = rgb.new_empty(1, 1, *rgb.shape[-2:])
    for window in _TILES.windows(*rgb.shape[-2:]):
        top, left, height, width = window.outer
        logits = network(rgb[..., top : top + height, left : left + width])[-1]
        result[(..., *window.slices)] = logits[(..., *window.inside)].sigmoid()
    return result


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    shrinks = size[0] < maps.shape[-2] or size[1] < maps.shape[-1]
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=shrinks)
