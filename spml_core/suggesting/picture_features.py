"""All that a suggestion needs of a picture and that no mark changes: computed once, then cached."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spml_core.labeling.colors import ColorBins
from spml_core.segments import Hierarchy, build_hierarchy, edge_strength
from spml_core.suggesting.region_graph import (
    Floats,
    RegionGraph,
    average_in_regions,
    border_affinity,
    region_graph,
)
from spml_core.suggesting.spreading import resolvent

REGIONS = 1200
WORKING_PIXELS = 2**19
_DIMENSIONS = 96


@dataclass(frozen=True)
class PictureFeatures:
    """A picture as a graph of small regions with deep features and colours.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the picture.
    rgb : ndarray, (h, w, 3) uint8
        The picture at working size: at most 2^19 pixels.
    hierarchy : Hierarchy
        Of the picture at working size.
    regions : ndarray, (h, w) int32
        The small regions, ``0..R-1``.
    graph : RegionGraph
    descriptors : ndarray, (R, C) float32
        Mean deep features, comparable between pictures.
    center, basis : ndarray, (C,) and (C, D) float32
        Mean and principal directions of the picture's standardised descriptors; ``scale`` (C,) standardises.
    features : ndarray, (R, D) float32
        ``(descriptors - center) * scale @ basis``, of mean square 64.
    spread : ndarray, (R, R) float32
        How marks spread between regions, see :func:`spml_core.suggesting.spreading.resolvent`.
    colors : csr_matrix, (R, bins) float32
        How many pixels of each region have each colour.
    """

    shape: tuple[int, int]
    rgb: NDArray[np.uint8]
    hierarchy: Hierarchy
    regions: NDArray[np.int32]
    graph: RegionGraph
    descriptors: Floats
    center: Floats
    scale: Floats
    basis: Floats
    features: Floats
    spread: Floats
    colors: sparse.csr_matrix

    @property
    def count(self) -> int:
        """R."""
        return self.graph.count

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        arrays = [getattr(self, field.name) for field in fields(self)]
        arrays += [self.hierarchy.basins, self.hierarchy.merges, self.hierarchy.levels]
        arrays += [self.graph.area, self.graph.pairs, self.graph.length, self.graph.contrast]
        arrays += [self.colors.data, self.colors.indices, self.colors.indptr]
        return sum(part.nbytes for part in arrays if isinstance(part, np.ndarray))

    def project(self, descriptors: Floats) -> Floats:
        """Descriptors (n, C), perhaps of another picture, as features (n, D) of this one."""
        projected: Floats = ((descriptors - self.center) * self.scale @ self.basis).astype(np.float32)
        return projected

    def cut(self, num_regions: int) -> NDArray[np.int32]:
        """Region (R,) of a coarser cut that each small region lies in, compact from 0; at most the small ones."""
        coarse = self.hierarchy.cut(min(num_regions, self.count)).ravel()
        parent: NDArray[np.int32] = coarse[self._a_pixel]
        return parent

    @cached_property
    def _a_pixel(self) -> NDArray[np.intp]:
        """A pixel of each region, (R,)."""
        return np.unique(self.regions.ravel(), return_index=True)[1]


def working_size(height: int, width: int, pixels: int = WORKING_PIXELS) -> tuple[int, int]:
    """Height and width at which a picture is looked at: the same shape, at most so many pixels."""
    shrink = min(1.0, (pixels / (height * width)) ** 0.5)
    return max(1, int(height * shrink)), max(1, int(width * shrink))


def at_working_size(rgb: NDArray[np.uint8], pixels: int = WORKING_PIXELS) -> NDArray[np.uint8]:
    """A picture (H, W, 3) shrunk to its working size."""
    height, width = working_size(rgb.shape[0], rgb.shape[1], pixels)
    if (height, width) == rgb.shape[:2]:
        return np.ascontiguousarray(rgb)
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def picture_features(
    rgb: NDArray[np.uint8],
    grid: Floats,
    weights: Floats,
    shape: tuple[int, int] | None = None,
    num_regions: int = REGIONS,
) -> PictureFeatures:
    """Features of a picture from the network's.

    Parameters
    ----------
    rgb : ndarray, (h, w, 3) uint8
        The picture at working size.
    grid : ndarray, (a, b, C) float32
        Deep features on any grid over it.
    weights : ndarray, (C,) float32
        Of the channels, once they are standardised.
    shape : tuple of int, optional
        Size of the whole picture, if it is larger.
    num_regions : int
        Small regions, at the most.

    Returns
    -------
    PictureFeatures
    """
    hierarchy = build_hierarchy(edge_strength(rgb))
    regions = hierarchy.cut(num_regions)
    descriptors = average_in_regions(grid, regions, int(regions.max()) + 1)
    return assemble(rgb, hierarchy, descriptors, weights, shape)


def assemble(
    rgb: NDArray[np.uint8],
    hierarchy: Hierarchy,
    descriptors: Floats,
    weights: Floats,
    shape: tuple[int, int] | None = None,
) -> PictureFeatures:
    """The same from what is kept on disk: the rest is computed again, in a tenth of a second.

    Parameters
    ----------
    rgb, weights, shape
        As for :func:`picture_features`.
    hierarchy : Hierarchy
    descriptors : ndarray, (R, C) float32
        Of the hierarchy's cut at R regions.
    """
    regions = hierarchy.cut(len(descriptors))
    graph = region_graph(rgb, regions)
    center, scale, basis = _principal_directions(descriptors, graph.area, weights)
    features: Floats = (((descriptors - center) * scale) @ basis).astype(np.float32)
    bins = ColorBins.of(rgb).assign(rgb).ravel()
    colors = sparse.csr_matrix(
        (np.ones(len(bins), np.float32), (regions.ravel(), bins)), shape=(graph.count, ColorBins.num_bins)
    )
    colors.sum_duplicates()
    spread = resolvent(features, graph.pairs, border_affinity(graph, features, 0.5))
    size = shape or (rgb.shape[0], rgb.shape[1])
    return PictureFeatures(
        size, rgb, hierarchy, regions, graph, descriptors, center, scale, basis, features, spread, colors
    )


def _principal_directions(
    descriptors: Floats, area: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Mean (C,), scale (C,) and directions (C, D) of descriptors weighted by area.

    The directions aren't whitened: within one picture the strong ones are what tells its objects apart.
    """
    weight = area.astype(np.float64) / area.sum()
    center = weight @ descriptors
    deviation = descriptors - center
    variance = weight @ deviation**2
    scale = weights / (np.sqrt(variance) + 1e-4)
    standard = deviation * scale * np.sqrt(weight)[:, None]
    values, vectors = np.linalg.eigh(standard.T @ standard)
    kept = np.argsort(values)[::-1][: min(_DIMENSIONS, len(area))]
    # Eigenvectors are free in their sign; nothing after this depends on it.
    directions = vectors[:, kept]
    energy = float(np.maximum(values[kept], 0).sum())
    scale = scale * 8 / np.sqrt(max(energy, 1e-6))
    return center.astype(np.float32), scale.astype(np.float32), directions.astype(np.float32)
