"""The segments of one training batch and what is known of each (METHODS.md 1.2, 1.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spml_core.classes import IGNORE
from spml_core.errors import ConfigError
from spml_core.segments import grid_cells, intersect, locate, normalize, spherical_kmeans, with_location


@dataclass(frozen=True)
class PicturePixels:
    """Pixels of one picture: a whole grid or any sample of it, all of one length n.

    Attributes
    ----------
    embeddings : Tensor, (n, D)
        Of any length; unit vectors are made of them.
    local : Tensor, (n, L)
        Location, perhaps with colour (METHODS.md 1.4).
    initial : Tensor, (n,) int64
        Cluster to start k-means from.
    labels : Tensor, (n,) int64
        Label codes; IGNORE pixels are dropped after the initial clusters are counted.
    regions : Tensor, (n,) int64
        Region of the over-segmentation, 0 or more.
    """

    embeddings: Tensor
    local: Tensor
    initial: Tensor
    labels: Tensor
    regions: Tensor

    def __post_init__(self) -> None:
        lengths = {len(t) for t in (self.embeddings, self.local, self.initial, self.labels, self.regions)}
        if len(lengths) > 1:
            raise ConfigError(
                f"A picture's pixels came with tensors of lengths {sorted(lengths)}.",
                "Give one row per pixel.",
            )

    @classmethod
    def at(
        cls,
        embeddings: Tensor,
        positions: Tensor,
        size: tuple[int, int],
        labels: Tensor,
        regions: Tensor,
        cells: tuple[int, int] = (6, 6),
        colors: Tensor | None = None,
    ) -> PicturePixels:
        """Take pixels at (y, x) ``positions`` (n, 2) of a grid of ``size``, clustered from its ``cells``.

        ``colors`` (n, 3), when given, follow the location (METHODS.md 1.4, 1.5).
        """
        local = locate(positions, *size, dtype=embeddings.dtype)
        if colors is not None:
            local = torch.cat([local, colors.to(local)], dim=1)
        return cls(embeddings, local, grid_cells(positions, *size, cells), labels.long(), regions.long())


@dataclass(frozen=True)
class BatchSegments:
    """Valid pixels and segments of a batch. Every segment is pure in image, cluster, label and region.

    Attributes
    ----------
    pixels : Tensor, (n, D)
        Unit-length embeddings.
    local : Tensor, (n, L)
        Location features.
    own : Tensor, (n,) int64
        Segment of each pixel.
    images, labels, regions : Tensor, (S,) int64
        Of each segment; UNLABELED is K.
    """

    pixels: Tensor
    local: Tensor
    own: Tensor
    images: Tensor
    labels: Tensor
    regions: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixel_images(self) -> Tensor:
        """Image of each pixel, (n,) int64."""
        return self.images[self.own]


def segment_batch(
    pictures: Sequence[PicturePixels], num_classes: int, *, iterations: int = 10
) -> BatchSegments:
    """Cluster every picture and split the clusters by label and region (METHODS.md 1.2 steps 4 to 6).

    Parameters
    ----------
    pictures : sequence of PicturePixels
        One or more. A picture without a valid pixel has no segment.
    num_classes : int
        K; labels of K..254 count as UNLABELED.
    iterations : int
        Rounds of k-means.

    Raises
    ------
    ConfigError
        If there is no picture.
    """
    if not pictures:
        raise ConfigError("A batch has no picture.", "Give one or more.")
    vectors, local, clusters, labels, regions, images = [], [], [], [], [], []
    for index, picture in enumerate(pictures):
        # Counted before IGNORE pixels go, so that padding can't change a cluster's number (METHODS.md 1.5).
        present, initial = torch.unique(picture.initial, return_inverse=True)
        valid = picture.labels != IGNORE
        unit = normalize(picture.embeddings[valid])
        where = picture.local[valid]
        start = initial[valid]
        vectors.append(unit)
        local.append(where)
        clusters.append(
            spherical_kmeans(
                with_location(unit.detach(), where), start, iterations, num_clusters=len(present)
            )
        )
        labels.append(picture.labels[valid].clamp_max(num_classes))
        regions.append(picture.regions[valid])
        images.append(torch.full_like(start, index))
    own, (of_image, _, of_label, of_region) = intersect(
        torch.cat(images), torch.cat(clusters), torch.cat(labels), torch.cat(regions)
    )
    return BatchSegments(torch.cat(vectors), torch.cat(local), own, of_image, of_label, of_region)
