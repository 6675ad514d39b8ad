"""What lies over the picture, without a viewer."""

import itertools

import numpy as np
import pytest

from spml_core.annotations import UNTOUCHED, Box, Erasure, Patch, Point, Scribble, rasterize
from spml_core.classes import IGNORE, ClassTable
from spml_napari.layers.colors import label_colormap
from spml_napari.layers.geometry import Window, placement, to_raster
from spml_napari.layers.marks_raster import VOID, MarksRaster
from spml_napari.layers.outlines import outlines
from spml_napari.layers.overlay import overlay_values
from spml_napari.tools.erase import is_hit
from spml_napari.tools.line import cut_to_picture
from spml_napari.view_state import OverlayMode, ShownPrediction

SHAPE = (50, 70)


def random_marks(rng, count, num_classes=4):
    marks = {}
    for number in range(count):
        points = tuple(map(tuple, np.round(rng.uniform((-5, -5), (55, 75), (rng.integers(1, 5), 2)), 2)))
        kind = rng.integers(6)
        if kind == 0:
            marks[number] = Erasure(points, float(rng.integers(1, 12)))
        elif kind == 1:
            codes = rng.choice([0, 1, 2, 3, UNTOUCHED, IGNORE], (12, 20)).astype(np.uint8)
            marks[number] = Patch(int(rng.integers(38)), int(rng.integers(50)), codes)
        else:
            marks[number] = Scribble(int(rng.integers(num_classes)), points, float(rng.integers(1, 12)))
    return marks


def painted(marks, num_classes=4):
    labels = rasterize(marks.values(), SHAPE, num_classes)
    values = labels + np.uint8(1)
    values[labels == num_classes] = 0
    values[labels == IGNORE] = VOID
    return values


@pytest.mark.parametrize("seed", range(5))
def test_raster_follows_any_change_as_if_painted_anew(seed):
    rng = np.random.default_rng(seed)
    everything = random_marks(rng, 14)
    raster = MarksRaster(*SHAPE)
    for _ in range(12):
        kept = {number: mark for number, mark in everything.items() if rng.random() < 0.6}
        before = raster.values.copy()
        touched = raster.follow(kept)
        np.testing.assert_array_equal(raster.values, painted(kept))
        changed = before != raster.values
        changed[touched.slices] = False
        assert not changed.any(), "the part that is sent to the screen covers all that changed"


def test_pieces_of_a_line_paint_what_the_whole_line_does():
    points = ((5.0, 5.0), (20.0, 40.25), (44.5, 60.0), (10.0, 66.0))
    whole, piecewise = MarksRaster(*SHAPE), MarksRaster(*SHAPE)
    whole.follow({1: Scribble(2, points, 7.0)})
    piecewise.draw(points[:1], 7.0, 2)
    for piece in itertools.pairwise(points):
        piecewise.draw(piece, 7.0, 2)
    np.testing.assert_array_equal(whole.values, piecewise.values)


def test_what_was_drawn_goes_when_its_part_is_repainted():
    raster = MarksRaster(*SHAPE)
    raster.follow({1: Scribble(0, ((10, 10), (10, 60)), 5)})
    before = raster.values.copy()
    touched = raster.draw(((5, 30), (40, 30)), 6, 3)
    assert (raster.values != before).any()
    raster.repaint(touched)
    np.testing.assert_array_equal(raster.values, before)


def test_accepted_predictions_points_and_boxes_are_not_painted():
    raster = MarksRaster(*SHAPE)
    everywhere = Patch(0, 0, np.zeros(SHAPE, np.uint8), accepted="picture")
    raster.follow({1: everywhere, 2: Point(1, 5, 5), 3: Box(1, 5, 5, 20, 20)})
    assert not raster.values.any()


