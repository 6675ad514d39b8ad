"""A run's network as a model that everything else can use, with its labelled segments, however far the run has come."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.config import TrainConfig
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models import DenseNetwork, Window, WindowedNetwork, rgb_tensor
from spml_core.paper.chosen import head_stages
from spml_core.paper.context import PaperContext
from spml_core.paper.iterating import has_learned
from spml_core.paper.seed_stage import weak_label_maps
from spml_core.paper.trained import TrainedNetwork
from spml_core.training.bank import LabelledCells, cells_bank
from spml_core.training.events import Event, StageProgress
from spml_core.training.samples import cell_labels

BANK = "bank"
_MOST_PICTURES = 1000  # in the bank: a hundred megabytes of segments
_MOST_WINDOWS = 12  # of a very large picture
# What the published methods predict is the network's own answer.
_AS_IT_IS = Refinement(regions=(), fine_regions=0, color_strength=0.0)


def model_so_far(
    context: PaperContext, config: TrainConfig, class_names: tuple[str, ...]
) -> TrainedModel | None:
    """The model of the last finished head, or else of the head that learns with the embedding; None before that.

    Parameters
    ----------
    context : PaperContext
    config : TrainConfig
        To keep with the model.
    class_names : tuple of str

    Raises
    ------
    TrainingError
        If a file of the run is damaged.
    """
    embedding = context.stage("embedding")
    if not has_learned(embedding):
        return None
    heads = [stage for name in head_stages(context.preset) if (stage := context.stage(name)).done]
    trained = TrainedNetwork.load(context, embedding, heads[-1] if heads else None)
    network = WindowedNetwork(trained.network, context.preset.crop).to(context.device).eval()
    return TrainedModel(network, _AS_IT_IS, class_names, config)


def give_bank(
    model: TrainedModel, context: PaperContext, enough: Callable[[], bool]
) -> Generator[Event, None, None]:
    """Give a model the labelled segments of the training pictures.

    Marks and seeds name them; elsewhere the last pseudo labels do, if there are any yet.

    Parameters
    ----------
    model : TrainedModel
    context : PaperContext
    enough : callable
        Pictures after the first are left out once it says yes.
    """
    count = len(context.pictures)
    chosen = [i * count // min(count, _MOST_PICTURES) for i in range(min(count, _MOST_PICTURES))]
    label_maps = _label_maps(context)
    banks: list[RetrievalBank] = []
    for done, index in enumerate(chosen):
        if banks and enough():
            break
        yield StageProgress(BANK, done, len(chosen), float("nan"))
        labels, painted = label_maps(index)
        banks += _picture_banks(model.network, context.pictures[index].rgb(), labels, painted, index)
    model.bank = RetrievalBank.join(banks) if banks else None
    model.bank_pictures = tuple(context.data.names)


LabelMaps = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
"""From the number of a picture to its best known labels and those that a person painted, both (H, W)."""


def _label_maps(context: PaperContext) -> LabelMaps:
    seeded = any(picture.coarse for picture in context.pictures)
    weak = weak_label_maps(context, context.stage("weak_labels") if seeded else None)
    painted = weak_label_maps(context, None)
    names = ("pseudo_labels",) if context.preset.algorithm == 1 else ("votes_1", "votes_2")
    pseudo = [stage for name in names if (stage := context.stage(name)).done]

    def both(index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels = weak(index)
        if pseudo:
            guessed = pseudo[-1].read_labels(context.pictures[index].name)
            labels = np.where(labels == context.num_classes, guessed, labels)
        return labels, painted(index)

    return both


@torch.inference_mode()
def _picture_banks(
    network: DenseNetwork,
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    painted: NDArray[np.uint8],
    index: int,
) -> list[RetrievalBank]:
    """Banks of a picture's windows, or of those of a very large one that have most marks."""
    count = network.num_classes
    windows = network.pyramid.windows(*labels.shape)
    marks = [int((painted[w.slices] < count).sum()) for w in windows]
    order = sorted(range(len(windows)), key=lambda i: -marks[i])[:_MOST_WINDOWS]
    banks = []
    for window in (windows[i] for i in sorted(order)):
        cells = _cells(network, rgb, labels, painted, window)
        if not (cells.labels < count).any():
            continue
        bank = cells_bank(cells, count, index, network.pyramid.stride)
        assert bank.places is not None
        corner = torch.tensor(window.core[:2], device=bank.places.device)
        bank.places.add_(corner)
        banks.append(bank)
    return banks


def _cells(
    network: DenseNetwork,
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    painted: NDArray[np.uint8],
    window: Window,
) -> LabelledCells:
    stride, count = network.pyramid.stride, network.num_classes
    top, left, height, width = window.outer
    pixels = rgb_tensor(rgb[top : top + height, left : left + width]).to(network.device)
    rows, columns = (slice(s.start // stride, -(-s.stop // stride)) for s in window.inside)
    embedding = network.dense_embedding(pixels)[0, :, rows, columns]
    grid = embedding.shape[1], embedding.shape[2]
    codes, by_hand = (
        torch.from_numpy(cell_labels(part[window.slices], stride, count)).reshape(-1)
        for part in (labels, painted)
    )
    places = torch.cartesian_prod(*(torch.arange(side) for side in grid)).reshape(-1, 2)
    marked = (by_hand < count) & (by_hand == codes) & (codes != IGNORE)
    return LabelledCells(embedding.flatten(1).T, places, grid, codes, torch.zeros_like(codes), marked)
