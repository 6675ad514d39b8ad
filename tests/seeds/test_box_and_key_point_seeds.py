"""METHODS.md 1.10.2 and 1.10.5 against loops over pixels in float64."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spml_core.annotations import Box, KeyPoint
from spml_core.errors import ConfigError, MarkError
from spml_core.seeds import box_seeds, key_point_seeds

K = 4


def loop_box_seeds(maps, boxes, shape, threshold):
    """Cell by cell: every box that holds it, what its stretched map says, who is highest."""
    h, w = maps.shape[1:]
    members = []
    for box in boxes:
        cells = []
        for i in range(h):
            for j in range(w):
                y, x = (i + 0.5) * shape[0] / h - 0.5, (j + 0.5) * shape[1] / w - 0.5
                if box.top <= y < box.bottom and box.left <= x < box.right:
                    cells.append((i, j))
        members.append(cells)
    labels = np.zeros((h, w), int)
    for i in range(h):
        for j in range(w):
            best, label, inside = -1.0, K, False
            for box, cells in zip(boxes, members, strict=True):
                if (i, j) not in cells:
                    continue
                inside = True
                values = [maps[box.class_index - 1, a, b] for a, b in cells]
                low, high = min(values), max(values)
                if high - low <= 1e-6 * max(abs(low), abs(high)):
                    continue
                score = (maps[box.class_index - 1, i, j] - low) / (high - low)
                if score >= threshold and score > best:
                    best, label = score, box.class_index
            labels[i, j] = label if inside else 0
    return labels


@st.composite
def cases(draw):
    h, w = draw(st.integers(3, 9)), draw(st.integers(3, 9))
    scale = draw(st.sampled_from([1, 2, 4]))
    shape = (h * scale, w * scale)
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        top, left = draw(st.floats(-5, shape[0] - 2)), draw(st.floats(-5, shape[1] - 2))
        high, wide = draw(st.floats(6 + scale, 30)), draw(st.floats(6 + scale, 30))
        boxes.append(Box(draw(st.integers(1, K - 1)), top, left, top + high, left + wide))
    return (h, w), shape, boxes, draw(st.integers(0, 1000))


@settings(deadline=None, max_examples=60)
@given(cases(), st.sampled_from([0.5, 0.3, 0.8]))
def test_boxes_are_as_in_the_loop(case, threshold):
    grid, shape, boxes, seed = case
    # A box that holds the centre of no cell has a test of its own.
    assume(all(holds_a_centre(box, grid, shape) for box in boxes))
    maps = np.round(np.random.default_rng(seed).uniform(size=(K - 1, *grid)), 1)
    expected = loop_box_seeds(maps, boxes, shape, threshold)
    np.testing.assert_array_equal(box_seeds(maps, boxes, shape, K, threshold), expected)


def holds_a_centre(box, grid, shape):
    y = (np.arange(grid[0]) + 0.5) * shape[0] / grid[0] - 0.5
    x = (np.arange(grid[1]) + 0.5) * shape[1] / grid[1] - 0.5
    return ((y >= box.top) & (y < box.bottom)).any() and ((x >= box.left) & (x < box.right)).any()


def test_half_and_more_of_the_range_is_the_class():
    maps = np.zeros((K - 1, 1, 8))
    maps[1, 0] = [9, 2, 3, 4, 5, 6, 9, 9]  # inside the box 2..6, so 4 is half way
    labels = box_seeds(maps, [Box(2, 0, 1, 1, 6)], (1, 8), K)
    np.testing.assert_array_equal(labels[0], [0, K, K, 2, 2, 2, 0, 0])


def test_a_box_whose_map_is_constant_is_unlabeled():
    for value in (0.0, 0.37, -2.0):
        maps = np.full((K - 1, 6, 6), value, np.float32)
        labels = box_seeds(maps, [Box(1, 1, 1, 4, 4)], (6, 6), K)
        assert (labels[1:4, 1:4] == K).all()
        assert (
            np.delete(labels.ravel(), np.flatnonzero(np.pad(np.ones((3, 3)), ((1, 2), (1, 2))))) == 0
        ).all()


def test_where_boxes_overlap_the_higher_score_wins_and_unlabeled_never_overwrites():
    maps = np.zeros((K - 1, 1, 6))
    maps[0, 0] = [1, 0.9, 0.8, 0.0, 0, 0]
    maps[1, 0] = [0, 0.0, 0.6, 1.0, 0, 0]
    boxes = [Box(1, 0, 0, 1, 4), Box(2, 0, 2, 1, 5)]
    expected = [1, 1, 1, 2, K, 0]
    np.testing.assert_array_equal(box_seeds(maps, boxes, (1, 6), K)[0], expected)
    np.testing.assert_array_equal(box_seeds(maps, boxes[::-1], (1, 6), K)[0], expected)


def test_of_equal_scores_the_earlier_box_wins():
    maps = np.array([[[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 0.0]]])
    boxes = [Box(2, 0, 0, 1, 2), Box(1, 0, 0, 1, 2)]
    assert box_seeds(maps, boxes, (1, 2), K)[0, 1] == 2


def test_a_box_reaching_out_counts_as_far_as_it_is_inside():
    maps = np.zeros((K - 1, 4, 4))
    maps[0] = np.arange(16).reshape(4, 4)
    inside = box_seeds(maps, [Box(1, 2, 2, 4, 4)], (4, 4), K)
    np.testing.assert_array_equal(box_seeds(maps, [Box(1, 2, 2, 90, 400)], (4, 4), K), inside)


@pytest.mark.parametrize("box", [Box(1, -9, 0, -4, 4), Box(1, 0, 50, 4, 60), Box(1, 20, 20, 30, 30)])
def test_a_box_outside_says_nothing(box):
    maps = np.random.default_rng(0).uniform(size=(K - 1, 6, 6))
    assert (box_seeds(maps, [box], (6, 6), K) == K).all()
    other = Box(2, 1, 1, 5, 5)
    np.testing.assert_array_equal(
        box_seeds(maps, [box, other], (6, 6), K), box_seeds(maps, [other], (6, 6), K)
    )


def test_without_boxes_all_is_unlabeled():
    assert (box_seeds(np.zeros((K - 1, 5, 5)), [], (20, 20), K) == K).all()


@pytest.mark.parametrize("place", [(0.2, 0.2), (13.0, 14.6), (15.4, 15.4)])
def test_a_box_smaller_than_a_cell_keeps_its_cell_from_being_background(place):
    y, x = place
    maps = np.random.default_rng(0).uniform(size=(K - 1, 4, 4))
    labels = box_seeds(maps, [Box(3, y, x, y + 0.05, x + 0.05)], (16, 16), K)
    cell = (int((y + 0.525) / 4), int((x + 0.525) / 4))
    assert labels[cell] == K
    assert (labels == K).sum() == 1
    assert (labels == 0).sum() == 15


@pytest.mark.parametrize(("index", "words"), [(0, "the background"), (K, "none of the 4 classes")])
def test_boxes_and_key_points_of_wrong_classes_are_refused(index, words):
    with pytest.raises(MarkError, match=words):
        box_seeds(np.zeros((K - 1, 4, 4)), [Box(index, 0, 0, 2, 2)], (4, 4), K)
    with pytest.raises(MarkError, match=words):
        key_point_seeds([KeyPoint(index, 1, 1, 10)], (4, 4), K)


@pytest.mark.parametrize(
    "maps", [np.zeros((K, 4, 4)), np.zeros((4, 4)), np.zeros((K - 1, 0, 4)), np.full((K - 1, 4, 4), np.nan)]
)
def test_maps_that_do_not_fit_are_refused(maps):
    with pytest.raises(MarkError):
        box_seeds(maps, [Box(1, 0, 0, 2, 2)], (4, 4), K)


def loop_key_points(points, shape, grid, sigma, labelled, background):
    inside = [p for p in points if -0.5 <= p.y < shape[0] - 0.5 and -0.5 <= p.x < shape[1] - 0.5]
    labels = np.full(grid, K)
    for i in range(grid[0]):
        for j in range(grid[1]):
            y, x = (i + 0.5) * shape[0] / grid[0] - 0.5, (j + 0.5) * shape[1] / grid[1] - 0.5
            heat = [
                math.exp(-((y - p.y) ** 2 + (x - p.x) ** 2) / (2 * (sigma * p.size) ** 2)) for p in inside
            ]
            if heat and max(heat) >= labelled:
                labels[i, j] = inside[heat.index(max(heat))].class_index
            elif heat and max(heat) < background:
                labels[i, j] = 0
    return labels


eighths = st.integers(-24, 240).map(lambda n: n / 8)  # distances that differ do so by more than rounding


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            KeyPoint,
            st.integers(1, K - 1),
            eighths,
            eighths,
            st.sampled_from([5.0, 30.0, 80.0]),
        ),
        max_size=5,
    ),
    st.sampled_from([(24, 20), (12, 10)]),
    st.sampled_from([(0.1, 0.8, 0.05), (0.2, 0.5, 0.2)]),
)
def test_key_points_are_as_in_the_loop(points, grid, settings_):
    sigma, labelled, background = settings_
    got = key_point_seeds(
        points, (24, 20), K, grid=grid, sigma=sigma, labelled=labelled, background=background
    )
    np.testing.assert_array_equal(got, loop_key_points(points, (24, 20), grid, sigma, labelled, background))


def test_three_regions_around_a_point():
    labels = key_point_seeds([KeyPoint(2, 50, 50, 100)], (101, 101), K)  # a standard deviation of 10
    row = labels[50, 50:]
    assert (row[:7] == 2).all()  # exp(-d^2 / 200) >= .8 up to d = 6.68
    assert (row[7:25] == K).all()
    assert (row[25:] == 0).all()  # < .05 from d = 24.48


def test_where_points_meet_the_nearer_in_its_own_size_wins():
    labels = key_point_seeds([KeyPoint(1, 10, 10, 100), KeyPoint(2, 10, 14, 40)], (21, 30), K)
    assert labels[10, 10] == 1
    assert labels[10, 14] == 2
    assert labels[10, 6] == 1


def test_points_outside_are_ignored():
    outside = [KeyPoint(1, -1, 5, 50), KeyPoint(1, 5, 99, 50)]
    assert (key_point_seeds(outside, (20, 20), K) == K).all()
    inside = KeyPoint(3, 19.4, 0, 10)
    np.testing.assert_array_equal(
        key_point_seeds([*outside, inside], (20, 20), K), key_point_seeds([inside], (20, 20), K)
    )


@pytest.mark.parametrize("wrong", [{"sigma": 0}, {"background": 0.9}, {"labelled": 1.1}, {"background": 0}])
def test_thresholds_must_be_in_order(wrong):
    with pytest.raises(ConfigError):
        key_point_seeds([], (4, 4), K, **wrong)
