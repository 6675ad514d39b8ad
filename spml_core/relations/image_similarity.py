"""Low-level image similarity: pixels to segments of their region, within each picture (METHODS.md 1.8.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from spml_core.relations.batch import BatchSegments
from spml_core.relations.contrast import contrastive_loss
from spml_core.relations.relation import Relation
from spml_core.segments import segment_prototypes, with_location


def image_similarity_loss(segments: BatchSegments, kappa: float = 16.0, *, location: bool = True) -> Tensor:
    """Mean over pictures of the mean loss of their pixels: every picture has the same weight.

    Parameters
    ----------
    segments : BatchSegments
    kappa : float
    location : bool
        Compare vectors with location appended, or the embeddings alone (the DensePose variant).

    Returns
    -------
    Tensor, ()
        0 when no picture has a pixel.
    """
    vectors = with_location(segments.pixels, segments.local) if location else segments.pixels
    # Segments and pixels both run image by image, so each picture is a slice.
    terms, pixel, segment = [], 0, 0
    images = int(segments.images.max()) + 1 if len(segments) else 0
    num_segments = torch.bincount(segments.images, minlength=images).tolist()
    num_pixels = torch.bincount(segments.pixel_images, minlength=images).tolist()
    for pixels_here, segments_here in zip(num_pixels, num_segments, strict=True):
        if pixels_here:
            inside = vectors[pixel : pixel + pixels_here]
            own = segments.own[pixel : pixel + pixels_here] - segment
            regions = segments.regions[segment : segment + segments_here]
            relation = Relation.from_groups(regions[own], regions)
            units = segment_prototypes(inside, own, segments_here)
            terms.append(contrastive_loss(inside, units, own, relation, kappa))
        pixel, segment = pixel + pixels_here, segment + segments_here
    return torch.stack(terms).mean() if terms else vectors.sum()
