"""A trained model: what turns pixels into labels, and its file on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ProjectError, SpmlError, TrainingError
from spml_core.io import storage_errors, write_atomic
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.models import (
    DEFAULT_BACKBONE,
    DenseNetwork,
    PaperShape,
    Pyramid,
    SegmentationNetwork,
    WindowedNetwork,
    build_backbone,
)
from spml_core.models.finite import not_finite
from spml_core.models.weights import read_safetensors

# 2: the bank knows where its segments are and who named them. 3: what kind of network it is. 4: all in one file.
FORMAT = 4
MODEL_FILE = "model.safetensors"
OLD_ABOUT_FILE = "model.json"
"""Held what is in the metadata of ``MODEL_FILE`` from format 4 on."""
_ABOUT = "spml"
_PYRAMID, _PAPER = "pyramid", "paper"  # kinds of network: SegmentationNetwork, WindowedNetwork
_BANK_PARTS = ("prototypes", "labels", "pictures", "segments", "places", "marked")


@dataclass
class TrainedModel:
    """Network, refinement and classes.

    Attributes
    ----------
    network : DenseNetwork
        In evaluation mode.
    refinement : Refinement
    class_names : tuple of str
    config : TrainConfig
        What it was trained with.
    bank : RetrievalBank or None
        Labelled segments of the pictures it learned from.
    bank_pictures : tuple of str
        Names of those pictures, by the bank's numbers.
    """

    network: DenseNetwork
    refinement: Refinement
    class_names: tuple[str, ...]
    config: TrainConfig
    bank: RetrievalBank | None = None
    bank_pictures: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.device

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors``, whole or not at all: tensors, and all the rest in its metadata.

        The default backbone isn't written unless it has learned: its package has it.

        Raises
        ------
        TrainingError
            If a tensor holds NaN or infinite numbers; the model that was there stays.
        StorageError
            If the disk is full or the folder can't be written.
        """
        about: dict[str, Any] = {
            "format": FORMAT,
            "kind": _PYRAMID,
            "classes": list(self.class_names),
            "refinement": asdict(self.refinement),
            "config": self.config.to_dict(),
            "bank_pictures": list(self.bank_pictures),
        }
        if isinstance(self.network, WindowedNetwork):
            about |= {"kind": _PAPER, "network": self.network.shape.to_dict()}
        tensors = network_state(self.network, self.config)
        if self.bank is not None:
            parts = {name: getattr(self.bank, name) for name in _BANK_PARTS}
            tensors |= {f"bank.{k}": part.cpu().contiguous() for k, part in parts.items() if part is not None}
        if broken := not_finite(tensors):
            raise TrainingError(
                f"The model for {folder} isn't written: {broken[0]} holds numbers that are NaN or infinite.",
                "Train again with another seed or a lower learning rate; what was written before stays.",
            )
        write_atomic(folder / MODEL_FILE, safetensors.torch.save(tensors, {_ABOUT: json.dumps(about)}))
        with storage_errors(folder / OLD_ABOUT_FILE):
            (folder / OLD_ABOUT_FILE).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> TrainedModel:
        """Read what :meth:`save` wrote, now or in an older version.

        Raises
        ------
        ProjectError
            If the file is missing, damaged, or from a newer version; if a tensor is missing or isn't finite.
        """
        try:
            about, state = _read(folder)
            if about["format"] > FORMAT:
                raise ProjectError(
                    f"The model in {folder} has format {about['format']}; this program reads up to {FORMAT}.",
                    "Update the program.",
                )
            config = TrainConfig.from_dict(about["config"])
            names = tuple(about["classes"])
            shape = dict(about["refinement"])
            refinement = Refinement(**(shape | {"regions": tuple(shape["regions"])}))
            network, whole = _network_for(about, config, len(names))
            parts = {
                name: state.pop(f"bank.{name}").to(device) for name in _BANK_PARTS if f"bank.{name}" in state
            }
            bank = RetrievalBank(**parts, num_classes=len(names)) if parts else None
            pictures = tuple(about.get("bank_pictures", ()))
            _fill(network, state, whole)
            if bank is not None and "bank_pictures" in about:
                _check_bank(bank, pictures)
        except ProjectError:
            raise
        except (
            OSError,
            SpmlError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RuntimeError,
            RecursionError,
            safetensors.SafetensorError,
        ) as error:
            raise ProjectError(
                f"The model in {folder} can't be read ({type(error).__name__}: {str(error)[:200]}).",
                "Train again, or make another run current in the list of runs of the window (spml app).",
            ) from error
        return cls(network.to(device).eval(), refinement, names, config, bank, pictures)

    def with_color_strength(self, strength: float) -> TrainedModel:
        """The same model with another weight of the pictures' own colours."""
        return replace(self, refinement=replace(self.refinement, color_strength=strength))


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a folder's model file says of itself, and its tensors."""
    tensors, said = read_safetensors(folder / MODEL_FILE)
    old = folder / OLD_ABOUT_FILE
    about: Any = json.loads(said[_ABOUT] if _ABOUT in said else old.read_text("utf-8"))
    return about, tensors


def _fill(network: DenseNetwork, state: Mapping[str, torch.Tensor], whole: bool) -> None:
    """Put all tensors of a model into its network.

    Raises
    ------
    ValueError, RuntimeError
        If one is missing, unknown or of another shape.
    """
    lacks, unknown = network.load_state_dict(state, strict=False)
    lacks = [name for name in lacks if whole or not name.startswith("backbone.")]
    for names, problem in ((lacks, "lacks"), (unknown, "has the unknown")):
        if names:
            raise ValueError(f"it {problem} {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")


def _check_bank(bank: RetrievalBank, pictures: tuple[str, ...]) -> None:
    """Complain of a bank that another model's description came with.

    Raises
    ------
    ValueError
    """
    if len(bank) and not 0 <= int(bank.pictures.min()) <= int(bank.pictures.max()) < len(pictures):
        raise ValueError(f"its bank is of more pictures than the {len(pictures)} it names")


def _network_for(about: dict[str, Any], config: TrainConfig, num_classes: int) -> tuple[DenseNetwork, bool]:
    """Network that a file's tensors belong into, and whether they are all of it."""
    kind = about.get("kind", _PYRAMID)
    if kind == _PAPER:
        return WindowedNetwork.of_shape(PaperShape(**about["network"]), num_classes), True
    if kind != _PYRAMID:
        raise ValueError(f"its network is of the kind {kind!r}")
    whole = _keeps_backbone(config)
    return build_network(config, num_classes, pretrained=not whole), whole


def build_network(config: TrainConfig, num_classes: int, *, pretrained: bool = True) -> SegmentationNetwork:
    """Untrained network as the settings want it, its backbone with published weights unless they don't matter."""
    weights = config.weights if pretrained else ""
    return SegmentationNetwork(
        build_backbone(config.backbone, pretrained=pretrained, weights=weights),
        Pyramid(config.scales, config.stride),
        max(config.embedding_dim, num_classes),
        num_classes,
        stop_gradient=config.stop_gradient,
    )


def network_state(network: DenseNetwork, config: TrainConfig) -> dict[str, torch.Tensor]:
    """Tensors to store: all that training can change, and a backbone that isn't always at hand."""
    whole = isinstance(network, WindowedNetwork) or _keeps_backbone(config)
    return {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if whole or not name.startswith("backbone.")
    }


def _keeps_backbone(config: TrainConfig) -> bool:
    """Whether the backbone is part of the model's files: it has learned, or comes from a download or a file."""
    return config.fine_tune or bool(config.weights) or config.backbone != DEFAULT_BACKBONE
