"""One learning step: embed, classify, relate, descend (METHODS.md 1.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork
from spml_core.relations import MemoryBank, PicturePixels, RelationWeights, Term, contrastive_step
from spml_core.training.sources import BatchPicture


def relation_weights(config: TrainConfig) -> RelationWeights:
    """The relations' weights and concentrations as the settings give them."""
    return RelationWeights(
        Term(*config.image_similarity),
        Term(*config.annotation),
        Term(*config.cooccurrence),
        Term(*config.affinity),
    )


def losses(
    network: SegmentationNetwork,
    batch: Sequence[BatchPicture],
    memory: MemoryBank,
    config: TrainConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """All loss terms of a batch, unweighted, and their weighted sum as ``"total"``; remembers its segments.

    Cross-entropy is the mean over the batch's marked cells, 0 without any; the relations are those of
    :func:`contrastive_step`.
    """
    classes = network.num_classes
    embeddings = [network.embed(_drop(p.features, config.dropout, generator)) for p in batch]
    scores = torch.cat([network.classify(e) for e in embeddings])
    labels = torch.cat([p.labels for p in batch])
    known = labels < classes
    fit = F.cross_entropy(scores[known], labels[known]) if known.any() else 0 * scores.sum()
    weights = relation_weights(config)
    terms: dict[str, Tensor] = {"cross_entropy": fit}
    total = config.cross_entropy * fit
    if any(
        t.weight
        for t in (weights.image_similarity, weights.annotation, weights.cooccurrence, weights.affinity)
    ):
        pixels = [
            PicturePixels.at(e, p.positions, p.grid, p.labels, p.regions)
            for e, p in zip(embeddings, batch, strict=True)
        ]
        step = contrastive_step(pixels, torch.stack([p.tags for p in batch]), weights, memory.contents())
        memory.push(step.entry, len(batch))
        terms |= step.terms
        total = total + step.total
    return terms | {"total": total}


def _drop(features: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Dropout with a generator of its own, so that a resumed run draws the same masks."""
    if share == 0:
        return features
    kept = torch.empty(features.shape, dtype=features.dtype).bernoulli_(1 - share, generator=generator)
    return features * (kept / (1 - share)).to(features.device)


def make_optimiser(network: SegmentationNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW over embedding and head, and over the backbone's deeper stages where it learns.

    The stem and the first stages stay frozen, as in the paper's training (METHODS.md 1.3).
    """
    groups: list[dict[str, object]] = [
        {"params": [network.embedding.weight], "lr": config.learning_rate},
        {"params": [network.embedding.bias, *network.head.parameters()], "lr": 5 * config.learning_rate},
    ]
    network.backbone.requires_grad_(False)
    if config.fine_tune:
        deep = list(network.backbone.deeper_parameters())
        for parameter in deep:
            parameter.requires_grad_(True)
        groups.append({"params": deep, "lr": config.learning_rate / 2})
    for group in groups:
        group["initial_lr"] = group["lr"]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)
