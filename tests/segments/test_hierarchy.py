"""Contours and the watershed hierarchy (METHODS.md 1.9)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skimage.measure import label

from spml_core.errors import ConfigError, PictureError
from spml_core.segments import build_hierarchy, edge_strength, oversegment, watershed


def picture(h: int = 60, w: int = 80, seed: int = 0) -> np.ndarray:
    """Three flat shapes under a little noise."""
    rgb = np.full((h, w, 3), (40, 90, 160), np.uint8)
    rgb[10:40, 10:35] = (200, 60, 50)
    rgb[20:55, 45:70] = (230, 220, 90)
    noise = np.random.default_rng(seed).integers(-6, 7, rgb.shape)
    return np.clip(rgb.astype(int) + noise, 0, 255).astype(np.uint8)


def assert_compact_and_connected(regions: np.ndarray, limit: int) -> None:
    count = int(regions.max()) + 1
    assert regions.dtype == np.int32
    assert np.array_equal(np.unique(regions), np.arange(count))
    assert count <= limit
    assert label(regions, connectivity=1, background=-1).max() == count


def test_edges_are_strong_on_borders_and_nowhere_else() -> None:
    rgb = picture()
    edges = edge_strength(rgb)
    assert edges.dtype == np.float32 and edges.shape == rgb.shape[:2]
    assert edges.min() >= 0 and edges.max() <= 1
    assert edges[20, 10] > 5 * edges[25, 22]
    assert not edge_strength(np.full((9, 9, 3), 77, np.uint8)).any()


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 4), (0, 5, 3)])
def test_edges_refuse_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="uint8"):
        edge_strength(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("count", [1, 2, 4, 20, 10**6])
def test_a_cut_is_compact_connected_and_small_enough(count: int) -> None:
    tree = build_hierarchy(edge_strength(picture()))
    regions = tree.cut(count)
    assert_compact_and_connected(regions, count)
    assert regions.max() + 1 == min(count, len(tree.merges) + 1)


def test_a_finer_cut_refines_a_coarser_one() -> None:
    tree = build_hierarchy(np.random.default_rng(0).random((40, 50)))
    cuts = [tree.cut(n) for n in (2, 5, 9, 30, 100)]
    for coarse, fine in pairwise(cuts):
        pairs = np.unique(np.stack([fine.ravel(), coarse.ravel()]), axis=1)
        assert pairs.shape[1] == fine.max() + 1 > coarse.max() + 1


def test_the_same_picture_gives_the_same_regions() -> None:
    assert np.array_equal(oversegment(picture(), 12), oversegment(picture(), 12))


def test_the_shapes_of_a_picture_are_found() -> None:
    regions = oversegment(picture(), 3)
    assert len({regions[5, 5], regions[25, 22], regions[40, 57]}) == 3
    assert (regions[12:38, 12:33] == regions[25, 22]).all()


def test_regions_equal_a_hierarchy_over_every_pixel() -> None:
    """Higra's own hierarchy, on all pixels, is the definition; ours takes the way over the basins."""
    hg = pytest.importorskip("higra")
    edges = np.random.default_rng(4).random((37, 53)).astype(np.float32)
    graph = hg.get_4_adjacency_graph(edges.shape)
    weights = hg.weight_graph(graph, edges, hg.WeightFunction.mean)
    tree, altitudes = hg.watershed_hierarchy_by_volume(graph, weights)
    ours = build_hierarchy(edges)
    for count in (2, 3, 7, 20, 60, 150):
        whole = hg.labelisation_horizontal_cut_from_num_regions(tree, altitudes, count)
        mine = ours.cut(count)
        pairs = np.unique(np.stack([whole.ravel(), mine.ravel()]), axis=1)
        assert pairs.shape[1] == mine.max() + 1 == len(np.unique(whole)) == count


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (16, 1), (2, 2)])
def test_tiny_pictures(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    assert_compact_and_connected(oversegment(rgb, 3), 3)


def test_a_flat_picture_is_one_region() -> None:
    assert not oversegment(np.full((16, 16, 3), 9, np.uint8), 50).any()


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 regions"):
        oversegment(picture(), 0)
    with pytest.raises(ConfigError, match="-1 regions"):
        build_hierarchy(np.zeros((4, 4))).cut(-1)
    with pytest.raises(PictureError, match="finite"):
        build_hierarchy(np.full((3, 3), np.nan))


@pytest.mark.parametrize("count", [1, 5, 40])
def test_without_higra_the_guarantee_holds(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(watershed, "hg", None)
    regions = oversegment(picture(), count)
    assert_compact_and_connected(regions, count)
    if count == 5:
        assert len({regions[5, 5], regions[25, 22], regions[40, 57]}) == 3
    with pytest.raises(ConfigError, match="higra"):
        build_hierarchy(np.zeros((4, 4)))
