"""Dilated residual networks: the paper's with its deep stem, and torchvision's layout (METHODS.md 1.3)."""

from __future__ import annotations

import math
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from spml_core.errors import ConfigError

Stem = Literal["deep", "torchvision"]

BN_MOMENTUM = 3e-4
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_STAGE_WIDTHS = (64, 128, 256, 512)
_STRIDES = (1, 2, 1, 1)
_DILATIONS = (1, 1, 2, 4)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: the block of depths 18 and 34.

    Parameters
    ----------
    channels_in, width : int
        Channels that come in, and of both convolutions.
    stride : int
        Of the first convolution.
    dilation : int
    """

    expansion = 1

    def __init__(self, channels_in: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(channels_in, width, stride, dilation)
        self.bn1 = _norm(width)
        self.conv2 = _conv3x3(width, width, 1, dilation)
        self.bn2 = _norm(width)
        self.downsample = _shortcut(channels_in, width * self.expansion, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """From (N, C, H, W) to (N, width, H / stride, W / stride)."""
        inner = F.relu(self.bn1(self.conv1(maps)), inplace=True)
        inner = self.bn2(self.conv2(inner))
        return F.relu(inner + self.downsample(maps), inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions beside a shortcut: the block of depths 50 and 101.

    Parameters
    ----------
    channels_in, width : int
        Channels that come in, and of the 3 x 3 convolution; four times as many go out.
    stride : int
        Of the 3 x 3 convolution.
    dilation : int
        Of the 3 x 3 convolution.
    """

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = _norm(width)
        self.conv2 = _conv3x3(width, width, stride, dilation)
        self.bn2 = _norm(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = _norm(width * self.expansion)
        self.downsample = _shortcut(channels_in, width * self.expansion, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """From (N, C, H, W) to (N, 4 * width, H / stride, W / stride)."""
        inner = F.relu(self.bn1(self.conv1(maps)), inplace=True)
        inner = F.relu(self.bn2(self.conv2(inner)), inplace=True)
        inner = self.bn3(self.conv3(inner))
        return F.relu(inner + self.downsample(maps), inplace=True)


class DeepStem(nn.Sequential):
    """Three 3 x 3 convolutions, the first with stride 2, then max pooling: stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(3, width, 2, 1)
        self.bn1 = _norm(width)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(width, width, 1, 1)
        self.bn2 = _norm(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = _conv3x3(width, 2 * width, 1, 1)
        self.bn3 = _norm(2 * width)
        self.relu3 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)


class PlainStem(nn.Sequential):
    """One 7 x 7 convolution of stride 2, then max pooling: stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = _norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)


class ResNet(nn.Module):
    """Residual network with stride 8: the last two stages are dilated instead of strided.

    The first block of a dilated stage has half its dilation, as the stage before it would have had with strides.
    Tensors are named as in torchvision, but for the stem's, which are below ``stem.``.

    Parameters
    ----------
    depth : {18, 34, 50, 101}
    stem : {"deep", "torchvision"}
        Three 3 x 3 convolutions or one of 7 x 7.
    width : float
        Factor on all channels, for tests and small machines.

    Attributes
    ----------
    depth, width
        As given.
    channels, strides : tuple of int
        Of the four stages' outputs.

    Raises
    ------
    ConfigError
        If depth, stem or width is out of its range.

    References
    ----------
    SPML, implementation details; METHODS.md 1.3.
    """

    strides = (4, 8, 8, 8)

    def __init__(self, depth: int = 101, *, stem: Stem = "deep", width: float = 1.0) -> None:
        super().__init__()
        if depth not in _BLOCKS:
            raise ConfigError(
                f"There is no residual network of depth {depth}.", f"Use one of: {list(_BLOCKS)}."
            )
        if stem not in ("deep", "torchvision"):
            raise ConfigError(f"Unknown stem {stem!r}.", "Use deep or torchvision.")
        if not 1 / 64 <= width <= 4:
            raise ConfigError(f"The width {width} is out of range.", "Use a factor from 1/64 to 4.")
        self.depth, self.width = depth, width
        block = Bottleneck if depth >= 50 else BasicBlock
        widths = tuple(max(1, round(w * width)) for w in _STAGE_WIDTHS)
        self.channels = tuple(w * block.expansion for w in widths)
        self.stem = DeepStem(widths[0]) if stem == "deep" else PlainStem(widths[0])
        inside = 2 * widths[0] if stem == "deep" else widths[0]
        stages = []
        for count, size, stride, dilation in zip(_BLOCKS[depth], widths, _STRIDES, _DILATIONS, strict=True):
            blocks = [block(inside, size, stride, max(1, dilation // 2))]
            inside = size * block.expansion
            blocks += [block(inside, size, 1, dilation) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        initialise(self)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """All four stages' outputs, (N, C_l, H / s_l, W / s_l), of normalised pictures (N, 3, H, W)."""
        levels = []
        maps = self.stem(rgb)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
            levels.append(maps)
        return levels


def initialise(module: nn.Module) -> None:
    """Draw convolutions from normal(0, sqrt(2 / (k * k * out))), biases 0; batch norms begin as the identity."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            rows, columns = part.kernel_size
            nn.init.normal_(part.weight, 0.0, math.sqrt(2 / (rows * columns * part.out_channels)))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


def _conv3x3(channels_in: int, channels_out: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=dilation, dilation=dilation, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=BN_MOMENTUM)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), _norm(channels_out))
