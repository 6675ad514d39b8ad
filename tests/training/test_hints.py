"""What coarse marks say of cells, against loops over cells that follow the rules one by one."""

import dataclasses
import math

import numpy as np
import pytest

from spml_core.annotations import Box, CoarseMarks, KeyPoint
from spml_core.classes import IGNORE
from spml_core.training.hints import GridHints

K = 4
SHAPE, GRID, STRIDE = (40, 64), (10, 16), 4
MARGIN = 0.15


def nothing():
    return np.full(GRID, K, np.int64)


def hints(coarse, painted=None):
    return GridHints.of(nothing() if painted is None else painted, coarse, SHAPE, K)


def everywhere():
    return np.stack(np.mgrid[: GRID[0], : GRID[1]], axis=-1).reshape(-1, 2)


def allowed(made):
    table = made.allowed(everywhere())
    return None if table is None else table.reshape(*GRID, K)


def holds(box, row, column):
    """Whether the cell's centre lies in the box; one too small for any centre has the cell of its middle."""

    def along(start, stop, index, count, pixels):
        start, stop = max(start, -0.5), min(stop, pixels - 0.5)
        if start >= stop:
            return False
        centres = [i * STRIDE + (STRIDE - 1) / 2 for i in range(count)]
        if any(start <= centre < stop for centre in centres):
            return start <= centres[index] < stop
        return index == int(((start + stop) / 2 + 0.5) / STRIDE)

    return along(box.top, box.bottom, row, GRID[0], SHAPE[0]) and along(
        box.left, box.right, column, GRID[1], SHAPE[1]
    )


def core_of(box):
    top, left = max(box.top, -0.5), max(box.left, -0.5)
    bottom, right = min(box.bottom, SHAPE[0] - 0.5), min(box.right, SHAPE[1] - 0.5)
    up, across = MARGIN * (bottom - top), MARGIN * (right - left)
    return Box(box.class_index, top + up, left + across, bottom - up, right - across)


def visible_area(box):
    height = min(box.bottom, SHAPE[0] - 0.5) - max(box.top, -0.5)
    return height * (min(box.right, SHAPE[1] - 0.5) - max(box.left, -0.5))


def front_class(boxes, row, column):
    """Of the boxes around a cell the smallest decides: its class in its core, nothing in its margin."""
    around = [box for box in boxes if holds(box, row, column)]
    if not around:
        return 0
    smallest = min(around, key=visible_area)
    return smallest.class_index if holds(core_of(smallest), row, column) else K


BOXES = {
    "one": (Box(1, 8, 8, 28, 40),),
    "nested": (Box(1, 4, 4, 36, 60), Box(2, 12, 16, 28, 40)),
    "nested, the inner first": (Box(2, 12, 16, 28, 40), Box(1, 4, 4, 36, 60)),
    "overlapping": (Box(1, 2, 2, 24, 40), Box(2, 12, 24, 38, 60)),
    "of one class, overlapping": (Box(3, 2, 2, 24, 40), Box(3, 12, 24, 38, 60)),
    "smaller than a cell": (Box(1, 9.0, 21.0, 9.5, 21.4),),
    "smaller than a cell, in another's core": (Box(1, 4, 4, 36, 60), Box(2, 21, 30.2, 21.2, 30.9)),
    "partly outside": (Box(2, -30, 20, 14, 100),),
    "odd places": (Box(1, 3.3, 5.7, 22.9, 31.2), Box(3, 17.5, 29.6, 39.9, 63.1)),
    "the whole picture": (Box(1, 0, 0, 40, 64),),
}


@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES.keys())
def test_boxes_equal_loops(boxes):
    made = hints(CoarseMarks(boxes=boxes))
    table = allowed(made)
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            around = [box for box in boxes if holds(box, row, column)]
            assert made.labels[row, column] == (K if around else 0)
            assert made.guesses[row, column] == front_class(boxes, row, column)
            classes = {0} | {box.class_index for box in around}
            assert set(np.flatnonzero(table[row, column])) == classes


def test_every_box_gets_a_guess_however_small():
    for size in (0.01, 0.5, 3, 4, 5, 12):
        for top in (0, 1.7, 3.9, 36):
            made = hints(CoarseMarks(boxes=(Box(2, top, 11.3, top + size, 11.3 + size),)))
            assert (made.guesses == 2).any()


def test_a_box_outside_the_picture_says_nothing():
    outside = Box(1, 50, 5, 60, 20)
    made = hints(CoarseMarks(boxes=(outside,)))
    assert (made.labels == K).all() and (made.guesses == K).all() and made.allowed(everywhere()) is None
    inside = Box(2, 8, 8, 28, 40)
    both, alone = (hints(CoarseMarks(boxes=boxes)) for boxes in ((outside, inside), (inside,)))
    np.testing.assert_array_equal(both.labels, alone.labels)
    np.testing.assert_array_equal(both.guesses, alone.guesses)
    np.testing.assert_array_equal(allowed(both), allowed(alone))


