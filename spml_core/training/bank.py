"""The retrieval bank that a trained model carries: its labelled segments (METHODS.md 1.15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
        pixels = PicturePixels.at(
            embeddings,
            sample.positions.to(embeddings.device),
            sample.grid,
            sample.labels.to(embeddings.device),
            sample.regions.to(embeddings.device),
            QUERY_CELLS,
        )
        segments = segment_batch([pixels], network.num_classes)
        labels = segments.labels[segments.own]
        own = segments.own.cpu()
        by_hand = sample.marked[sample.labels != IGNORE]
        marked = torch.zeros(len(segments), dtype=torch.bool)
        marked[own[by_hand]] = True
        places = _places(sample, own, len(segments), network.pyramid.stride, by_hand)
        banks.append(
            RetrievalBank.from_picture(
                segments.pixels,
                segments.own,
                labels,
                network.num_classes,
                number,
                places.to(labels.device),
                marked.to(labels.device),
            )
        )
    return RetrievalBank.join(banks) if banks else None


def _places(sample: PictureSample, own: Tensor, count: int, stride: int, preferred: Tensor) -> Tensor:
    """A pixel (y, x) of the picture in each segment, (count, 2) int64."""
    cells = sample.positions[sample.labels != IGNORE]
    chosen = cells[central_rows(cells, own, count, preferred)]
    # The last row and column of cells may reach past the border: their first pixel doesn't.
    last = (torch.tensor(sample.grid) - 1) * stride
    return torch.minimum(chosen * stride + stride // 2, last)
