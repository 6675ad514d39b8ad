"""Any network of timm as a backbone, with the normalisation that its weights were trained with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spml_core.errors import ConfigError
from spml_core.models.base import Backbone
from spml_core.models.normalisation import normalise_rgb
from spml_core.models.weights import check_fit, fitting_names, read_weights

# How families of transformers are told that pictures may have any size.
_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
_LAYERS = (nn.Conv2d, nn.Linear)


class TimmBackbone(Backbone):
    """The feature levels of a timm network.

    Pictures whose sides aren't multiples of the deepest stride are continued with their last pixels, and the levels cut
    back.

    Parameters
    ----------
    name : str
        As timm knows it, for instance ``"convnext_tiny"`` or ``"resnet50.a1_in1k"``.
    pretrained : bool
        Whether to load the published weights, downloaded on first use.
    weights : path, optional
        A file to load weights from instead, with timm's names.

    Raises
    ------
    ConfigError
        If timm has no such network, it gives no feature maps, or its weights can't be fetched, read or fitted.
    """

    def __init__(self, name: str, *, pretrained: bool = True, weights: Path | str = "") -> None:
        super().__init__()
        if not is_timm_model(name):
            raise ConfigError(f"timm has no network {name!r}.", "See the names of timm.list_models().")
        overlay = {"state_dict": _fitting_tensors(name, weights)} if weights else None
        self.features = _create(name, pretrained or bool(weights), overlay)
        info = self.features.feature_info
        self.channels = tuple(info.channels())
        self.strides = tuple(info.reduction())
        self.mean, self.std = _normalisation(name)
        self._last_frozen = info.module_name()[(len(self.channels) - 1) // 2]
        self._try_another_size(name)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """See :class:`Backbone`."""
        height, width = rgb.shape[-2:]
        whole = math.lcm(*self.strides)
        padded = F.pad(rgb, (0, -width % whole, 0, -height % whole), mode="replicate")
        levels = self.features(
            normalise_rgb(padded, self.mean, self.std).contiguous(memory_format=torch.channels_last)
        )
        return [
            _channels_second(level, count)[..., : -(-height // stride), : -(-width // stride)]
            for level, count, stride in zip(levels, self.channels, self.strides, strict=True)
        ]

    def deeper_parameters(self) -> Iterator[nn.Parameter]:
        """See :class:`Backbone`: the convolutions and linear layers after the middle level."""
        layers = [(n, m) for n, m in self.features.named_modules() if isinstance(m, _LAYERS)]
        # Feature extractors write the dots of a stage's name as underscores, or put a prefix before it.
        middle = self._last_frozen.replace(".", "_") + "_"
        inside = [
            i
            for i, (n, _) in enumerate(layers)
            if (n.removeprefix("model.").replace(".", "_") + "_").startswith(middle)
        ]
        first = inside[-1] + 1 if inside else len(layers) // 2
        for _, layer in layers[first:]:
            yield from layer.parameters()

    @torch.inference_mode()
    def _try_another_size(self, name: str) -> None:
        was_training = self.training
        try:
            self.eval()(torch.zeros(1, 3, 96, 160))
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = str(error).split("\n")[0][:120]
            raise ConfigError(
                f"timm's {name} can't be used as a backbone: it takes pictures of certain sizes only ({reason}).",
                "Choose one that takes any size.",
            ) from error
        self.train(was_training)


def is_timm_model(name: str) -> bool:
    """Whether timm knows an architecture of that name; a tag of weights may follow it after a dot."""
    return bool(timm.is_model(name))


def _create(name: str, pretrained: bool, overlay: dict[str, Any] | None) -> Any:
    problem: Exception | None = None
    for options in _ANY_SIZE:
        try:
            return timm.create_model(
                name, pretrained=pretrained, features_only=True, pretrained_cfg_overlay=overlay, **options
            )
        except TypeError as error:  # an option that this family doesn't know
            if not options or not any(option in str(error) for option in options):
                problem = error
                break
        except Exception as error:  # whatever the libraries below raise when there is no connection
            problem = error
            break
    reason = f"{type(problem).__name__}: {str(problem).splitlines()[0][:160] if str(problem) else ''}"
    try:
        timm.create_model(name, pretrained=False, features_only=True)
    except Exception as error:
        raise ConfigError(
            f"timm's {name} can't be used as a backbone ({reason}).", "Choose one that gives feature maps."
        ) from error
    raise ConfigError(
        f"The weights of timm's {name} can't be had ({reason}).",
        "Connect to the internet, or fetch them elsewhere and give them by --weights FILE.",
    ) from problem


def _fitting_tensors(name: str, file: Path | str) -> dict[str, Tensor]:
    """Tensors of a file for the network of that name, checked, its classifier left out."""
    whole: Any = timm.create_model(name, pretrained=False, num_classes=0)
    classifier = whole.default_cfg.get("classifier") or ()
    heads = tuple(f"{c}." for c in ((classifier,) if isinstance(classifier, str) else classifier))
    wanted = whole.state_dict()
    found = fitting_names(read_weights(file), wanted)
    found = {n: t for n, t in found.items() if n in wanted or not n.startswith(heads)}
    check_fit(found, wanted, f"The weights in {file} don't fit timm's {name}")
    return found


def _normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    config: Any = timm.get_pretrained_cfg(name)
    return tuple(config.mean), tuple(config.std)


def _channels_second(level: Tensor, channels: int) -> Tensor:
    """Level as (N, C, h, w), also where the network gives (N, h, w, C)."""
    if level.shape[1] != channels and level.shape[-1] == channels:
        return level.permute(0, 3, 1, 2)
    return level
