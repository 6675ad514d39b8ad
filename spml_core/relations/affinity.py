"""Feature affinity: segments borrow the label of the nearest labelled segment (METHODS.md 1.11)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.relations.batch import BatchSegments
from spml_core.relations.contrast import contrastive_loss
from spml_core.relations.memory import BankEntry
from spml_core.relations.relation import Relation


@torch.no_grad()
def borrowed_labels(
    local_prototypes: Tensor,
    labels: Tensor,
    images: Tensor,
    num_classes: int,
    *,
    threshold: float = 0.95,
    across_images: bool = False,
) -> Tensor:
    """Label of each segment's nearest labelled segment.

    Parameters
    ----------
    local_prototypes : Tensor, (S, E)
        Unit prototypes with location, embeddings squeezed by 0.1 (METHODS.md 1.4).
    labels, images : Tensor, (S,) int64
    num_classes : int
        K; segments with a label of K or more need one.
    threshold : float
        Least cosine similarity of the neighbour.
    across_images : bool
        Look in all pictures instead of the segment's own.

    Returns
    -------
    Tensor, (S,) int64
        K where no labelled segment is near enough. A labelled segment is its own neighbour. Of equals, the
        first.
    """
    eligible = (labels < num_classes)[None].expand(len(labels), -1)
    if not across_images:
        eligible = eligible & (images[:, None] == images[None])
    if len(labels) == 0:
        return labels
    similarity = (local_prototypes @ local_prototypes.T).masked_fill(~eligible, -torch.inf)
    nearest = similarity.argmax(1)
    best = similarity.gather(1, nearest[:, None])[:, 0]
    borrowed = torch.where(best >= threshold, labels[nearest], num_classes)
    # Rounding, or an equal twin, must not take a labelled segment's own label away.
    return torch.where(labels < num_classes, labels, borrowed)


def affinity_loss(
    segments: BatchSegments,
    prototypes: Tensor,
    local_prototypes: Tensor,
    num_classes: int,
    kappa: float = 12.0,
    memory: BankEntry | None = None,
    *,
    threshold: float = 0.95,
    across_images: bool = False,
) -> Tensor:
    """Mean loss of all pixels, positives being the segments of the same borrowed label.

    A segment without a label is compatible with everything: a positive of all pixels and a negative of none.

    Parameters
    ----------
    segments : BatchSegments
    prototypes : Tensor, (S, D)
    local_prototypes : Tensor, (S, D + L)
        For the neighbour search only.
    num_classes : int
    kappa : float
    memory : BankEntry, optional
    threshold, across_images
        As in :func:`borrowed_labels`.

    Returns
    -------
    Tensor, ()
    """
    local, labels, images = local_prototypes, segments.labels, segments.images
    if memory is not None:
        local = torch.cat([local.detach(), memory.local_prototypes])
        labels, images = torch.cat([labels, memory.labels]), torch.cat([images, memory.images])
    borrowed = borrowed_labels(
        local, labels, images, num_classes, threshold=threshold, across_images=across_images
    )
    # Row c is the one-hot vector of class c; the last row, of a segment without a label, is all ones.
    vectors = torch.eye(num_classes + 1, num_classes, dtype=torch.bool, device=labels.device)
    vectors[num_classes] = True
    relation = Relation.from_tags(borrowed[segments.own], vectors, vectors[borrowed])
    remembered = None if memory is None else memory.prototypes
    return contrastive_loss(segments.pixels, prototypes, segments.own, relation, kappa, memory=remembered)
