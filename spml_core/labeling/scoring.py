"""Class probabilities on the feature grid: views, softmax head or retrieval, random walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import ConfigError, ProjectError
from spml_core.labeling.random_walk import random_walk
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.models import DenseNetwork, rgb_tensor
from spml_core.segments import (
    grid_labels,
    location_features,
    normalize,
    segment_prototypes,
    spherical_kmeans,
    with_location,
)

CLASSIFIERS = ("softmax", "retrieval", "both")
QUERY_CELLS = (12, 12)  # METHODS.md 1.5: k-means cells at retrieval
_WALK_CELLS = 4096  # METHODS.md 1.14: the walk's matrix has the square of this


@dataclass(frozen=True)
class Inference:
    """How probabilities are made. The default is the quickest.

    Attributes
    ----------
    classifier : str
        ``"softmax"``: the head; ``"retrieval"``: votes of the nearest labelled segments (METHODS.md 1.15); ``"both"``:
        their mean.
    scales : tuple of float
        The picture is looked at in these sizes, and the probabilities averaged.
    flip : bool
        Whether every size is looked at mirrored, too.
    random_walk : bool
        Whether probabilities walk along the embedding's affinities (METHODS.md 1.14).
    neighbors : int
        Segments that vote in retrieval.

    Raises
    ------
    ConfigError
        If a value is unknown or out of range.
    """

    classifier: str = "softmax"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    random_walk: bool = False
    neighbors: int = 20

    def __post_init__(self) -> None:
        if self.classifier not in CLASSIFIERS:
            raise ConfigError(
                f"Unknown classifier {self.classifier!r}.", f"Use one of: {', '.join(CLASSIFIERS)}."
            )
        if not self.scales or not all(0.25 <= s <= 4 for s in self.scales):
            raise ConfigError(f"The scales {self.scales} are out of range.", "Use values from 0.25 to 4.")
        if self.neighbors < 1:
            raise ConfigError(f"{self.neighbors} neighbours can't vote.", "Use 1 or more.")


@dataclass(frozen=True)
class GridScores:
    """What the network says of a picture or part of one.

    Attributes
    ----------
    probabilities : ndarray, (h, w, K) float32
        On the feature grid.
    embedding : ndarray, (D,) float32, or None
        Mean of the cells' unit embeddings.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32] | None


def grid_probabilities(
    network: DenseNetwork, bank: RetrievalBank | None, rgb: NDArray[np.uint8], inference: Inference
) -> NDArray[np.float32]:
    """Probabilities (h, w, K) on the feature grid, see :func:`grid_scores`."""
    return grid_scores(network, bank, rgb, inference).probabilities


@torch.inference_mode()
def grid_scores(
    network: DenseNetwork,
    bank: RetrievalBank | None,
    rgb: NDArray[np.uint8],
    inference: Inference,
    *,
    describe: bool = False,
) -> GridScores:
    """Probabilities on the feature grid over a picture or part of one, and what it is like as a whole.

    Parameters
    ----------
    network : DenseNetwork
    bank : RetrievalBank or None
    rgb : ndarray, (H, W, 3) uint8
    inference : Inference
    describe : bool
        Whether to give the mean embedding too.

    Raises
    ------
    ConfigError
        If retrieval is asked for and the model has no bank.
    ProjectError
        If the model gives no numbers.
    """
    if inference.classifier != "softmax" and (bank is None or len(bank) == 0):
        raise ConfigError("This model has no labelled segments to retrieve.", "Use the softmax classifier.")
    batch = rgb_tensor(rgb).to(network.device)
    cells = network.pyramid.grid(*rgb.shape[:2])
    needs_embedding = describe or inference.classifier != "softmax" or inference.random_walk
    total = torch.zeros(1, network.num_classes, *cells, device=batch.device)
    embeddings = []
    count = 0
    for view, flipped in _views(batch, inference):
        if needs_embedding:
            embedding = network.dense_embedding(view)
            found = _classify(network.logits_of(embedding), embedding, bank, inference)
            embedding = F.interpolate(
                embedding.flip(-1) if flipped else embedding, size=cells, mode="bilinear"
            )
            embeddings.append(embedding[0])
        else:
            found = torch.softmax(network.dense_logits(view), 1)
        total += F.interpolate(found.flip(-1) if flipped else found, size=cells, mode="bilinear")
        count += 1
    probabilities = total[0] / count
    if inference.random_walk:
        probabilities = walk(probabilities, embeddings)
    dense: NDArray[np.float32] = probabilities.permute(1, 2, 0).float().cpu().numpy()
    if not np.isfinite(dense).all():
        raise ProjectError(
            "The model gives NaN instead of probabilities: numbers in it are far too large.",
            "Train again, or make another run current in the list of runs of the window (spml app).",
        )
    if not describe:
        return GridScores(dense, None)
    units = [normalize(embedding.flatten(1).T).mean(0) for embedding in embeddings]
    return GridScores(dense, torch.stack(units).mean(0).float().cpu().numpy())


