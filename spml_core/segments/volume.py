"""A watershed hierarchy by volume: the default over-segmentation (METHODS.md 1.9).

The hierarchy follows Cousty and Najman, "Incremental algorithm for hierarchical minimum spanning forests and
saliency of watershed cuts", ISMM 2011: two basins merge at the smaller of the volumes of water they hold when
the water reaches the pass between them. It is built on the region adjacency graph of a plain watershed, which
has the same passes as the pixel graph and is some forty times smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError
from spml_core.segments import watershed
from spml_core.segments.contours import edge_strength
from spml_core.segments.hierarchy import Hierarchy
from spml_core.segments.watershed import (
    Floats,
    IntImage,
    Ints,
    Singles,
    border_cracks,
    crack_pairs,
    crack_strengths,
    raster_order,
    require_edge_map,
    watershed_basins,
)


def build_hierarchy(edges: NDArray[np.floating]) -> Hierarchy:
    """Watershed hierarchy by volume of an edge map, on the graph of 4-neighbours.

    Parameters
    ----------
    edges : ndarray, (H, W) float
        Edge strength, 0 or more. The weight between two pixels is their mean.

    Returns
    -------
    Hierarchy

    Raises
    ------
    PictureError
        If the map isn't two-dimensional, is empty, or holds a value that isn't finite.
    ConfigError
        If higra isn't installed.
    """
    strength = require_edge_map(edges)
    right, below = crack_strengths(strength)
    basins = watershed_basins(strength)
    count = int(basins.max()) + 1
    pairs, passes = _passes(basins, count, right, below)
    if count == 1:
        return Hierarchy(basins, np.zeros((0, 2), np.int32), np.zeros(0))
    hg = watershed.hg
    graph = hg.UndirectedGraph(count)
    graph.add_edges(pairs[:, 0], pairs[:, 1])
    tree, altitudes = hg.bpt_canonical(graph, passes)
    volume = _volumes(tree, altitudes, basins, _lowest_exit(right, below))
    saliency = hg.accumulate_parallel(tree, volume, hg.Accumulators.min)[count:]
    merges = pairs[hg.CptBinaryHierarchy.get_mst_edge_map(tree)]
    order = np.argsort(saliency, kind="stable")
    return Hierarchy(basins, merges[order].astype(np.int32), saliency[order])


def oversegment(rgb: NDArray[np.uint8], num_regions: int) -> IntImage:
    """Partition a picture along its contours into at most ``num_regions`` regions.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
    num_regions : int
        1 or more.

    Returns
    -------
    ndarray, (H, W) int32
        Compact labels ``0..R-1``, every region 4-connected. Without higra the regions come from Felzenszwalb
        and Huttenlocher's graph-based segmentation (IJCV 2004), with the same guarantees.

    Raises
    ------
    PictureError
        If the picture isn't RGB of 8 bit.
    ConfigError
        If ``num_regions`` is below 1.
    """
    if num_regions < 1:
        raise ConfigError(f"{num_regions} regions were asked for.", "Ask for 1 or more.")
    if watershed.hg is None:
        return _felzenszwalb(rgb, num_regions)
    return build_hierarchy(edge_strength(rgb)).cut(num_regions)


def _passes(basins: IntImage, count: int, right: Singles, below: Singles) -> tuple[Ints, Floats]:
    """Adjacent pairs of basins (E, 2) and the lowest weight on each shared border (E,)."""
    sideways, downwards = border_cracks(basins)
    one, two = crack_pairs(basins, sideways, downwards).T
    weight = np.concatenate([right[sideways], below[downwards]]).astype(np.float64)
    key = one * count + two
    order = np.argsort(key)
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    lowest: Floats = np.minimum.reduceat(weight[order], first) if len(first) else weight
    return np.stack(np.divmod(key[first], count), 1), lowest


def _lowest_exit(right: Singles, below: Singles) -> Singles:
    """Each pixel's smallest edge weight (H, W): the level at which it gets wet."""
    exit_ = np.full((right.shape[0], below.shape[1]), np.inf, np.float32)
    for part, weight in (
        (exit_[:, 1:], right),
        (exit_[:, :-1], right),
        (exit_[1:], below),
        (exit_[:-1], below),
    ):
        np.minimum(part, weight, out=part)
    return exit_


def _volumes(tree: Any, altitudes: Floats, basins: IntImage, wet: Singles) -> Floats:
    """Water in every node of the tree of basins when it reaches the node's parent.

    A pixel holds ``h - wet`` once the level ``h`` is above its own, so a slope above the basin's pass counts
    only from the ancestor that reaches it. Each pixel is lifted to that ancestor by powers of two.
    """
    parents: Ints = tree.parents()
    node = basins.ravel().astype(np.int64)
    level = wet.ravel().astype(np.float64)
    high = np.flatnonzero(altitudes[parents[node]] <= level)
    jumps = [parents]
    while not np.array_equal(jumps[-1][jumps[-1]], jumps[-1]):
        jumps.append(jumps[-1][jumps[-1]])
    above, floor = node[high], level[high]
    for jump in reversed(jumps):
        target = jump[above]
        above = np.where(altitudes[target] <= floor, target, above)
    node[high] = above
    size = len(parents)
    area = _sum_up(tree, np.bincount(node, minlength=size).astype(np.float64))
    depth = _sum_up(tree, np.bincount(node, weights=level, minlength=size).astype(np.float64))
    volume: Floats = area * altitudes[parents] - depth
    return volume


def _sum_up(tree: Any, own: Floats) -> Floats:
    """Sum of a node's own value and those of everything below it."""
    hg = watershed.hg
    total: Floats = hg.accumulate_and_add_sequential(
        tree,
        own,
        own[: tree.num_leaves()],
        hg.Accumulators.sum,
    )
    return total


def _felzenszwalb(rgb: NDArray[np.uint8], num_regions: int) -> IntImage:
    """Graph-based segmentation, small like neighbours joined until few enough regions are left."""
    from skimage.measure import label
    from skimage.segmentation import felzenszwalb

    parts = (
        label(  # type: ignore[no-untyped-call]
            felzenszwalb(rgb, scale=100, sigma=0.8, min_size=20), connectivity=1, background=-1
        )
        - 1
    )
    basins = raster_order(parts)
    count = int(basins.max()) + 1
    flat = np.zeros_like(rgb[..., 0], np.float32)
    total = np.stack([np.bincount(basins.ravel(), weights=c.ravel()) for c in np.moveaxis(rgb, -1, 0)], 1)
    area = np.bincount(basins.ravel()).astype(np.float64)
    mean = total / area[:, None]
    pairs, _ = _passes(basins, count, flat[:, 1:], flat[1:])
    # Ward's price of a merge, in the order of a minimum spanning tree: small and similar neighbours first.
    one, two = pairs.T
    price = ((mean[one] - mean[two]) ** 2).sum(1) * area[one] * area[two] / (area[one] + area[two])
    parent = np.arange(count)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    merges: list[int] = []
    for edge in np.argsort(price, kind="stable"):
        a, b = root(int(one[edge])), root(int(two[edge]))
        if a != b:
            parent[b] = a
            merges.append(int(edge))
    return Hierarchy(basins, pairs[merges].astype(np.int32), price[merges]).cut(num_regions)
