"""Semantic co-occurrence: pixels to segments of pictures that share a foreground tag (METHODS.md 1.8.3)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spml_core.relations.batch import BatchSegments
from spml_core.relations.contrast import contrastive_loss
from spml_core.relations.memory import BankEntry
from spml_core.relations.relation import Relation

NoTag = Literal["skip", "reference"]


def cooccurrence_loss(
    segments: BatchSegments,
    prototypes: Tensor,
    tags: Tensor,
    kappa: float = 8.0,
    memory: BankEntry | None = None,
    *,
    no_tag: NoTag = "skip",
) -> Tensor:
    """Mean loss of all pixels, labelled or not.

    Parameters
    ----------
    segments : BatchSegments
    prototypes : Tensor, (S, D)
    tags : Tensor, (B, K) bool
        Tag vector of every picture of the batch, background first; that column is dropped.
    kappa : float
    memory : BankEntry, optional
    no_tag : {"skip", "reference"}
        Pixels of a picture without a foreground tag take no part, or, as in the published code, have their
        own segment for a positive and count it among the negatives too.

    Returns
    -------
    Tensor, ()
        0 when no pixel takes part; exactly 0 when every picture shares a tag with every other.
    """
    pictures = tags[:, 1:].bool()
    of_segments = pictures[segments.images]
    if memory is not None:
        of_segments = torch.cat([of_segments, memory.tags[:, 1:]])
    rows = segments.pixel_images
    if no_tag == "skip":
        rows = torch.where(pictures.any(1)[rows], rows, -1)
    relation = Relation.from_tags(rows, pictures, of_segments)
    remembered = None if memory is None else memory.prototypes
    return contrastive_loss(
        segments.pixels,
        prototypes,
        segments.own,
        relation,
        kappa,
        memory=remembered,
        count_own=no_tag == "reference",
    )
