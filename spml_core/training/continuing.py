"""Training that goes on from an earlier model, whatever became of the classes since."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spml_core.config import TrainConfig
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models import SegmentationNetwork
from spml_core.training.classifier import LinearClassifier

_NEVER = -30.0  # bias of a class that the model doesn't know, so that it never wins before it is learned


@dataclass(frozen=True)
class EarlierModel:
    """A model to go on from.

    Attributes
    ----------
    model : TrainedModel
    codes : ndarray, (256,) uint8
        For each of its label codes that of the class today; the number of today's classes where it was deleted.
    """

    model: TrainedModel
    codes: NDArray[np.uint8]


def obstacle(earlier: EarlierModel, config: TrainConfig, num_classes: int) -> str | None:
    """Why training can't go on from a model, in words; None if it can."""
    model = earlier.model
    if not isinstance(model.network, SegmentationNetwork):
        return f"it was trained by a published method, {model.config.preset}"
    for name in ("backbone", "scales", "stride"):
        if getattr(model.config, name) != getattr(config, name):
            return f"it was trained with {name} = {getattr(model.config, name)}, not {getattr(config, name)}"
    if model.config.fine_tune and not config.fine_tune:
        return "its backbone was fine-tuned, which these settings leave as it is"
    if not (earlier.codes[: len(model.class_names)] < num_classes).any():
        return "none of its classes is left"
    return None


@torch.no_grad()
def take_over(network: SegmentationNetwork, earlier: EarlierModel, config: TrainConfig) -> None:
    """Let a network be what a model was, as far as today's classes go.

    Merged classes get the mean of their parts; a class that is new never wins, until it is learned.

    Parameters
    ----------
    network : SegmentationNetwork
        With today's number of classes.
    earlier : EarlierModel
        One without an :func:`obstacle`.
    config : TrainConfig
    """
    old = earlier.model.network
    assert isinstance(old, SegmentationNetwork)  # any other is an obstacle
    if config.fine_tune and earlier.model.config.fine_tune:
        network.backbone.load_state_dict(old.backbone.state_dict())
    network.mean.copy_(old.mean)
    network.scale.copy_(old.scale)
    parts = _parts(earlier, network.num_classes).to(old.mean.device)
    known = parts.any(1)
    was = LinearClassifier.of(old)
    bias = torch.where(known, parts @ was.bias, torch.tensor(_NEVER, device=parts.device))
    now = LinearClassifier((parts @ was.weight).to(network.mean), bias.to(network.mean))
    if network.embedding.weight.shape == old.embedding.weight.shape:
        network.embedding.load_state_dict(old.embedding.state_dict())
        network.head.weight.copy_(parts @ old.head.weight)
        network.head.bias.zero_()
        _give_rows(network, known.logical_not())
        now.put_into(network)
    else:
        spare = network.embedding.out_features - network.num_classes
        network.start_from(now.weight, now.bias, now.weight.new_zeros(spare, now.weight.shape[1]))


def _parts(earlier: EarlierModel, num_classes: int) -> torch.Tensor:
    """How much each old class (columns) makes of today's (rows); rows sum to 1, or to 0 for new classes."""
    codes = torch.from_numpy(earlier.codes[: len(earlier.model.class_names)].astype(np.int64))
    kept = (codes < num_classes).nonzero()[:, 0]
    parts = torch.zeros(num_classes, len(codes))
    parts[codes[kept], kept] = 1
    return parts / parts.sum(1, keepdim=True).clamp_min(1)


def _give_rows(network: SegmentationNetwork, new: torch.Tensor) -> None:
    """Let the head's rows of new classes (K,) bool read the dimensions of the embedding that others use least."""
    head = network.head.weight
    used = (torch.linalg.pinv(head) @ head).diagonal()
    for row, dimension in zip(new.nonzero()[:, 0], used.argsort(), strict=False):
        head[row] = torch.nn.functional.one_hot(dimension, head.shape[1]).to(head)


def earlier_bank(
    network: SegmentationNetwork, earlier: EarlierModel
) -> tuple[RetrievalBank | None, tuple[str, ...]]:
    """The model's retrieval bank with today's codes, and the names of its pictures."""
    bank = earlier.model.bank
    if bank is None or bank.prototypes.shape[1] != network.embedding.out_features:
        return None, ()
    codes = torch.from_numpy(earlier.codes.astype(np.int64))
    return bank.renamed(codes, network.num_classes), earlier.model.bank_pictures
