"""Masks to polygons and back: nothing may be lost."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from spml_core.io.exports.instances import find_instances
from spml_core.io.exports.outlines import polygon_of, trace_outlines

# pycocotools 2.0.11 with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def mask_of(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def filled(polygon, shape):
    """The pixels inside a polygon by pycocotools' rule."""
    return coco_mask.decode(coco_mask.frPyObjects([polygon.ravel().tolist()], *shape))[:, :, 0].astype(bool)


def area(polygon):
    """By the shoelace formula: holes count only if they are gone around the other way."""
    x, y = polygon.T
    return np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2


def test_a_rectangle_has_four_corners():
    mask = np.ones((2, 3), bool)
    assert polygon_of(trace_outlines(mask), mask).tolist() == [[0, 0], [3, 0], [3, 2], [0, 2]]


@pytest.mark.parametrize(
    ("mask", "holes"),
    [
        (mask_of("#"), 0),
        (mask_of("#.", ".#"), 0),
        (mask_of(".#", "#."), 0),
        (mask_of("###", "#.#", "###"), 1),
        (mask_of(".#.", "#.#", ".#."), 1),  # held together by corners only
        (mask_of("####", "#.##", "##.#", "####"), 2),  # holes that touch stay two
        (mask_of("##########", "#.#.#.##.#", "#.#.####.#", "#.######.#", "##########"), 4),
        (mask_of("#######", "#.....#", "#.###.#", "#.#.#.#", "#.####.", "#....#.", "######."), 2),
    ],
)
def test_by_hand(mask, holes):
    outlines = trace_outlines(mask)
    assert len(outlines.ways) - 1 == holes
    np.testing.assert_array_equal(filled(polygon_of(outlines, mask), mask.shape), mask)


def test_any_mask_comes_back():
    rng = np.random.default_rng(0)
    with_holes = 0
    for _ in range(300):
        labels = (rng.random(rng.integers(1, 16, 2)) < rng.uniform(0.2, 0.95)).astype(np.uint8)
        back = np.zeros_like(labels)
        for instance in find_instances(labels, [1]):
            mask, outlines = instance.mask, trace_outlines(instance.mask)
            outside, _ = cv2.connectedComponents((~np.pad(mask, 1)).view(np.uint8), connectivity=4)
            assert len(outlines.ways) == outside - 1  # cv2 counts the mask itself, too
            with_holes += len(outlines.ways) > 1
            polygon = polygon_of(outlines, mask)
            np.testing.assert_array_equal(filled(polygon, mask.shape), mask)
            assert area(polygon) == instance.area
            part = back[instance.top :, instance.left :][: mask.shape[0], : mask.shape[1]]
            assert not (part & mask).any()
            part |= mask
        np.testing.assert_array_equal(back, labels)
    assert with_holes > 100


def test_instances_say_where_they_are():
    labels = np.array([[1, 1, 0, 2], [0, 0, 1, 0], [2, 0, 0, 255]], np.uint8)
    found = [
        (i.class_index, i.top, i.left, i.mask.tolist(), i.area) for i in find_instances(labels, [1, 2, 3])
    ]
    assert found == [
        (1, 0, 0, [[True, True, False], [False, False, True]], 3),
        (2, 0, 3, [[True]], 1),
        (2, 2, 0, [[True]], 1),
    ]
    assert [i.area for i in find_instances(labels, [0, 1, 2], min_area=3)] == [6, 3]
