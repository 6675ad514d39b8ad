"""Nested partitions of a picture: cut at a number of regions or at a level of importance (METHODS.md 1.9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spml_core.errors import ConfigError
from spml_core.segments import watershed
from spml_core.segments.watershed import Floats, IntImage, Singles, border_cracks, crack_pairs


@dataclass(frozen=True)
class Hierarchy:
    """Nested partitions of one picture.

    Attributes
    ----------
    basins : ndarray, (H, W) int32
        The finest regions, ``0..B-1``, numbered by first appearance in raster order.
    merges : ndarray, (B - 1, 2) int32
        Pairs of basins, each joining the two regions they lie in, in the order of growing importance.
    levels : ndarray, (B - 1,) float64
        Importance of each merge, growing: the mean strength of the border that goes for a UCM, a volume (pixels times
        strength) for the volume hierarchy.
    """

    basins: IntImage
    merges: IntImage
    levels: Floats

    def cut(self, num_regions: int) -> IntImage:
        """Partition into ``num_regions`` regions, or fewer when there are fewer basins.

        Parameters
        ----------
        num_regions : int
            1 or more.

        Returns
        -------
        ndarray, (H, W) int32
            Compact labels ``0..R-1``, ``R <= num_regions``, numbered by first appearance in raster order;
            every region is 4-connected. A cut at more regions refines every cut at fewer.

        Raises
        ------
        ConfigError
            If ``num_regions`` is below 1.
        """
        if num_regions < 1:
            raise ConfigError(f"{num_regions} regions were asked for.", "Ask for 1 or more.")
        return self._after(max(0, len(self.merges) + 1 - num_regions))

    def threshold(self, level: float, max_regions: int | None = None) -> IntImage:
        """Partition by the borders of at least a level.

        Parameters
        ----------
        level : float
            Merges below it are done, the others not: a region's inner levels are all smaller.
        max_regions : int, optional
            1 or more; where there are more regions, the level is raised until there aren't. Merges of one level happen
            all or none, so there may be fewer.

        Returns
        -------
        ndarray, (H, W) int32
            As :meth:`cut`.

        Raises
        ------
        ConfigError
            If the level is no number or ``max_regions`` is below 1.
        """
        if np.isnan(level):
            raise ConfigError("The threshold of the contours is no number.", "Give one from 0 on.")
        done = int(np.searchsorted(self.levels, level, side="left"))
        if max_regions is not None:
            if max_regions < 1:
                raise ConfigError(f"At most {max_regions} regions were asked for.", "Ask for 1 or more.")
            least = len(self.merges) + 1 - max_regions
            if least > done:
                done = int(np.searchsorted(self.levels, self.levels[least - 1], side="right"))
        return self._after(done)

    def contour_map(self) -> Singles:
        """The level at which each border goes, on a grid of twice the size: the ultrametric contour map.

        Returns
        -------
        ndarray, (2 H + 1, 2 W + 1) float32
            Pixels lie at odd rows and columns and are 0; between two pixels stands the level at which their regions
            merge, 0 within a basin; at a corner the largest of the four cracks that meet there. The frame is 0. This
            is the layout of the ``ucm2`` files of Arbelaez et al. (TPAMI 2011).

        Raises
        ------
        ConfigError
            If higra isn't installed.
        """
        height, width = self.basins.shape
        ucm = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
        right, below = border_cracks(self.basins)
        pairs, which = np.unique(crack_pairs(self.basins, right, below), axis=0, return_inverse=True)
        levels = self._merge_levels(pairs)[which.ravel()].astype(np.float32)
        sideways = int(right.sum())
        ucm[1::2, 2:-1:2][right] = levels[:sideways]
        ucm[2:-1:2, 1::2][below] = levels[sideways:]
        corners = ucm[2:-1:2, 2:-1:2]
        for crack in (ucm[1:-2:2, 2:-1:2], ucm[3::2, 2:-1:2], ucm[2:-1:2, 1:-2:2], ucm[2:-1:2, 3::2]):
            np.maximum(corners, crack, out=corners)
        return ucm

    def _after(self, done: int) -> IntImage:
        """Regions after the first ``done`` merges."""
        count = len(self.merges) + 1
        first, second = self.merges[:done].T
        graph = coo_array((np.ones(len(first), np.uint8), (first, second)), shape=(count, count))
        _, region = connected_components(graph, directed=False)
        # Basins are numbered in raster order, and so are the regions that scipy finds from basin 0 upwards.
        partition: IntImage = region.astype(np.int32)[self.basins]
        return partition

    def _merge_levels(self, pairs: watershed.Ints) -> Floats:
        """Level at which the basins of each pair (P, 2) come together."""
        hg = watershed.hg
        if hg is None:
            raise ConfigError("The package higra isn't installed.", "Install it to see a contour map.")
        if len(pairs) == 0:
            return np.zeros(0)
        graph = hg.UndirectedGraph(len(self.merges) + 1)
        graph.add_edges(self.merges[:, 0].astype(np.int64), self.merges[:, 1].astype(np.int64))
        tree, altitudes = hg.bpt_canonical(graph, self.levels)
        levels: Floats = altitudes[tree.lowest_common_ancestor(pairs[:, 0], pairs[:, 1])]
        return levels
