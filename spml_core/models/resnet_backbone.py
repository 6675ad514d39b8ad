"""Residual networks with stride 8 as backbones of the app, with torchvision's weights or a file's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from spml_core.errors import ConfigError
from spml_core.models.base import Backbone
from spml_core.models.normalisation import normalise_rgb
from spml_core.models.resnet import ResNet, Stem
from spml_core.models.weights import Progress, load_weights, torchvision_weights


class ResNetBackbone(Backbone):
    """The four stages of a dilated residual network, on pictures that it normalises itself.

    Parameters
    ----------
    depth, stem, width
        See :class:`ResNet`.
    """

    def __init__(self, depth: int = 50, *, stem: Stem = "torchvision", width: float = 1.0) -> None:
        super().__init__()
        self.network = ResNet(depth, stem=stem, width=width)
        self.depth, self.stem_kind = depth, stem
        self.channels = self.network.channels
        self.strides = self.network.strides

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """See :class:`Backbone`."""
        levels: list[Tensor] = self.network(normalise_rgb(rgb).contiguous(memory_format=torch.channels_last))
        return levels

    def deeper_parameters(self) -> Iterator[nn.Parameter]:
        """See :class:`Backbone`: the convolutions of stages 3 and 4."""
        for stage in (self.network.layer3, self.network.layer4):
            for module in stage.modules():
                if isinstance(module, nn.Conv2d):
                    yield from module.parameters()

    def load_imagenet(self, progress: Progress | None = None) -> ResNetBackbone:
        """Load torchvision's ImageNet weights, downloaded on first use.

        Raises
        ------
        ConfigError
            If there are none for this stem, or they can't be fetched.
        """
        if self.stem_kind != "torchvision":
            raise ConfigError(
                f"There are no weights to download for resnet{self.depth} with the deep stem.",
                "Give a file by --weights FILE, or use the backbone without -deepstem.",
            )
        return self.load_file(torchvision_weights(self.depth, progress))

    def load_file(self, file: Path | str) -> ResNetBackbone:
        """Load weights in torchvision's or our naming; see :func:`load_resnet_weights`."""
        load_resnet_weights(self.network, file)
        return self


def load_resnet_weights(network: ResNet, file: Path | str) -> None:
    """Load a residual network's weights from a file; a classifier in it is left.

    Published files have the stem's tensors at the top, as ``conv1.weight``; our own have them below ``stem.``.

    Raises
    ------
    ConfigError
        See :func:`load_weights`.
    """
    load_weights(
        network,
        file,
        rename=lambda name: name if name.startswith(("layer", "stem.")) else f"stem.{name}",
        ignore=("fc.",),
    )
