"""Ultrametric contour map: basins merged by the mean strength of the border between them (METHODS.md 1.9 step 5).

Arbelaez, "Boundary extraction in natural images using ultrametric contour maps", CVPRW 2006.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spml_core.segments import watershed
from spml_core.segments.hierarchy import Hierarchy
from spml_core.segments.oriented_watershed import oriented_watershed


def build_ucm(edges: NDArray[np.floating]) -> Hierarchy:
    """Hierarchy of an edge map by the mean oriented strength of borders.

    The weakest border goes first. The border of the merged region with a common neighbour is both old ones taken
    together, so it weighs their mean by length. That is no less than the weaker of the two, so levels never fall.

    Parameters
    ----------
    edges : ndarray, (H, W) float
        Edge strength, 0 or more.

    Returns
    -------
    Hierarchy
        Its levels are strengths, on the scale of ``edges``: ``threshold(t)`` leaves borders of at least ``t``.

    Raises
    ------
    PictureError
        If the map isn't two-dimensional, is empty, or holds a value that isn't finite.
    ConfigError
        If higra isn't installed.
    """
    arcs = oriented_watershed(edges)
    count = int(arcs.basins.max()) + 1
    if count == 1:
        return Hierarchy(arcs.basins, np.zeros((0, 2), np.int32), np.zeros(0))
    hg = watershed.hg
    graph = hg.UndirectedGraph(count)
    graph.add_edges(arcs.pairs[:, 0], arcs.pairs[:, 1])
    tree, altitudes = hg.binary_partition_tree_average_linkage(graph, arcs.strength, arcs.length)
    merges = _one_basin_of_each(tree.parents(), count)
    # Sums in another order may leave a rounding error's fall.
    levels = np.maximum.accumulate(altitudes[count:])
    return Hierarchy(arcs.basins, merges, levels)


def _one_basin_of_each(parents: watershed.Ints, count: int) -> watershed.IntImage:
    """For each merge of a binary tree the smallest basin in either of the two regions, (B - 1, 2)."""
    smallest = np.arange(len(parents))
    merges = np.full((count - 1, 2), -1, np.int32)
    for node, parent in enumerate(parents[:-1]):
        basin, row = smallest[node], parent - count
        merges[row, 0 if merges[row, 0] < 0 else 1] = basin
        smallest[parent] = min(smallest[parent], basin)
    return merges
