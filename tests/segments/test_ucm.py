"""Oriented watershed and ultrametric contour map against explicit loops (METHODS.md 1.9 steps 2 to 6)."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage.measure import label

from spml_core.errors import ConfigError, PictureError
from spml_core.segments import (
    Hierarchy,
    build_hierarchy,
    build_ucm,
    edge_strength,
    oriented_watershed,
    watershed,
)
from spml_core.segments.border_pieces import straight_pieces
from spml_core.segments.oriented_watershed import second_moments
from spml_core.segments.watershed import border_cracks, crack_pairs, raster_order

TOLERANCE = 1.0


def blobs(h: int, w: int, seed: int) -> np.ndarray:
    """A smooth random edge map: a few basins with winding borders."""
    noise = np.random.default_rng(seed).random((h, w)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


# --- explicit loops ------------------------------------------------------------------------------------------------


def cracks_of(regions):
    """(two corners, two pixels) of every border crack, in the order of crack_pairs."""
    h, w = regions.shape
    right = [
        (((y, x + 1), (y + 1, x + 1)), ((y, x), (y, x + 1)))
        for y in range(h)
        for x in range(w - 1)
        if regions[y, x] != regions[y, x + 1]
    ]
    below = [
        (((y + 1, x), (y + 1, x + 1)), ((y, x), (y + 1, x)))
        for y in range(h - 1)
        for x in range(w)
        if regions[y, x] != regions[y + 1, x]
    ]
    return right + below


def curves_of(cracks):
    """Corner sequences of all curves and the crack between each two."""
    at = {}
    for number, (ends, _) in enumerate(cracks):
        for end in ends:
            at.setdefault(end, []).append(number)
    left = set(range(len(cracks)))
    curves = []

    def walk(start, number):
        corners, numbers = [start], []
        while True:
            left.discard(number)
            numbers.append(number)
            one, two = cracks[number][0]
            corners.append(two if corners[-1] == one else one)
            here = corners[-1]
            nexts = [n for n in at[here] if n in left]
            if len(at[here]) != 2 or here == start or not nexts:
                return corners, numbers
            number = nexts[0]

    for corner in sorted(at):
        if len(at[corner]) != 2:
            curves += [walk(corner, number) for number in at[corner] if number in left]
    for corner in sorted(at):  # closed curves
        curves += [walk(corner, number) for number in at[corner][:1] if number in left]
    return curves


def distance_to(point, first, last):
    (py, px), (ay, ax), (by, bx) = point, first, last
    length = math.hypot(by - ay, bx - ax)
    if length == 0:
        return math.hypot(py - ay, px - ax)
    return abs((py - ay) * (bx - ax) - (px - ax) * (by - ay)) / length


def split(corners):
    """Ramer, Douglas and Peucker: pairs of first and last place."""
    away = [distance_to(point, corners[0], corners[-1]) for point in corners[:-1]]
    if max(away) <= TOLERANCE:
        return [(0, len(corners) - 1)]
    middle = away.index(max(away))
    head, tail = split(corners[: middle + 1]), split(corners[middle:])
    return head + [(a + middle, b + middle) for a, b in tail]


def slow_arcs(edges, regions):
    """Mean oriented strength and length of the border of each pair of regions."""
    along, across = second_moments(edges)
    cracks = cracks_of(regions)
    sums = {}
    for corners, numbers in curves_of(cracks):
        for first, last in split(corners):
            dy, dx = corners[last][0] - corners[first][0], corners[last][1] - corners[first][1]
            normal = math.atan2(dx, -dy)
            for number in numbers[first:last]:
                one, two = cracks[number][1]
                cosine, sine = (float(m[one]) / 2 + float(m[two]) / 2 for m in (along, across))
                theta = math.atan2(sine, cosine) / 2
                agreement = abs(math.cos(theta - normal)) if dy or dx else 1.0
                pair = tuple(sorted((int(regions[one]), int(regions[two]))))
                total, length = sums.get(pair, (0.0, 0))
                sums[pair] = total + agreement * (float(edges[one]) + float(edges[two])) / 2, length + 1
    return {pair: (total / length, length) for pair, (total, length) in sums.items()}


def slow_merging(regions, arcs):
    """(level, partition) after each merge of the pair with the smallest mean over all their cracks."""
    regions = regions.copy()
    cracks = {pair: (strength * length, length) for pair, (strength, length) in arcs.items()}
    steps = []
    while cracks:
        level, (one, two) = min((total / length, pair) for pair, (total, length) in cracks.items())
        regions[regions == two] = one
        joined = {}
        for pair, (total, length) in cracks.items():
            a, b = sorted(one if region == two else region for region in pair)
            if a != b:
                old = joined.get((a, b), (0.0, 0))
                joined[a, b] = old[0] + total, old[1] + length
        cracks = joined
        steps.append((level, regions.copy()))
    return steps


# --- tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "seed"), [((12, 15), 0), ((20, 17), 1), ((9, 30), 2), ((24, 24), 3)])
def test_arcs_equal_explicit_loops(size, seed):
    edges = blobs(*size, seed)
    arcs = oriented_watershed(edges, TOLERANCE)
    wanted = slow_arcs(edges, arcs.basins)
    assert arcs.basins.max() > 3
    assert [tuple(pair) for pair in arcs.pairs] == sorted(wanted)
    assert np.allclose(arcs.strength, [wanted[tuple(pair)][0] for pair in arcs.pairs], atol=2e-6)
    assert arcs.length.tolist() == [wanted[tuple(pair)][1] for pair in arcs.pairs]


def test_an_island_is_split_like_any_border():
    """Its border is a closed curve, without any corner where three regions meet."""
    regions = np.zeros((14, 16), np.int32)
    regions[3:11, 4:13] = 1
    pieces = straight_pieces(regions, TOLERANCE)
    assert len(pieces.piece) == 2 * (8 + 9)
    lengths = np.bincount(pieces.piece)
    assert sorted(lengths.tolist()) == [8, 8, 9, 9]
    assert sorted(map(tuple, np.abs(pieces.direction).tolist())) == [(0, 9), (0, 9), (8, 0), (8, 0)]


@pytest.mark.parametrize("tolerance", [0.6, 1.0, 3.0])
def test_pieces_are_connected_and_stay_by_their_lines(tolerance):
    regions = watershed.watershed_basins(blobs(40, 50, 7))
    pieces = straight_pieces(regions, tolerance)
    cracks = cracks_of(regions)
    assert len(pieces.piece) == len(cracks)
    assert np.array_equal(np.unique(pieces.piece), np.arange(len(pieces.direction)))
    for number, direction in enumerate(pieces.direction):
        met = {}
        for crack in np.flatnonzero(pieces.piece == number):
            for end in cracks[crack][0]:
                met[end] = met.get(end, 0) + 1
        ends = [corner for corner, times in met.items() if times == 1]
        assert max(met.values()) <= 2 and len(ends) == 2  # one chain
        assert np.array_equal(np.abs(np.subtract(*ends)), np.abs(direction))
        assert all(distance_to(corner, *ends) <= tolerance for corner in met)


@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 130])
def test_the_normal_of_a_straight_contour_is_found(degrees):
    y, x = np.mgrid[:61, :61] - 30.0
    angle = math.radians(degrees)
    edges = np.exp(-((x * math.cos(angle) + y * math.sin(angle)) ** 2) / 8).astype(np.float32)
    along, across = second_moments(edges)
    found = math.degrees(math.atan2(across[30, 30], along[30, 30]) / 2)
    assert abs((found - degrees + 90) % 180 - 90) < 2


def test_an_arc_across_a_contour_counts_little():
    """A strong line through the middle, a faint wall across it: where they cross, the wall gets nothing of the line."""
    y, x = np.mgrid[:41, :61].astype(np.float32)
    line = np.exp(-((y - 20) ** 2) / 8)
    wall = 0.05 * np.exp(-((x - 30) ** 2) / 8)
    arcs = oriented_watershed(np.maximum(line, wall))
    corners = [int(arcs.basins[i, j]) for i, j in ((2, 2), (2, 58), (38, 2), (38, 58))]
    strength = {tuple(pair): s for pair, s in zip(arcs.pairs.tolist(), arcs.strength, strict=True)}
    assert len(set(corners)) == 4
    assert strength[corners[0], corners[2]] > 0.9
    wall_pixels = [20 - d for d in range(20)]
    plain = float(np.maximum(line, wall)[wall_pixels, 30].mean())
    assert strength[corners[0], corners[1]] < 0.75 * plain


@pytest.mark.parametrize(("size", "seed"), [((16, 18), 0), ((25, 20), 5), ((8, 40), 6)])
def test_ucm_equals_explicit_merging(size, seed):
    edges = blobs(*size, seed)
    tree = build_ucm(edges)
    arcs = oriented_watershed(edges)
    strengths = {
        tuple(pair): (s, n)
        for pair, s, n in zip(arcs.pairs.tolist(), arcs.strength, arcs.length, strict=True)
    }
    steps = slow_merging(arcs.basins, strengths)
    assert len(steps) == len(tree.levels) > 5
    assert np.allclose(tree.levels, [level for level, _ in steps], atol=1e-12)
    for left, (_, regions) in zip(range(len(steps), 0, -1), steps, strict=True):
        assert np.array_equal(tree.cut(left), raster_order(regions))


def level_of_pairs(tree):
    """Level at which each two basins come together, by loops."""
    count = len(tree.merges) + 1
    groups = [{i} for i in range(count)]
    level = np.zeros((count, count))
    for (one, two), height in zip(tree.merges.tolist(), tree.levels, strict=True):
        first = next(g for g in groups if one in g)
        second = next(g for g in groups if two in g)
        for a in first:
            for b in second:
                level[a, b] = level[b, a] = height
        groups = [g for g in groups if g is not first and g is not second] + [first | second]
    return level


@pytest.mark.parametrize("build", [build_ucm, build_hierarchy])
def test_levels_are_an_ultrametric(build):
    """d(a, c) <= max(d(a, b), d(b, c)) for every three basins; and levels never fall along the merges."""
    tree = build(blobs(30, 34, 9))
    assert (np.diff(tree.levels) >= 0).all() and tree.levels[0] >= 0
    distance = level_of_pairs(tree)
    assert len(distance) > 15
    for b in range(len(distance)):
        assert (distance <= np.maximum(distance[:, b, None], distance[None, b])).all()


@pytest.mark.parametrize("build", [build_ucm, build_hierarchy])
def test_the_contour_map_says_when_neighbours_merge(build):
    tree = build(blobs(20, 26, 4))
    ucm, distance = tree.contour_map(), level_of_pairs(tree)
    h, w = tree.basins.shape
    assert ucm.shape == (2 * h + 1, 2 * w + 1) and ucm.dtype == np.float32
    for y in range(h):
        for x in range(w):
            assert ucm[2 * y + 1, 2 * x + 1] == 0
            if x + 1 < w:
                assert ucm[2 * y + 1, 2 * x + 2] == np.float32(
                    distance[tree.basins[y, x], tree.basins[y, x + 1]]
                )
            if y + 1 < h:
                assert ucm[2 * y + 2, 2 * x + 1] == np.float32(
                    distance[tree.basins[y, x], tree.basins[y + 1, x]]
                )
            if x + 1 < w and y + 1 < h:
                around = ucm[2 * y + 1 : 2 * y + 4, 2 * x + 1 : 2 * x + 4]
                assert around[1, 1] == max(around[0, 1], around[2, 1], around[1, 0], around[1, 2])
    assert not ucm[0].any() and not ucm[-1].any() and not ucm[:, 0].any() and not ucm[:, -1].any()


@pytest.mark.parametrize("build", [build_ucm, build_hierarchy])
@pytest.mark.parametrize("level", [0.0, 0.1, 0.3, 0.5, 2.0])
def test_a_threshold_leaves_borders_of_that_level(build, level):
    tree = build(blobs(30, 40, 2))
    level *= tree.levels[-1]
    regions = tree.threshold(level)
    count = regions.max() + 1
    assert count == 1 + (tree.levels >= level).sum()
    assert label(regions, connectivity=1, background=-1).max() == count
    distance = level_of_pairs(tree)
    right, below = border_cracks(tree.basins)
    for one, two in crack_pairs(tree.basins, right, below).tolist():
        inner = regions[tree.basins == one][0] == regions[tree.basins == two][0]
        assert inner == (distance[one, two] < level)


def test_too_many_regions_raise_the_threshold():
    tree = build_ucm(blobs(30, 40, 2))
    assert tree.threshold(0.0).max() + 1 > 12
    few = tree.threshold(0.0, max_regions=12)
    assert few.max() + 1 == 12 and np.array_equal(few, tree.cut(12))
    high = float(tree.levels[-3])
    assert np.array_equal(tree.threshold(high, max_regions=12), tree.threshold(high))


def test_equal_levels_go_together():
    """Four quarters with borders of one level: no threshold leaves two or three of them."""
    basins = np.array([[0, 1], [2, 3]], np.int32)
    tree = Hierarchy(basins, np.array([[0, 1], [2, 3], [0, 2]], np.int32), np.array([0.5, 0.5, 0.5]))
    assert tree.threshold(0.5).max() == 3
    assert tree.threshold(0.5, max_regions=3).max() == 0
    assert tree.threshold(np.nextafter(0.5, 1)).max() == 0


def test_shapes_are_found_and_a_flat_map_is_one_region():
    rgb = np.full((60, 80, 3), (40, 90, 160), np.uint8)
    rgb[10:40, 10:35] = (200, 60, 50)
    rgb[20:55, 45:70] = (230, 220, 90)
    regions = build_ucm(edge_strength(rgb)).cut(3)
    assert len({regions[5, 5], regions[25, 22], regions[40, 57]}) == 3
    assert not build_ucm(np.full((7, 9), 0.4)).threshold(0.0).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (16, 1), (2, 2)])
def test_tiny_maps(shape):
    tree = build_ucm(np.random.default_rng(1).random(shape))
    regions = tree.cut(3)
    assert np.array_equal(np.unique(regions), np.arange(regions.max() + 1)) and regions.max() < 3
    assert tree.contour_map().shape == (2 * shape[0] + 1, 2 * shape[1] + 1)


def test_a_finer_cut_refines_a_coarser_one():
    tree = build_ucm(np.random.default_rng(0).random((40, 50)))
    cuts = [tree.cut(n) for n in (2, 5, 9, 30, 100)]
    for coarse, fine in pairwise(cuts):
        pairs = np.unique(np.stack([fine.ravel(), coarse.ravel()]), axis=1)
        assert pairs.shape[1] == fine.max() + 1 > coarse.max() + 1


def test_bad_requests_are_refused(monkeypatch):
    with pytest.raises(PictureError, match="finite"):
        build_ucm(np.full((3, 3), np.inf))
    tree = build_ucm(blobs(12, 12, 0))
    with pytest.raises(ConfigError, match="no number"):
        tree.threshold(math.nan)
    with pytest.raises(ConfigError, match="At most 0"):
        tree.threshold(0.1, max_regions=0)
    monkeypatch.setattr(watershed, "hg", None)
    with pytest.raises(ConfigError, match="higra"):
        build_ucm(blobs(12, 12, 0))
    with pytest.raises(ConfigError, match="higra"):
        tree.contour_map()
