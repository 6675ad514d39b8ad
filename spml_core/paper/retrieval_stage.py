"""Pseudo labels by retrieval: every segment asks its nearest ones in the whole training set (METHODS.md 1.15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.errors import TrainingError
from spml_core.labeling.propagation import Embed, lift_present, neighbor_votes, picture_bank
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.paper.context import Labels, PaperContext
from spml_core.paper.run_folder import StageFolder
from spml_core.paper.tensors import load_tensors, save_tensors
from spml_core.paper.trained import TrainedNetwork
from spml_core.paper.views import View, see
from spml_core.paper.walk_stage import sharpened
from spml_core.training.events import Event

_SUFFIX = ".safetensors"
_PART = 2**18  # segments kept together


def bank_stage(
    context: PaperContext, stage: StageFolder, network: Callable[[], TrainedNetwork], labels: Labels
) -> Iterator[Event]:
    """Write every training picture's segments at several scales, each named by most of its pixels.

    Parameters
    ----------
    context : PaperContext
    stage : StageFolder
    network : callable
    labels : callable
        Label map of a training picture that names the segments.
    """
    if stage.done:
        return

    def make(index: int) -> None:
        rgb, names = context.pictures[index].rgb(), torch.from_numpy(labels(index))
        embed = embedder(context, network(), rgb)
        banks = [
            picture_bank(embed(scale, False), names, context.num_classes, index)
            for scale in context.preset.votes.bank_scales
        ]
        bank = RetrievalBank.join(banks)
        tensors = {"prototypes": bank.prototypes, "labels": bank.labels.to(torch.uint8)}
        save_tensors(stage.file(context.pictures[index].name, _SUFFIX), tensors)

    yield from stage.each_missing(context.data.names, _SUFFIX, make)
    stage.finish()


def load_banks(context: PaperContext, stage: StageFolder) -> list[RetrievalBank]:
    """All pictures' segments, in parts, on the run's device.

    Raises
    ------
    TrainingError
        If there is no labelled segment at all, or a file is damaged.
    """
    banks: list[RetrievalBank] = []
    pending: list[RetrievalBank] = []
    for index, name in enumerate(context.data.names):
        parts = ("prototypes", "labels")
        tensors, _ = load_tensors(stage.file(name, _SUFFIX), parts)
        prototypes, labels = (tensors[part].to(context.device) for part in parts)
        segments = torch.arange(len(labels), device=context.device)
        picture = torch.full_like(segments, index)
        pending.append(RetrievalBank(prototypes, labels.long(), picture, segments, context.num_classes))
        if sum(map(len, pending)) >= _PART or index + 1 == len(context.pictures):
            banks.append(RetrievalBank.join(pending))
            pending = []
    if not sum(map(len, banks)):
        raise TrainingError(
            f"No segment of {len(context.pictures)} pictures has a label, so there is nothing to retrieve.",
            "Check the activation maps and tags of the training pictures.",
        )
    return banks


def vote_stage(
    context: PaperContext,
    stage: StageFolder,
    network: Callable[[], TrainedNetwork],
    bank: StageFolder,
    weak: Labels,
) -> Iterator[Event]:
    """Write a label map for every training picture by its neighbours' votes, edges by CRF; void stays void.

    Parameters
    ----------
    context : PaperContext
    stage : StageFolder
    network : callable
    bank : StageFolder
        What :func:`bank_stage` wrote.
    weak : callable
        Weak label map of a training picture.
    """
    if stage.done:
        return

    @cache
    def everyone() -> list[RetrievalBank]:
        return load_banks(context, bank)

    def make(index: int) -> None:
        rgb, marks = context.pictures[index].rgb(), weak(index)
        settings = context.preset.votes
        votes = neighbor_votes(
            embedder(context, network(), rgb),
            (rgb.shape[0], rgb.shape[1]),
            everyone(),
            scales=settings.query_scales,
            flip=settings.query_flip,
            k=settings.neighbours,
        )
        present = torch.from_numpy(context.present(index, marks))
        labels = sharpened(context, rgb, lift_present(votes, present, settings.floor))
        labels[marks == IGNORE] = IGNORE
        stage.write_labels(context.pictures[index].name, labels)

    yield from stage.each_missing(context.data.names, ".png", make)
    stage.finish()


def embedder(context: PaperContext, network: TrainedNetwork, rgb: NDArray[np.uint8]) -> Embed:
    """Embedding (D, H', W') of a picture at a scale, mirrored or not, at the full resolution of that scale."""

    def embed(scale: float, mirrored: bool) -> Tensor:
        view = View(scale, mirrored)
        return see(network.embed, rgb, view, context.preset.crop, context.device, unit=True)

    return embed
