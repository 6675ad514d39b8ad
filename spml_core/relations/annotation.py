"""Semantic annotation: labelled pixels to segments of their class, everywhere (METHODS.md 1.8.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.relations.batch import BatchSegments
from spml_core.relations.contrast import contrastive_loss
from spml_core.relations.memory import BankEntry
from spml_core.relations.relation import Relation


def annotation_loss(
    segments: BatchSegments,
    prototypes: Tensor,
    num_classes: int,
    kappa: float = 6.0,
    memory: BankEntry | None = None,
) -> Tensor:
    """Mean loss of the labelled pixels; unlabelled pixels and segments are neither pulled nor pushed.

    Parameters
    ----------
    segments : BatchSegments
    prototypes : Tensor, (S, D)
        Of the batch, with gradient.
    num_classes : int
        K.
    kappa : float
    memory : BankEntry, optional

    Returns
    -------
    Tensor, ()
        0 when no pixel is labelled.
    """
    labels = segments.labels if memory is None else torch.cat([segments.labels, memory.labels])
    groups = torch.where(labels < num_classes, labels, -1)
    relation = Relation.from_groups(groups[segments.own], groups)
    remembered = None if memory is None else memory.prototypes
    return contrastive_loss(segments.pixels, prototypes, segments.own, relation, kappa, memory=remembered)
