"""The network that a run starts from: its parts by name, ImageNet weights from a file or from torchvision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from spml_core.errors import ConfigError
from spml_core.models.paper_network import PaperNetwork, build_paper_network
from spml_core.models.resnet import Stem
from spml_core.models.weights import load_weights, read_weights, torchvision_weights
from spml_core.paper.presets import PaperPreset

BACKBONES = {"resnet18": 18, "resnet34": 34, "resnet50": 50, "resnet101": 101}
"""Depth of each backbone."""

_STEM = ("conv1.", "conv2.", "conv3.", "bn1.", "bn2.", "bn3.")
_CLASSIFIER = ("fc.",)
_FAST_MOMENTUM = 0.03
_NARROWEST, _FULL_WIDTH = "layer1.0.conv1.weight", 64


def starting_network(
    preset: PaperPreset, num_classes: int, *, width: float = 1.0, weights: Path | None = None
) -> PaperNetwork:
    """The preset's network before training.

    Parameters
    ----------
    preset : PaperPreset
    num_classes : int
        K.
    width : float
        Factor on the backbone's channels.
    weights : Path, optional
        Of the backbone. They tell which stem it gets and, where ``width`` is 1, how wide it is. Without a file, a
        backbone of full width takes torchvision's weights, downloaded on first use, and torchvision's stem, since the
        deep one's are published by no package; a reduced one begins with random weights, and batch norms whose
        statistics move a hundred times as fast as the paper's, which would take 10,000 steps to forget the ones they
        begin with.

    Raises
    ------
    ConfigError
        If there is no such backbone, or the weights can't be had or don't fit; the first mismatches are listed.
    """
    if preset.backbone not in BACKBONES:
        raise ConfigError(
            f"Unknown backbone {preset.backbone!r}.", f"The backbones are: {', '.join(BACKBONES)}."
        )
    depth = BACKBONES[preset.backbone]
    if weights is None and width == 1:
        weights = torchvision_weights(depth)
    stem: Stem = "deep"
    if weights is not None:
        names = read_weights(weights)
        stem = _stem_of(names)
        width = _width_of(names) if width == 1 else width
    network = build_paper_network(
        num_classes,
        head=preset.head,
        depth=depth,
        stem=stem,
        width=width,
        embedding_dim=preset.dim,
        dropout=preset.embedding.dropout,
    )
    if weights is not None:
        load_weights(network.backbone, weights, rename=_own_name, ignore=_CLASSIFIER)
        return network
    for module in network.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = _FAST_MOMENTUM
    return network


def _width_of(tensors: Mapping[str, Tensor]) -> float:
    """Factor on the channels of the backbone that tensors belong to; 1 if they don't tell."""
    first = next((t for name, t in tensors.items() if name.endswith(_NARROWEST)), None)
    return 1.0 if first is None else len(first) / _FULL_WIDTH


def _stem_of(names: Iterable[str]) -> Stem:
    return (
        "deep"
        if any(name.endswith(("conv3.weight",)) and "layer" not in name for name in names)
        else "torchvision"
    )


def _own_name(name: str) -> str:
    """Name in our network of a tensor that a published file names: there the stem has no name of its own."""
    return f"stem.{name}" if name.startswith(_STEM) else name
