"""The retrieval bank that a trained model carries: its labelled segments (METHODS.md 1.15)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.scoring import QUERY_CELLS
from spml_core.models import SegmentationNetwork
from spml_core.relations import PicturePixels, segment_batch
from spml_core.training.samples import PictureSample


@torch.no_grad()
def build_bank(network: SegmentationNetwork, samples: Sequence[PictureSample]) -> RetrievalBank | None:
    """Bank of the labelled segments of the sampled pictures; None if there is none.

    Segments are the k-means cells of a picture's sampled cells, split by label and region as in training, so each is
    pure; those without a label are left out.
    """
    banks = []
    for number, sample in enumerate(samples):
        if not (sample.labels < network.num_classes).any():
            continue
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
        banks.append(
            RetrievalBank.from_picture(segments.pixels, segments.own, labels, network.num_classes, number)
        )
    return RetrievalBank.join(banks) if banks else None
