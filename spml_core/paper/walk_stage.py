"""Pseudo labels by random walk: scores spread along the embedding's affinities, edges by CRF (METHODS.md 1.14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.labeling.dense_crf import dense_crf
from spml_core.labeling.random_walk import refine_by_walk, walking_grid
from spml_core.paper.context import Labels, PaperContext
from spml_core.paper.run_folder import StageFolder
from spml_core.paper.trained import TrainedNetwork
from spml_core.paper.views import see, views_of
from spml_core.training.events import Event


@dataclass(frozen=True)
class Scene:
    """A training picture about to be walked over.

    Attributes
    ----------
    index : int
        Number of the picture.
    rgb : ndarray, (H, W, 3) uint8
    marks : ndarray, (H, W) uint8
        Weak labels.
    stride : int
    grid : (int, int)
        Rows and columns of the walk.
    """

    index: int
    rgb: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    stride: int
    grid: tuple[int, int]


Scores = Callable[[Scene], Tensor]
"""From a picture to scores (K, h, w), 0 or more, on the walk's grid."""


def walk_stage(
    context: PaperContext,
    stage: StageFolder,
    network: Callable[[], TrainedNetwork],
    weak: Labels,
    scores: Scores,
    *,
    crf: bool,
) -> Iterator[Event]:
    """Write a pseudo label map for every training picture that has none yet; void stays void.

    Parameters
    ----------
    context : PaperContext
    stage : StageFolder
    network : callable
        Whose embeddings the affinities come from; loaded only if there is something to do.
    weak : callable
        Weak label map of a training picture.
    scores : callable
        Scores to spread. A picture whose scores are all 0 is left UNLABELED.
    crf : bool
        Whether a dense CRF follows.
    """
    if stage.done:
        return

    def make(index: int) -> None:
        rgb, marks = context.pictures[index].rgb(), weak(index)
        size = rgb.shape[0], rgb.shape[1]
        walk = context.preset.walk
        stride, grid = walking_grid(size, stride=walk.stride, limit=walk.most_nodes)
        start = scores(Scene(index, rgb, marks, stride, grid))
        labels = np.full(size, context.num_classes, np.uint8)
        if start.any():
            spread = spread_scores(context, network(), rgb, start)
            labels = sharpened(context, rgb, spread) if crf else spread.argmax(0).cpu().numpy()
        labels = labels.astype(np.uint8)
        labels[marks == IGNORE] = IGNORE
        stage.write_labels(context.pictures[index].name, labels)

    yield from stage.each_missing(context.data.names, ".png", make)
    stage.finish()


@torch.no_grad()
def spread_scores(
    context: PaperContext, network: TrainedNetwork, rgb: NDArray[np.uint8], scores: Tensor
) -> Tensor:
    """Scores (K, h, w) after the walk, at the picture's size (K, H, W)."""
    walk, crop = context.preset.walk, context.preset.crop
    seen = [
        see(network.embed, rgb, view, crop, context.device, unit=True) for view in views_of((1.0,), walk.flip)
    ]
    size = rgb.shape[0], rgb.shape[1]
    return refine_by_walk(scores, seen, size, alpha=walk.alpha, beta=walk.beta, steps=walk.steps)


def sharpened(context: PaperContext, rgb: NDArray[np.uint8], scores: Tensor) -> NDArray[np.uint8]:
    """Most probable classes (H, W) after a dense CRF on scores (K, H, W)."""
    probabilities = scores.clamp(0, 1).cpu().numpy()
    marginals = dense_crf(rgb, probabilities, iterations=context.preset.crf_iterations)
    best: NDArray[np.uint8] = marginals.argmax(0).astype(np.uint8)
    return best