def test_what_is_painted_wins():
    painted = nothing()
    painted[0, :4], painted[4, 4], painted[5, 5:7] = 1, 0, IGNORE
    coarse = CoarseMarks((Box(1, 8, 8, 28, 40),), (KeyPoint(2, 21, 25, 60),), (1, 2), True)
    made = hints(coarse, painted)
    there = painted != K
    np.testing.assert_array_equal(made.labels[there], painted[there])
    np.testing.assert_array_equal(made.guesses[there], painted[there])
    assert (made.labels[~there] == 2).any() and (made.guesses[~there] == 1).any()


@pytest.mark.parametrize("word", ["painted", "tagged"])
def test_a_class_without_a_box_may_be_anywhere(word):
    """Then background outside the boxes is a guess and no label, and the class stays possible there."""
    painted, coarse = nothing(), CoarseMarks(boxes=(Box(1, 8, 8, 28, 40),))
    if word == "painted":
        painted[0, 15] = 3
    else:
        coarse = dataclasses.replace(coarse, tags=(1, 3), complete=True)
    made = hints(coarse, painted)
    free = painted == K
    assert (made.labels[free] == K).all()
    assert made.guesses[9, 0] == 0 and made.guesses[4, 5] == 1
    table = allowed(made)
    assert table[..., 3].all() and table[..., 0].all() and not table[..., 2].any()
    assert table[4, 5, 1] and not table[9, 0, 1]


def test_a_painted_class_with_a_box_leaves_background_sure():
    painted = nothing()
    painted[4, 4], painted[9, 15] = 1, 0
    made = hints(CoarseMarks(boxes=(Box(1, 8, 8, 28, 40),)), painted)
    assert made.labels[9, 0] == 0


def test_key_points_equal_a_loop():
    points = (KeyPoint(1, 12, 14, 60), KeyPoint(2, 20, 40, 60))
    made = hints(CoarseMarks(key_points=points))
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            y, x = (i * STRIDE + (STRIDE - 1) / 2 for i in (row, column))
            heights = [
                math.exp(-((y - p.y) ** 2 + (x - p.x) ** 2) / (2 * (0.1 * p.size) ** 2)) for p in points
            ]
            best = int(np.argmax(heights))
            near = points[best].class_index if heights[best] >= 0.8 else K
            assert made.labels[row, column] == near
            assert made.guesses[row, column] == (0 if heights[best] < 0.05 else near)
    assert set(np.unique(made.guesses)) == {0, 1, 2, K}
    table = allowed(made)
    assert table[..., [0, 1, 2]].all() and not table[..., 3].any()


def test_tags_label_nothing_and_rule_out_only_if_they_are_complete():
    for complete in (True, False):
        made = hints(CoarseMarks(tags=(1, 3), complete=complete))
        assert (made.labels == K).all() and (made.guesses == K).all()
        table = allowed(made)
        if complete:
            assert table[..., [0, 1, 3]].all() and not table[..., 2].any()
        else:
            assert table is None


def test_a_painted_class_is_possible_though_the_tags_leave_it_out():
    painted = nothing()
    painted[0, 0] = 2
    table = allowed(hints(CoarseMarks(tags=(1,), complete=True), painted))
    assert table[..., [0, 1, 2]].all() and not table[..., 3].any()


def test_all_kinds_together():
    """Key points go before boxes, a boxed class is only inside its boxes, others where tags or points have them."""
    coarse = CoarseMarks((Box(1, 8, 8, 28, 40),), (KeyPoint(2, 18, 24, 60),), (1, 2, 3), True)
    made = hints(coarse)
    centre = (18 // STRIDE, 24 // STRIDE)
    assert made.labels[centre] == made.guesses[centre] == 2
    assert made.guesses[3, 3] == 1 and made.labels[3, 3] == K, "the core of the box, beyond the point's reach"
    assert made.labels[9, 0] == K and made.guesses[9, 0] == 0
    table = allowed(made)
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            classes = {0, 2, 3} | ({1} if holds(coarse.boxes[0], row, column) else set())
            assert set(np.flatnonzero(table[row, column])) == classes


def test_no_coarse_marks_change_nothing():
    painted = nothing()
    painted[2, 2], painted[3, 3] = 1, IGNORE
    made = hints(CoarseMarks(), painted)
    np.testing.assert_array_equal(made.labels, painted)
    np.testing.assert_array_equal(made.guesses, painted)
    assert made.allowed(everywhere()) is None


def test_boxes_and_key_points_of_the_background_say_nothing():
    marks = [Box(0, 8, 8, 28, 40), KeyPoint(0, 18, 24, 60)]
    assert not CoarseMarks.of(marks)
    assert CoarseMarks.of([*marks, Box(1, 8, 8, 20, 20)]) == CoarseMarks(boxes=(Box(1, 8, 8, 20, 20),))
