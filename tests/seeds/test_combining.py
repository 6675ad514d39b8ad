"""What wins where a picture has marks of several kinds."""

import numpy as np
import pytest

from spml_core.annotations import Box, CoarseMarks, KeyPoint
from spml_core.classes import IGNORE
from spml_core.errors import MarkError
from spml_core.seeds import (
    box_seeds,
    combine_seeds,
    key_point_seeds,
    normalise_psa,
    resize_bilinear,
    tag_seeds,
)

K = 4
SHAPE = (40, 60)
NOTHING = np.full(SHAPE, K, np.uint8)


@pytest.fixture
def maps():
    """Class 1 active on the left, 2 in the middle, 3 on the right."""
    x = np.arange(60)[None, None]
    centres = np.array([10, 30, 50])[:, None, None]
    return np.broadcast_to(np.exp(-(((x - centres) / 8.0) ** 2)), (3, *SHAPE)).astype(np.float32)


def test_one_kind_alone_is_its_own_seeds(maps):
    boxes = (Box(1, 5, 2, 30, 20),)
    points = (KeyPoint(2, 20, 30, 60),)
    got = combine_seeds(NOTHING, CoarseMarks(boxes=boxes), maps, K)
    np.testing.assert_array_equal(got, box_seeds(maps, boxes, SHAPE, K))
    got = combine_seeds(NOTHING, CoarseMarks(key_points=points), None, K)
    np.testing.assert_array_equal(got, key_point_seeds(points, SHAPE, K))
    got = combine_seeds(NOTHING, CoarseMarks(tags=(1, 3), complete=True), 5 * maps, K)
    present = np.array([False, True, False, True])
    np.testing.assert_array_equal(got, tag_seeds(normalise_psa(maps), present))
    assert {0, 1, 3} <= set(np.unique(got))


def test_nothing_known_stays_unlabeled():
    assert (combine_seeds(NOTHING, CoarseMarks(), None, K) == K).all()


def test_painted_labels_and_void_win_over_everything(maps):
    painted = NOTHING.copy()
    painted[:, 28:32], painted[:, 10], painted[0] = 1, 0, IGNORE
    coarse = CoarseMarks((Box(2, 0, 20, 40, 40),), (KeyPoint(3, 20, 30, 80),), (1, 2), True)
    got = combine_seeds(painted, coarse, maps, K)
    np.testing.assert_array_equal(got[painted != K], painted[painted != K])
    assert (got[20, 22:28] != K).any()


def test_boxes_go_before_key_points_before_tags(maps):
    coarse = CoarseMarks((Box(2, 0, 20, 40, 40),), (KeyPoint(3, 20, 32, 100),), (1, 2, 3), True)
    got = combine_seeds(NOTHING, coarse, maps, K)
    boxed = box_seeds(maps, coarse.boxes, SHAPE, K)
    pointed = key_point_seeds(coarse.key_points, SHAPE, K)
    assert ((boxed == 2) & (pointed == 3)).any()
    assert (got[boxed == 2] == 2).all()
    assert (got[(boxed != 2) & (pointed == 3)] == 3).all()
    assert got[2, 10] == 1  # tagged, without a box or point of its own


def test_a_tag_adds_nothing_to_a_class_that_a_box_places(maps):
    box = Box(1, 0, 0, 20, 20)
    tagged = combine_seeds(NOTHING, CoarseMarks(boxes=(box,), tags=(1,), complete=True), maps, K)
    assert (tagged == 1).any()
    assert not (tagged[20:] == 1).any()
    assert (tagged[30, 40:] == 0).all()


def test_background_is_what_all_kinds_agree_on(maps):
    boxes, points = (Box(2, 0, 20, 40, 40),), (KeyPoint(3, 20, 55, 60),)
    got = combine_seeds(NOTHING, CoarseMarks(boxes, points), maps, K)
    agreed = (box_seeds(maps, boxes, SHAPE, K) == 0) & (key_point_seeds(points, SHAPE, K) == 0)
    np.testing.assert_array_equal(got == 0, agreed)
    assert agreed.any()


def test_an_incomplete_list_vouches_for_no_background(maps):
    complete = combine_seeds(NOTHING, CoarseMarks(tags=(1,), complete=True), maps, K)
    open_ended = combine_seeds(NOTHING, CoarseMarks(tags=(1,), complete=False), maps, K)
    np.testing.assert_array_equal(open_ended, np.where(complete == 0, K, complete))
    with_box = combine_seeds(NOTHING, CoarseMarks((Box(2, 0, 20, 40, 40),), (), (1,), False), maps, K)
    assert not (with_box == 0).any()


def test_a_smaller_map_is_resized_bilinearly(maps):
    small = np.ascontiguousarray(maps[:, ::2, ::2])
    boxes = (Box(1, 5, 2, 30, 20), Box(3, 3, 33, 39, 58))
    got = combine_seeds(NOTHING, CoarseMarks(boxes=boxes), small, K)
    np.testing.assert_array_equal(got, box_seeds(resize_bilinear(small, SHAPE), boxes, SHAPE, K))


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        (None, "1 boxes and 1 tags came without"),
        (np.zeros((3, 60, 40), np.float32), "60 x 40 cells doesn't fit a picture of 40 x 60"),
        (np.zeros((4, 40, 60), np.float32), "don't fit 4 classes"),
        (np.full((3, 40, 60), np.inf, np.float32), "aren't finite"),
    ],
)
def test_maps_that_cannot_be_used_are_refused(activation, words):
    with pytest.raises(MarkError, match=words):
        combine_seeds(NOTHING, CoarseMarks((Box(1, 0, 0, 9, 9),), (), (1,), True), activation, K)


def test_a_tag_of_no_class_is_refused(maps):
    with pytest.raises(MarkError, match="class index 9"):
        combine_seeds(NOTHING, CoarseMarks(tags=(9,)), maps, K)