def _views(batch: Tensor, inference: Inference) -> Iterator[tuple[Tensor, bool]]:
    """The picture in all sizes, plain and mirrored; and whether it is mirrored."""
    for scale in inference.scales:
        size = [max(16, round(side * scale)) for side in batch.shape[-2:]]
        view = batch if scale == 1 else F.interpolate(batch, size=size, mode="bilinear", antialias=scale < 1)
        yield view, False
        if inference.flip:
            yield view.flip(-1), True


def _classify(logits: Tensor, embedding: Tensor, bank: RetrievalBank | None, inference: Inference) -> Tensor:
    head = torch.softmax(logits, 1)
    if inference.classifier == "softmax" or bank is None:
        return head
    votes = retrieve(embedding[0], bank, inference.neighbors)[None]
    return votes if inference.classifier == "retrieval" else (head + votes) / 2


def retrieve(embedding: Tensor, bank: RetrievalBank, neighbors: int) -> Tensor:
    """Votes (K, h, w) of the segments nearest to those of a picture with embedding (D, h, w)."""
    height, width = embedding.shape[1:]
    segments = query_segments(embedding)
    count = int(segments.max()) + 1
    pixels = normalize(embedding.flatten(1).T)
    votes = bank.query(segment_prototypes(pixels, segments, count), neighbors).votes
    return votes[segments].T.reshape(-1, height, width)


def query_segments(embedding: Tensor) -> Tensor:
    """Cells (n,) that spherical k-means with location makes of an embedding (D, h, w), compact from 0."""
    height, width = embedding.shape[1:]
    pixels = normalize(embedding.flatten(1).T)
    local = location_features(height, width).to(pixels).reshape(-1, 2)
    initial = grid_labels(height, width, QUERY_CELLS).to(pixels.device).reshape(-1)
    clusters = spherical_kmeans(with_location(pixels, local), torch.unique(initial, return_inverse=True)[1])
    compact: Tensor = torch.unique(clusters, return_inverse=True)[1]
    return compact


def walk(probabilities: Tensor, embeddings: list[Tensor]) -> Tensor:
    """Probabilities (K, h, w) after a random walk along the affinities of the views' embeddings (D, h, w)."""
    height, width = probabilities.shape[1:]
    shrink = min(1.0, (_WALK_CELLS / (height * width)) ** 0.5)
    size = [max(1, int(side * shrink)) for side in (height, width)]
    small = F.interpolate(probabilities[None], size=size, mode="bilinear")[0].flatten(1)
    views = [
        normalize(F.interpolate(e[None], size=size, mode="bilinear")[0].flatten(1).T) for e in embeddings
    ]
    walked = random_walk(small, views).reshape(1, -1, *size)
    result = F.interpolate(walked, size=(height, width), mode="bilinear")[0]
    return result / result.sum(0).clamp_min(1e-12)
