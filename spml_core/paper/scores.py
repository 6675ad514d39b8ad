"""Class scores of a training picture before the random walk: from a head, or from its own marks.

All are (K, h, w) on the grid of the walk, 0 to 1, and 0 for classes that the picture doesn't hold (METHODS.md 1.14).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.labeling.propagation import propagate_within
from spml_core.labeling.random_walk import head_scores, scaled_classes
from spml_core.paper.context import PaperContext
from spml_core.paper.trained import TrainedNetwork
from spml_core.paper.views import View, see, to_size


def network_scores(
    context: PaperContext,
    network: TrainedNetwork,
    rgb: NDArray[np.uint8],
    grid: tuple[int, int],
    views: Sequence[View],
    present: NDArray[np.bool_],
    *,
    mean_of_logits: bool = False,
) -> Tensor:
    """What the head says, averaged over views; see :func:`head_scores`.

    Parameters
    ----------
    context : PaperContext
    network : TrainedNetwork
    rgb : ndarray, (H, W, 3) uint8
    grid : (int, int)
        Rows and columns of the result.
    views : sequence of View
    present : ndarray, (K,) bool
    mean_of_logits : bool
        Average logits and then make probabilities of them (algorithm 2), not the other way round (algorithm 1).
    """
    crop, device = context.preset.crop, context.device
    logits = [to_size(see(network.classify, rgb, view, crop, device), *grid) for view in views]
    if mean_of_logits:
        logits = [torch.stack(logits).mean(0)]
    return head_scores(logits, grid, torch.from_numpy(present).to(device))


def neighbour_scores(
    context: PaperContext,
    network: TrainedNetwork,
    rgb: NDArray[np.uint8],
    weak: NDArray[np.uint8],
    grid: tuple[int, int],
) -> Tensor:
    """Each segment votes for the label of the nearest labelled segment of the picture, however far (DensePose).

    All 0 where the picture has no label.
    """
    preset = context.preset
    embedding = see(network.embed, rgb, View(), preset.crop, context.device, unit=True)
    labels = torch.from_numpy(weak.astype(np.int64))
    votes = propagate_within(embedding, labels, context.num_classes, cells=preset.votes.part_cells)
    return scaled_classes(to_size(votes, *grid))
