"""METHODS.md 1.10.3: a stretch of each scribble, as points and as pixels."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spml_core.annotations import Scribble, rasterize
from spml_core.errors import ConfigError
from spml_core.seeds import RATIOS, shorten_raster, shorten_scribbles
from spml_core.seeds.shortening import longest_way, piece_lines

places = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda p: (p[0] / 4, p[1] / 4))
lines = st.lists(places, min_size=2, max_size=7, unique=True).map(tuple)
ANCHORS = ("middle", "start", "random")


def length(points):
    return math.fsum(math.dist(a, b) for a, b in itertools.pairwise(points))


def place_at(points, along):
    """The point of a line at an arc length."""
    for a, b in itertools.pairwise(points):
        step = math.dist(a, b)
        if along <= step:
            t = along / step
            return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])
        along -= step
    return points[-1]


@settings(deadline=None)
@given(lines, st.sampled_from([0.8, 0.5, 0.3, 0.01]), st.sampled_from(ANCHORS))
def test_a_stretch_of_the_line_is_kept(line, ratio, anchor):
    (got,) = shorten_scribbles([Scribble(2, line, 3)], ratio, anchor=anchor, seed=5)
    total = length(line)
    assert (got.class_index, got.width) == (2, 3)
    assert length(got.points) == pytest.approx(ratio * total, rel=1e-6)
    start = {
        "middle": (1 - ratio) * total / 2,
        "start": 0,
        "random": (1 - ratio) * total * np.random.default_rng(5).random(),
    }[anchor]
    assert got.points[0] == pytest.approx(place_at(line, start), abs=1e-6)
    assert got.points[-1] == pytest.approx(place_at(line, start + ratio * total), abs=1e-6)
    corners = set(line)
    assert all(any(math.dist(p, q) < 1e-9 for q in corners) for p in got.points[1:-1])


@pytest.mark.parametrize("anchor", ANCHORS)
def test_at_nothing_a_dot_is_left_in_the_middle(anchor):
    line = ((10.0, 10.0), (10.0, 20.0), (30.0, 20.0))
    (dot,) = shorten_scribbles([Scribble(1, line, 3)], 0, anchor=anchor)
    assert dot.points == ((15.0, 20.0),)
    assert dot.width == 6
    painted = rasterize([dot], (40, 40), 3) == 1
    y, x = np.nonzero(painted)
    assert np.hypot(y - 15, x - 20).max() == 3
    assert painted.sum() == 29


def test_whole_scribbles_stay_as_they_are():
    scribbles = [Scribble(1, ((0.1, 0.2), (3.3, 4.4)), 2.5), Scribble(0, ((1.0, 1.0),), 7)]
    assert shorten_scribbles(scribbles, 1) == scribbles


def test_a_dot_stays_a_dot():
    (got,) = shorten_scribbles([Scribble(1, ((4.0, 5.0),), 3)], 0.5)
    assert set(got.points) == {(4.0, 5.0)}


def test_random_stretches_differ_and_come_again_with_the_seed():
    lines = [Scribble(0, ((0, 0), (0, 100)), 3)] * 4
    first = shorten_scribbles(lines, 0.3, anchor="random", seed=1)
    assert len({s.points for s in first}) == 4
    assert first == shorten_scribbles(lines, 0.3, anchor="random", seed=1)
    assert first != shorten_scribbles(lines, 0.3, anchor="random", seed=2)


@pytest.mark.parametrize(
    ("ratio", "anchor"), [(-0.1, "middle"), (1.1, "middle"), (math.nan, "middle"), (0.5, "end")]
)
def test_wrong_settings_are_refused(ratio, anchor):
    with pytest.raises(ConfigError):
        shorten_scribbles([], ratio, anchor=anchor)
    with pytest.raises(ConfigError):
        shorten_raster(np.full((3, 3), 255, np.uint8), ratio, anchor=anchor)


def drawn():
    """Three scribbles, one of them bent, as pixels."""
    marks = [
        Scribble(0, ((8, 8), (8, 88)), 3),
        Scribble(2, ((20, 10), (60, 10), (60, 60)), 3),
        Scribble(2, ((30, 80), (70, 85)), 3),
    ]
    labels = rasterize(marks, (80, 100), 254)
    labels[labels == 254] = 255
    return labels


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_pixels_are_shortened_like_lines(ratio, anchor):
    labels = drawn()
    before = labels.copy()
    got = shorten_raster(labels, ratio, anchor=anchor, seed=3)
    np.testing.assert_array_equal(labels, before)
    if ratio == 1:
        np.testing.assert_array_equal(got, labels)
        return
    for code, lengths in ((0, [80]), (2, [90, 40.3])):
        # A pen of width 3 covers three pixels across, and half a pen at each end; a dot of diameter 6 covers 29.
        area = sum(29 if ratio == 0 else 3 * ratio * long + 7 for long in lengths)
        assert (got == code).sum() == pytest.approx(area, rel=0.1, abs=8)
        if ratio:
            assert ((got == code) & (labels == code)).sum() > 0.9 * (got == code).sum()
    assert set(np.unique(got)) == {0, 2, 255}


def test_the_middle_of_a_straight_scribble_is_kept():
    columns = np.nonzero((shorten_raster(drawn(), 0.5) == 0).any(0))[0]
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(48, abs=1)
    assert columns[-1] - columns[0] == pytest.approx(42, abs=3)


def test_house_codes_keep_their_void():
    labels = drawn()
    labels[labels == 255] = 3
    labels[70:] = 255
    got = shorten_raster(labels, 0.5, unlabeled=3)
    assert (got[70:] == 255).all()
    np.testing.assert_array_equal(got == 0, shorten_raster(drawn(), 0.5) == 0)
    assert set(np.unique(got)) == {0, 2, 3, 255}


def test_an_empty_raster_and_single_pixels():
    empty = np.full((9, 9), 255, np.uint8)
    np.testing.assert_array_equal(shorten_raster(empty, 0.5), empty)
    empty[4, 4] = 7
    got = shorten_raster(empty, 0.5)
    assert got[4, 4] == 7
    assert (got == 7).sum() == 9


def all_pairs_longest(skeleton):
    """The longest of all shortest ways, by relaxing every pair of pixels."""
    pixels = list(zip(*np.nonzero(skeleton), strict=True))
    n = len(pixels)
    far = np.full((n, n), np.inf)
    for i, p in enumerate(pixels):
        for j, q in enumerate(pixels):
            if max(abs(p[0] - q[0]), abs(p[1] - q[1])) <= 1:
                far[i, j] = math.dist(p, q)
    for k in range(n):
        far = np.minimum(far, far[:, k, None] + far[None, k])
    return far.max()


@pytest.mark.parametrize(
    "picture",
    [
        "#",
        "####",
        "#...#|.#.#.|..#..|..#..|..#..",
        "#.....|.#....|..####|.#....|.#....|..###.",
        "#..|.#.|..#|..#|.#.",
    ],
)
def test_the_longest_way_through_a_tree(picture):
    skeleton = np.array([[c == "#" for c in row] for row in picture.split("|")])
    way = longest_way(skeleton)
    assert length(way.tolist()) == pytest.approx(all_pairs_longest(skeleton))
    assert skeleton[tuple(way.astype(int).T)].all()
    assert all(max(abs(a - b)) == 1 for a, b in itertools.pairwise(way))


def test_a_loop_gives_its_half():
    y, x = np.ogrid[:41, :41]
    ring = abs(np.hypot(y - 20, x - 20) - 15) < 1.5
    (line,) = piece_lines(ring)
    assert length(line.tolist()) == pytest.approx(math.pi * 15, rel=0.15)


def test_pieces_touching_at_a_corner_are_one():
    mask = np.zeros((6, 12), bool)
    mask[:3, :6], mask[3:, 6:] = True, True
    assert len(piece_lines(mask)) == 1
