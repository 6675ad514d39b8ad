"""One dense feature map from several backbone levels and input scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.models.backbone import Backbone


@dataclass(frozen=True)
class Pyramid:
    """How to stack features: the picture enlarged by each scale, all levels brought to one grid.

    A linear head reads both scales better than either: the plain one sees more context, the enlarged one finer detail
    (docs/benchmarks.md).

    Attributes
    ----------
    scales : tuple of float
        Input scales, each in 0.25..4.
    stride : int
        Pixels of the picture per cell of the grid, 1..32.
    whole : int
        Pictures of more pixels than this are computed in tiles, ...
    tile : int
        ... of this side at the most, all about equal, ...
    margin : int
        ... with so many pixels of context on every side; both are multiples of the stride.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    scales: tuple[float, ...] = (1.0, 2.0)
    stride: int = 4
    whole: int = 800_000
    tile: int = 384
    margin: int = 64

    def __post_init__(self) -> None:
        if not self.scales or not all(0.25 <= s <= 4 for s in self.scales):
            raise ConfigError(f"Input scales {self.scales} are out of range.", "Use values from 0.25 to 4.")
        if not 1 <= self.stride <= 32:
            raise ConfigError(f"The feature stride {self.stride} is out of range.", "Use 1 to 32.")
        if self.tile % self.stride or self.margin % self.stride or self.tile <= 0 or self.margin < 0:
            raise ConfigError(
                f"Tile {self.tile} and margin {self.margin} don't fit the stride {self.stride}.",
                "Use multiples of the stride.",
            )

    def channels(self, backbone: Backbone) -> int:
        """Channels of the stacked features."""
        return sum(backbone.channels) * len(self.scales)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Cells of the grid over a picture of this size: the last cells may reach past its border."""
        return -(-height // self.stride), -(-width // self.stride)

    def windows(self, height: int, width: int) -> list[Window]:
        """Windows that together cover the picture; one window if it is small enough."""
        if height * width <= self.whole:
            return [Window((0, 0, height, width), (0, 0, height, width))]
        rows, columns = self._starts(height), self._starts(width)
        return [
            Window(
                (top, left, bottom - top, right - left), self._grow(top, left, bottom, right, height, width)
            )
            for top, bottom in pairwise(rows)
            for left, right in pairwise(columns)
        ]

    def _starts(self, length: int) -> list[int]:
        """Where the tiles along a side begin, and its end: as few as fit, equal but for whole cells."""
        count = -(-length // self.tile)
        side = -(-length // (count * self.stride)) * self.stride
        return [*range(0, length, side), length]

    def _grow(
        self, top: int, left: int, bottom: int, right: int, height: int, width: int
    ) -> tuple[int, int, int, int]:
        """The box with its margin, as far as the picture reaches."""
        first_row, first_column = max(0, top - self.margin), max(0, left - self.margin)
        return (
            first_row,
            first_column,
            min(height, bottom + self.margin) - first_row,
            min(width, right + self.margin) - first_column,
        )

    def features(self, backbone: Backbone, rgb: Tensor) -> Tensor:
        """Stacked features of pictures.

        Parameters
        ----------
        backbone : Backbone
        rgb : Tensor, (N, 3, H, W)
            Values in 0..255.

        Returns
        -------
        Tensor, (N, C, h, w)
            ``C`` as :meth:`channels`, ``(h, w)`` as :meth:`grid`. Cell (i, j) stands for the pixels from
            ``i * stride, j * stride`` on.
        """
        cells = self.grid(*rgb.shape[-2:])
        return torch.cat([_to_grid(level, cells) for level in self._levels(backbone, rgb)], dim=1)

    def project(self, backbone: Backbone, rgb: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Linear map of the stacked features, without stacking them.

        Resizing is linear too, so each level is mapped at its own resolution and only the result is resized.

        Parameters
        ----------
        backbone : Backbone
        rgb : Tensor, (N, 3, H, W)
        weight : Tensor, (K, C)
        bias : Tensor, (K,)

        Returns
        -------
        Tensor, (N, K, h, w)
        """
        cells = self.grid(*rgb.shape[-2:])
        result = bias[None, :, None, None]
        start = 0
        for level in self._levels(backbone, rgb):
            part = weight[:, start : start + level.shape[1], None, None]
            result = result + _to_grid(F.conv2d(level, part), cells)
            start += level.shape[1]
        return result

    def _levels(self, backbone: Backbone, rgb: Tensor) -> Iterator[Tensor]:
        height, width = rgb.shape[-2:]
        cells = self.grid(height, width)
        # Whole cells only, so that resizing keeps every feature over its pixels.
        full = (cells[0] * self.stride, cells[1] * self.stride)
        rgb = F.pad(rgb, (0, full[1] - width, 0, full[0] - height), mode="replicate")
        for scale in self.scales:
            side = (max(32, round(full[0] * scale)), max(32, round(full[1] * scale)))
            yield from backbone(rgb if side == full else _resize(rgb, side))


@dataclass(frozen=True)
class Window:
    """A part of a picture: what it is responsible for, and the larger box that gives it context.

    Attributes
    ----------
    core, outer : tuple of int
        top, left, height, width in pixels.
    """

    core: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]

    @property
    def inside(self) -> tuple[slice, slice]:
        """The core within the outer box."""
        top, left = self.core[0] - self.outer[0], self.core[1] - self.outer[1]
        return slice(top, top + self.core[2]), slice(left, left + self.core[3])

    @property
    def slices(self) -> tuple[slice, slice]:
        """The core within the picture."""
        top, left, height, width = self.core
        return slice(top, top + height), slice(left, left + width)


def rgb_tensor(rgb: NDArray[np.uint8]) -> Tensor:
    """Picture (H, W, 3) uint8 as a batch of one, (1, 3, H, W) float32 in 0..255."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    shrinks = size[0] < maps.shape[-2] or size[1] < maps.shape[-1]
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=shrinks)


def _to_grid(level: Tensor, cells: tuple[int, int]) -> Tensor:
    if level.shape[-2] > cells[0] or level.shape[-1] > cells[1]:
        return F.adaptive_avg_pool2d(level, cells)
    return F.interpolate(level, size=cells, mode="bilinear", align_corners=False)
