"""The contrastive part of a training step: embeddings to named losses (METHODS.md 1.2, steps 4 to 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.relations.affinity import affinity_loss
from spml_core.relations.annotation import annotation_loss
from spml_core.relations.batch import PicturePixels, segment_batch
from spml_core.relations.cooccurrence import NoTag, cooccurrence_loss
from spml_core.relations.image_similarity import image_similarity_loss
from spml_core.relations.memory import BankEntry
from spml_core.relations.weights import RelationWeights
from spml_core.segments import segment_prototypes, with_location

# How far embeddings step back behind place and colour in the search for neighbours (METHODS.md 1.4).
_SQUEEZE = 0.1


@dataclass(frozen=True)
class ContrastiveStep:
    """What one step gives.

    Attributes
    ----------
    terms : dict of str to Tensor, ()
        Unweighted losses of the relations that are switched on.
    total : Tensor, ()
        Their weighted sum.
    entry : BankEntry
        This batch's segments, for the memory bank.
    num_segments : int
        Segments of this batch, without memory.
    """

    terms: dict[str, Tensor]
    total: Tensor
    entry: BankEntry
    num_segments: int


def contrastive_step(
    pictures: Sequence[PicturePixels],
    tags: Tensor,
    weights: RelationWeights,
    memory: BankEntry | None = None,
    *,
    iterations: int = 10,
    no_tag: NoTag = "skip",
    location: bool = True,
    across_images: bool = False,
) -> ContrastiveStep:
    """Cluster, partition, make prototypes, and measure every relation that has a weight.

    Parameters
    ----------
    pictures : sequence of B PicturePixels
    tags : Tensor, (B, K) bool
        Classes of each whole picture, background first.
    weights : RelationWeights
    memory : BankEntry, optional
        :meth:`MemoryBank.contents`; its image numbers must be B or more.
    iterations : int
        Rounds of k-means.
    no_tag : {"skip", "reference"}
        See :func:`cooccurrence_loss`.
    location : bool
        Whether image similarity compares vectors with location.
    across_images : bool
        Whether feature affinity looks for neighbours in other pictures too.

    Returns
    -------
    ContrastiveStep

    Raises
    ------
    ConfigError
        If there is no picture or not one tag vector per picture.
    """
    if tags.ndim != 2 or len(tags) != len(pictures):
        raise ConfigError(
            f"{len(pictures)} pictures came with tags of shape {tuple(tags.shape)}.",
            "Give one row of K tags per picture.",
        )
    num_classes = tags.shape[1]
    segments = segment_batch(pictures, num_classes, iterations=iterations)
    units = segment_prototypes(segments.pixels, segments.own, len(segments))
    with torch.no_grad():
        squeezed = with_location(segments.pixels, segments.local, _SQUEEZE)
        local_units = segment_prototypes(squeezed, segments.own, len(segments))
    terms: dict[str, Tensor] = {}
    if weights.image_similarity.weight:
        terms["image_similarity"] = image_similarity_loss(
            segments, weights.image_similarity.kappa, location=location
        )
    if weights.annotation.weight:
        terms["annotation"] = annotation_loss(segments, units, num_classes, weights.annotation.kappa, memory)
    if weights.cooccurrence.weight:
        terms["cooccurrence"] = cooccurrence_loss(
            segments, units, tags, weights.cooccurrence.kappa, memory, no_tag=no_tag
        )
    if weights.affinity.weight:
        terms["affinity"] = affinity_loss(
            segments,
            units,
            local_units,
            num_classes,
            weights.affinity.kappa,
            memory,
            across_images=across_images,
        )
    # An empty sum still hangs on the embeddings, so that backward works when every relation is off.
    total = segments.pixels.new_zeros(()) + 0 * segments.pixels.sum()
    for name, term in terms.items():
        total = total + getattr(weights, name).weight * term
    entry = BankEntry(
        units, local_units, segments.images, segments.labels, segments.regions, tags.bool()[segments.images]
    )
    return ContrastiveStep(terms, total, entry, len(segments))