@pytest.mark.parametrize("shrink", [2, 3])
def test_shrunken_raster_shows_each_mark_where_the_picture_has_it(shrink):
    marks = {1: Scribble(1, ((12, 6), (12, 60)), 9), 2: Patch(30, 31, np.full((11, 13), 3, np.uint8))}
    raster = MarksRaster(*SHAPE, shrink)
    raster.follow(marks)
    assert raster.values.shape == (-(-SHAPE[0] // shrink), -(-SHAPE[1] // shrink))
    full = painted(marks)
    height, width = SHAPE[0] // shrink, SHAPE[1] // shrink
    blocks = full[: height * shrink, : width * shrink].reshape(height, shrink, width, shrink)
    uniform = blocks.max((1, 3)) == blocks.min((1, 3))
    small = raster.values[:height, :width]
    np.testing.assert_array_equal(small[uniform], blocks.max((1, 3))[uniform])
    assert (small > 0).any() and uniform.mean() > 0.8


def test_layers_of_any_shrink_cover_the_picture():
    for shrink in (1, 2, 5):
        place = placement(shrink)
        first = to_raster(0, shrink)
        # World place of raster row r is r * scale + translate: row 0 of the picture must come out as row 0.
        assert first * place["scale"][0] + place["translate"][0] == pytest.approx(0)
        assert -0.5 * place["scale"][0] + place["translate"][0] == pytest.approx(-0.5)


def test_window_joins_and_meets():
    window = Window(2, 3, 5, 9)
    assert window.joined(Window(0, 0, 0, 0)) == window
    assert window.joined(Window(4, 1, 8, 4)) == Window(2, 1, 8, 9)
    assert window.meets(Window(4, 8, 9, 9)) and not window.meets(Window(5, 3, 9, 9))


def test_outlines_keep_rims_of_the_asked_width():
    labels = np.ones((20, 30), np.uint8)
    labels[:, 15:] = 2
    for width in (1, 3):
        rims = outlines(labels, width)
        expected = np.zeros_like(labels)
        expected[:, 15 - width : 15] = 1
        expected[:, 15 : 15 + width] = 2
        np.testing.assert_array_equal(rims, expected)


def test_overlay_shows_classes_and_only_what_differs():
    labels = np.array([[0, 1], [2, IGNORE]], np.uint8)
    shown = ShownPrediction(1, "r", 1, labels)
    values = overlay_values(shown, OverlayMode.CLASSES, 0)
    np.testing.assert_array_equal(values, [[1, 2], [3, 0]])
    assert not overlay_values(shown, OverlayMode.DIFFERENCE, 0).any()
    compared = ShownPrediction(1, "r", 1, labels, difference=np.array([[False, True], [False, True]]))
    values = overlay_values(compared, OverlayMode.DIFFERENCE, 0)
    np.testing.assert_array_equal(values, [[0, 2], [0, 0]])


def test_colormap_has_class_colors_and_leaves_hidden_ones_clear():
    classes = ClassTable.from_names(["a", "b", "c"])
    colormap = label_colormap(classes, {1})
    colors = colormap.map(np.array([0, 1, 2, 3, 4]))
    np.testing.assert_allclose(colors[1], (*np.array(classes.classes[0].color) / 255, 1), atol=1e-6)
    np.testing.assert_allclose(colors[3], (*np.array(classes.classes[2].color) / 255, 1), atol=1e-6)
    assert (colors[[0, 2, 4], 3] == 0).all()


def test_line_is_cut_where_it_leaves():
    inside = [(5, 5), (10, 10), (15, 12)]
    assert cut_to_picture(inside, 50, 70, 2) == [tuple(inside)]
    # Out at the left, around, and in at the top: nothing may be drawn straight through the corner.
    around = [(20, 5), (20, -30), (-30, -30), (-30, 20), (5, 20)]
    assert cut_to_picture(around, 50, 70, 2) == [((20, 5), (20, -30)), ((-30, 20), (5, 20))]
    assert cut_to_picture([(-10, 5)], 50, 70, 2) == []
    assert cut_to_picture([(-2, 5)], 50, 70, 2) == [((-2, 5),)]
    across = [(-20, 30), (80, 30)]
    assert cut_to_picture(across, 50, 70, 2) == [tuple(across)]


@pytest.mark.parametrize(
    ("line", "hits"),
    [
        ([(10, 20)], True),  # on the upper edge
        ([(15, 20)], False),  # in the middle of the box
        ([(15, 20), (40, 20)], True),  # through the lower edge
        ([(0, 0), (60, 0)], False),
        ([(15, 8), (15, 9)], True),  # near the left edge
    ],
)
def test_boxes_are_hit_at_their_outline(line, hits):
    assert is_hit(Box(0, 10, 10, 20, 30), line, 2.0) is hits


def test_points_are_hit_in_their_middle():
    assert is_hit(Point(0, 10, 10), [(0, 0), (20, 20)], 1.0)
    assert not is_hit(Point(0, 10, 13), [(0, 0), (20, 20)], 1.0)
