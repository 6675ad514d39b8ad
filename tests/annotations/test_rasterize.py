import itertools
import math

import numpy as np
import pytest

from spml_core.annotations import UNTOUCHED, Box, Erasure, Patch, Point, Scribble, Tag, rasterize, tag_vector
from spml_core.errors import MarkError

SHAPE = (24, 31)
K = 4


def distance(y, x, a, b):
    """Distance of a pixel from a straight line between two places, written out."""
    dy, dx = b[0] - a[0], b[1] - a[1]
    length = dy * dy + dx * dx
    t = 0.0 if length == 0 else max(0.0, min(1.0, ((y - a[0]) * dy + (x - a[1]) * dx) / length))
    return math.hypot(y - a[0] - t * dy, x - a[1] - t * dx)


def line_by_hand(points, width, shape=SHAPE):
    ends = list(itertools.pairwise(points)) or [(points[0], points[0])]
    covered = np.zeros(shape, bool)
    for y in range(shape[0]):
        for x in range(shape[1]):
            covered[y, x] = any(distance(y, x, a, b) <= width / 2 + 1e-7 for a, b in ends)
    return covered


@pytest.mark.parametrize("width", [1, 3, 4.5, 12])
@pytest.mark.parametrize(
    "points",
    [
        ((5.0, 5.0),),
        ((5.0, 5.0), (5.0, 20.0)),
        ((2.3, 28.9), (20.7, 3.1), (10.0, 3.1)),
        ((-40.0, -30.0), (60.0, 50.0)),
        ((500.0, 500.0), (501.0, 502.0)),
        ((7.0, 7.0), (7.0, 7.0)),
    ],
)
def test_a_scribble_covers_what_lies_within_half_its_width(points, width):
    labels = rasterize([Scribble(2, points, width)], SHAPE, K)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels == 2, line_by_hand(points, width))
    assert np.array_equal(labels == K, labels != 2)


def test_a_thin_scribble_has_no_gaps():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.uniform(3, 20, (2, 2))
        covered = rasterize([Scribble(1, (tuple(a), tuple(b)), 1)], SHAPE, K) == 1
        for t in np.linspace(0, 1, 50):
            y, x = a + t * (b - a)
            near = covered[int(y - 0.5) : int(y + 2), int(x - 0.5) : int(x + 2)]
            assert near.any()


def test_a_point_is_a_disc_and_always_its_own_pixel():
    labels = rasterize([Point(1, 10, 12)], SHAPE, K)
    by_hand = np.hypot(*np.ogrid[-10 : SHAPE[0] - 10, -12 : SHAPE[1] - 12]) <= 3
    assert np.array_equal(labels == 1, by_hand)
    for radius in (0, 0.2):
        lone = rasterize([Point(1, 10.4, 11.6)], SHAPE, K, radius)
        assert np.argwhere(lone == 1).tolist() == [[10, 12]]
    corner = rasterize([Point(1, -0.5, SHAPE[1] - 0.6)], SHAPE, K, 0)
    assert np.argwhere(corner == 1).tolist() == [[0, SHAPE[1] - 1]]


def test_later_marks_overwrite_earlier_ones_and_an_erasure_takes_away():
    line = ((5.0, 0.0), (5.0, 30.0))
    a, b, erase = Scribble(0, line, 3), Scribble(1, line, 1), Erasure(((5.0, 10.0), (5.0, 12.0)), 1)
    labels = rasterize([a, b], SHAPE, K)
    assert labels[4, 15] == 0
    assert labels[5, 15] == 1
    assert rasterize([b, a], SHAPE, K)[5, 15] == 0
    erased = rasterize([a, b, erase], SHAPE, K)
    assert np.array_equal(erased == K, (labels == K) | line_by_hand(erase.points, 1))
    assert np.array_equal(rasterize([erase, a, b], SHAPE, K), labels)


def test_a_patch_tells_void_from_untouched():
    patch = Patch(2, 3, np.array([[0, UNTOUCHED], [255, 1]], np.uint8))
    labels = rasterize([Patch(0, 0, np.full(SHAPE, 3, np.uint8)), patch], SHAPE, K)
    assert labels[2:4, 3:5].tolist() == [[0, 3], [255, 1]]
    assert (labels == 3).sum() == labels.size - 3
    alone = rasterize([patch], SHAPE, K)
    assert alone[2:4, 3:5].tolist() == [[0, K], [255, 1]]


def test_a_patch_over_the_edge_is_cut():
    labels = rasterize([Patch(22, 29, np.ones((9, 9), np.uint8))], SHAPE, K)
    assert np.argwhere(labels == 1).tolist() == [[22, 29], [22, 30], [23, 29], [23, 30]]
    assert (rasterize([Patch(99, 99, np.ones((2, 2), np.uint8))], SHAPE, K) == K).all()


