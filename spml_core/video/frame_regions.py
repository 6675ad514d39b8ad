"""A film's frames as graphs of small regions with deep features: what propagation computes on instead of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from spml_core.labeling.colors import ColorBins
from spml_core.models import Backbone, build_backbone
from spml_core.segments import build_hierarchy, edge_strength
from spml_core.suggesting.network_features import level_weights, network_features
from spml_core.suggesting.picture_features import PictureFeatures, at_working_size, picture_features
from spml_core.suggesting.region_graph import Floats, RegionGraph, average_in_regions, region_graph

REGIONS = 800
WORKING_PIXELS = 2**18
_SCALE = 1.25  # of the network's input: less blurs small objects, more takes longer than it gains


@dataclass(frozen=True, eq=False)
class Look:
    """What takes longest of a frame: its partition and the network's features.

    Attributes
    ----------
    rgb : ndarray, (h, w, 3) uint8
        The frame at working size.
    regions : ndarray, (h, w) int32
        ``0..R-1``.
    grid : ndarray, (a, b, C) float32
        Deep features on a grid over it.
    """

    rgb: NDArray[np.uint8]
    regions: NDArray[np.int32]
    grid: Floats


@dataclass(frozen=True, eq=False)
class FrameRegions:
    """A frame at working size, cut into small regions.

    Attributes
    ----------
    rgb : ndarray, (h, w, 3) uint8
    regions : ndarray, (h, w) int32
        ``0..R-1``.
    graph : RegionGraph
    descriptors : ndarray, (R, C) float32
        Mean deep features.
    """

    rgb: NDArray[np.uint8]
    regions: NDArray[np.int32]
    graph: RegionGraph
    descriptors: Floats

    @classmethod
    def of(cls, look: Look) -> FrameRegions:
        """The regions of a frame that was looked at."""
        count = int(look.regions.max()) + 1
        descriptors = average_in_regions(look.grid, look.regions, count)
        return cls(look.rgb, look.regions, region_graph(look.rgb, look.regions), descriptors)

    @cached_property
    def _flat(self) -> NDArray[np.int64]:
        return self.regions.ravel().astype(np.int64)

    def mean(self, values: NDArray[np.floating]) -> Floats:
        """Mean of maps (h, w) or (h, w, n) in each region, (R,) or (R, n)."""
        planes = values.reshape(len(self._flat), -1)
        sums = [np.bincount(self._flat, plane, self.graph.count) for plane in planes.T]
        means: Floats = (np.stack(sums, 1) / self.graph.area[:, None]).astype(np.float32)
        return means.reshape(self.graph.count, *values.shape[2:])

    def spread(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Values of regions (R, ...) as a map (h, w, ...)."""
        return values[self.regions]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How frames of one film are compared: the same directions of features and the same cells of colour.

    Both are those of one marked frame.

    Attributes
    ----------
    features : PictureFeatures
        Of that frame.
    bins : ColorBins
    """

    features: PictureFeatures
    bins: ColorBins

    @classmethod
    def of(cls, features: PictureFeatures) -> Coordinates:
        """Coordinates of a marked frame."""
        return cls(features, ColorBins.of(features.rgb))

    def embed(self, descriptors: Floats) -> Floats:
        """Unit embeddings (R, D) of descriptors (R, C)."""
        projected = self.features.project(descriptors)
        unit: Floats = projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-9)
        return unit

    def colors(self, rgb: NDArray[np.uint8], regions: NDArray[np.int32], count: int) -> sparse.csr_matrix:
        """How many pixels of each region have each colour, (R, bins) float32."""
        cells = self.bins.assign(rgb).ravel()
        found = sparse.csr_matrix(
            (np.ones(len(cells), np.float32), (regions.ravel(), cells)), shape=(count, ColorBins.num_bins)
        )
        found.sum_duplicates()
        return found


class FrameLooker:
    """Cuts frames into regions and looks at them with the default backbone.

    Parameters
    ----------
    device : torch.device or str
        Where the backbone computes.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._network: Backbone | None = None

    def look(self, rgb: NDArray[np.uint8]) -> Look:
        """Look at a frame (H, W, 3); :meth:`FrameRegions.of` makes its regions of that."""
        small = at_working_size(rgb, WORKING_PIXELS)
        regions = build_hierarchy(edge_strength(small)).cut(REGIONS)
        return Look(small, regions, network_features(self._backbone, small, scale=_SCALE))

    def study(self, rgb: NDArray[np.uint8]) -> PictureFeatures:
        """All that a suggestion needs of a marked frame (H, W, 3), on the same regions."""
        small = at_working_size(rgb, WORKING_PIXELS)
        grid = network_features(self._backbone, small, scale=_SCALE)
        weights = level_weights(self._backbone)
        return picture_features(small, grid, weights, (rgb.shape[0], rgb.shape[1]), REGIONS)

    @property
    def _backbone(self) -> Backbone:
        if self._network is None:
            self._network = build_backbone().to(self._device)
        return self._network


def regions_of(features: PictureFeatures) -> FrameRegions:
    """The regions of a marked frame."""
    return FrameRegions(features.rgb, features.regions, features.graph, features.descriptors)
