"""The retrieval bank that a trained model carries: its labelled segments (METHODS.md 1.15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.labeling.retrieval import RetrievalBank, central_rows
from spml_core.labeling.scoring import QUERY_CELLS
from spml_core.models import SegmentationNetwork
from spml_core.relations import PicturePixels, segment_batch
from spml_core.training.samples import PictureSample


@torch.no_grad()
def build_bank(
    network: SegmentationNetwork,
    samples: Sequence[PictureSample],
    enough: Callable[[], bool] = lambda: False,
) -> RetrievalBank | None:
    """Bank of the labelled segments of the sampled pictures; None if there is none.

    Segments are the k-means cells of a picture's sampled cells, split by label and region as in training, so each is
    pure; those without a label are left out. Of each segment the place of a pixel near its middle is kept, a marked one
    if it has any. Pictures after the first are left out once ``enough`` says yes.
    """
    banks: list[RetrievalBank] = []
    for number, sample in enumerate(samples):
        if not (sample.labels < network.num_classes).any():
            continue
        if banks and enough():
            break
        embeddings = network.embed(network.standardise(sample.features.to(network.mean.device).float()))
        cells = LabelledCells(
            embeddings, sample.positions, sample.grid, sample.labels, sample.regions, sample.marked
        )
        banks.append(cells_bank(cells, network.num_classes, number, network.pyramid.stride))
    return RetrievalBank.join(banks) if banks else None


@dataclass(frozen=True)
class LabelledCells:
    """Cells of a picture's feature grid, all of them or any sample.

    Attributes
    ----------
    embeddings : Tensor, (n, D)
        Of any length.
    positions : Tensor, (n, 2) int64
        Row and column.
    grid : tuple of int
        Rows and columns of the whole grid.
    labels, regions : Tensor, (n,) int64
        Label codes; regions that no segment crosses.
    marked : Tensor, (n,) bool
        Whether a person gave the label.
    """

    embeddings: Tensor
    positions: Tensor
    grid: tuple[int, int]
    labels: Tensor
    regions: Tensor
    marked: Tensor


@torch.no_grad()
def cells_bank(cells: LabelledCells, num_classes: int, picture: int, stride: int) -> RetrievalBank:
    """Bank of a picture's labelled segments, see :func:`build_bank`.

    Parameters
    ----------
    cells : LabelledCells
        One or more of them no IGNORE.
    num_classes : int
        K.
    picture : int
        Number of the picture.
    stride : int
        Pixels a cell.
    """
    device = cells.embeddings.device
    pixels = PicturePixels.at(
        cells.embeddings,
        cells.positions.to(device),
        cells.grid,
        cells.labels.to(device),
        cells.regions.to(device),
        QUERY_CELLS,
    )
    segments = segment_batch([pixels], num_classes)
    own = segments.own.cpu()
    by_hand = cells.marked[cells.labels != IGNORE]
    marked = torch.zeros(len(segments), dtype=torch.bool)
    marked[own[by_hand]] = True
    return RetrievalBank.from_picture(
        segments.pixels,
        segments.own,
        segments.labels[segments.own],
        num_classes,
        picture,
        _places(cells, own, len(segments), stride, by_hand).to(device),
        marked.to(device),
    )


def _places(cells: LabelledCells, own: Tensor, count: int, stride: int, preferred: Tensor) -> Tensor:
    """A pixel (y, x) of the picture in each segment, (count, 2) int64."""
    positions = cells.positions[cells.labels != IGNORE]
    chosen = positions[central_rows(positions, own, count, preferred)]
    # The last row and column of cells may reach past the border: their first pixel doesn't.
    last = (torch.tensor(cells.grid) - 1) * stride
    return torch.minimum(chosen * stride + stride // 2, last)