def test_boxes_and_tags_paint_nothing_but_count_as_tags():
    marks = [Tag(0), Box(2, 1, 1, 9, 9), Scribble(1, ((3.0, 3.0),), 3)]
    labels = rasterize(marks, SHAPE, K)
    assert set(np.unique(labels)) == {1, K}
    assert tag_vector(marks, labels, K).tolist() == [True, True, True, False]
    assert tag_vector([], labels, K).tolist() == [False, True, False, False]
    void = np.full(SHAPE, 255, np.uint8)
    assert not tag_vector([], void, K).any()


def test_a_scribble_painted_over_leaves_no_tag():
    marks = [Scribble(1, ((3.0, 3.0),), 3), Erasure(((3.0, 3.0),), 9)]
    assert not tag_vector(marks, rasterize(marks, SHAPE, K), K).any()


@pytest.mark.parametrize("mark", [Point(K, 1, 1), Tag(K), Patch(0, 0, np.full((1, 1), K, np.uint8))])
def test_a_class_that_is_not_there_is_refused(mark):
    with pytest.raises(MarkError, match=f"class index {K}; there are {K} classes"):
        rasterize([mark], SHAPE, K)


def by_the_rule(marks, shape, num_classes):
    """Pixel by pixel, from the last mark back: a person's latest label, else the latest accepted one; an erasure
    ends the search."""
    painted = [rasterize([mark], shape, num_classes) for mark in marks]
    labels = np.full(shape, num_classes, np.uint8)
    for y, x in np.ndindex(shape):
        accepted = None
        for mark, alone in zip(reversed(marks), reversed(painted), strict=True):
            if isinstance(mark, Erasure):
                if any(distance(y, x, a, b) <= mark.width / 2 for a, b in itertools.pairwise(mark.points)):
                    break
            elif alone[y, x] != num_classes:
                if not getattr(mark, "accepted", ""):
                    labels[y, x] = alone[y, x]
                    break
                if accepted is None:
                    accepted = alone[y, x]
        if labels[y, x] == num_classes and accepted is not None:
            labels[y, x] = accepted
    return labels


def test_accepted_predictions_lie_under_what_people_marked():
    rng = np.random.default_rng(0)
    shape = (9, 10)

    def patch(accepted):
        top, left = rng.integers(0, 5, 2)
        raster = rng.choice(np.array([0, 1, 2, 255, UNTOUCHED], np.uint8), (4, 5))
        return Patch(int(top), int(left), raster, accepted)

    def line():
        (a, b), (c, d) = rng.uniform(0, 9, (2, 2))
        return ((a, b), (c, d))

    kinds = [
        lambda: patch(""),
        lambda: patch("class"),
        lambda: patch("picture"),
        lambda: Scribble(int(rng.integers(3)), line(), 1.5),
        lambda: Erasure(line(), 2.5),
    ]
    seen = set()
    for _ in range(60):
        marks = [kinds[i]() for i in rng.integers(0, len(kinds), 7)]
        expected = by_the_rule(marks, shape, 3)
        assert np.array_equal(rasterize(marks, shape, 3), expected)
        seen.add(expected.tobytes())
    assert len(seen) > 50


@pytest.mark.parametrize("accepted", ["class", "picture"])
def test_the_order_of_a_persons_mark_and_an_accepted_one_is_no_matter_but_that_of_an_erasure_is(accepted):
    whole = Patch(0, 0, np.full(SHAPE, 2, np.uint8), accepted)
    void = Patch(3, 3, np.full((2, 2), 255, np.uint8))
    person, erase = Scribble(1, ((8.0, 8.0), (8.0, 20.0)), 3), Erasure(((8.0, 8.0), (8.0, 12.0)), 3)
    assert np.array_equal(
        rasterize([whole, person, void], SHAPE, K), rasterize([void, person, whole], SHAPE, K)
    )
    assert rasterize([void, person, whole], SHAPE, K)[3, 3] == 255
    assert rasterize([whole, person, erase], SHAPE, K)[8, 10] == K
    assert rasterize([person, erase, whole], SHAPE, K)[8, 10] == 2
    assert rasterize([person, whole], SHAPE, K)[8, 10] == 1
    assert tag_vector([whole], rasterize([whole], SHAPE, K), K).tolist() == [False, False, True, False]


def test_254_classes():
    labels = rasterize([Patch(0, 0, np.full((1, 2), 253, np.uint8))], (1, 4), 254)
    assert labels.tolist() == [[253, 253, 254, 254]]
