"""Backbones by name."""

from __future__ import annotations

import difflib
from pathlib import Path

import timm
import torch

from spml_core.devices import reuse_freed_memory
from spml_core.errors import ConfigError
from spml_core.models.base import Backbone
from spml_core.models.efficientnet import EfficientNetLite0
from spml_core.models.folding import fold_batch_norm
from spml_core.models.resnet import Stem
from spml_core.models.resnet_backbone import ResNetBackbone
from spml_core.models.timm_backbone import TimmBackbone, is_timm_model
from spml_core.models.weights import Progress

__all__ = ["BACKBONES", "DEFAULT_BACKBONE", "Backbone", "EfficientNetLite0", "build_backbone"]

DEFAULT_BACKBONE = "efficientnet-lite0"

_DEPTHS = (18, 34, 50, 101)
_DEEP_STEM = "-deepstem"
_TIMM = "timm/"

BACKBONES = (DEFAULT_BACKBONE, *(f"resnet{d}{s}" for d in _DEPTHS for s in ("", _DEEP_STEM)))
"""Our own backbones; beside them there is every network of timm."""


def build_backbone(
    name: str = DEFAULT_BACKBONE,
    *,
    pretrained: bool = True,
    weights: Path | str = "",
    progress: Progress | None = None,
) -> Backbone:
    """Backbone by name, in evaluation mode; of our own, batch norm is folded away.

    Parameters
    ----------
    name : str
        ``"efficientnet-lite0"``; ``"resnet50"`` and its like, dilated, with torchvision's weights, or with the paper's
        stem as ``"resnet50-deepstem"``; ``"timm/NAME"``, or the plain name where it isn't one of ours.
    pretrained : bool
        Whether to load published weights; without, they are random.
    weights : path, optional
        A file to load weights from instead.
    progress : callable, optional
        Told how far a download of torchvision's weights is.

    Raises
    ------
    ConfigError
        If there is no backbone of that name, or its weights can't be fetched, read or fitted.
    """
    own = name in BACKBONES
    if not own and not is_timm_model(name.removeprefix(_TIMM)):
        known = [*BACKBONES, *timm.list_models()]
        near = difflib.get_close_matches(name.removeprefix(_TIMM), known, n=3)
        raise ConfigError(
            f"Unknown backbone {name!r}.",
            f"Did you mean {', '.join(near)}?" if near else f"Use {DEFAULT_BACKBONE!r} or a name of timm's.",
        )
    reuse_freed_memory()
    if not own:
        backbone: Backbone = TimmBackbone(name.removeprefix(_TIMM), pretrained=pretrained, weights=weights)
    elif name == DEFAULT_BACKBONE:
        backbone = _with_weights(EfficientNetLite0(), pretrained, weights, None)
    else:
        depth = int(name.removeprefix("resnet").removesuffix(_DEEP_STEM))
        stem: Stem = "deep" if name.endswith(_DEEP_STEM) else "torchvision"
        backbone = _with_weights(ResNetBackbone(depth, stem=stem), pretrained, weights, progress)
    backbone.eval()
    if own:
        # Networks of timm don't all call their layers in the order in which they hold them.
        fold_batch_norm(backbone)
    return backbone.to(memory_format=torch.channels_last)


def _with_weights(
    backbone: EfficientNetLite0 | ResNetBackbone,
    pretrained: bool,
    weights: Path | str,
    progress: Progress | None,
) -> Backbone:
    if weights:
        return backbone.load_file(weights)
    if not pretrained:
        return backbone
    if isinstance(backbone, ResNetBackbone):
        return backbone.load_imagenet(progress)
    return backbone.load_imagenet()
