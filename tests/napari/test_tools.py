"""Tools in a real viewer, by real mouse events."""

import numpy as np
import pytest
from mouse import MIDDLE, RIGHT
from qtpy.QtCore import QEvent, Qt

from spml_core.annotations import UNTOUCHED, Box, Erasure, KeyPoint, Patch, Point, Scribble
from spml_napari.tools.native import native_canvas
from spml_napari.view_state import Tool


def new_marks(session, before):
    return [mark for number, mark in session.marks().items() if number not in before]


@pytest.fixture
def draw(session):
    """Choose a tool, class 1 and a brush of 4 pixels; the ids of the marks that are there already."""

    def choose(tool):
        session.set_tool(tool)
        session.set_class(1)
        session.set_brush(4)
        return set(session.marks())

    return choose


def test_scribble_is_a_mark_when_the_button_comes_up(canvas, session, mouse, draw):
    before = draw(Tool.SCRIBBLE)
    mouse.press((30, 40))
    mouse.move((30, 50))
    mouse.move((35, 55))
    assert set(session.marks()) == before, "nothing is written while the button is down"
    assert canvas.marks.raster.values[30, 45] == 2, "but it shows already"
    mouse.release((36, 56))
    (mark,) = new_marks(session, before)
    assert isinstance(mark, Scribble)
    assert (mark.class_index, mark.width) == (1, 4)
    np.testing.assert_allclose(mark.points[0], (30, 40), atol=0.2)
    np.testing.assert_allclose(mark.points[-1], (36, 56), atol=0.2)
    assert len(mark.points) == 4


def test_press_without_movement_leaves_a_dot(canvas, session, mouse, draw):
    before = draw(Tool.SCRIBBLE)
    mouse.click((30, 40))
    (mark,) = new_marks(session, before)
    assert isinstance(mark, Scribble) and len(mark.points) == 1
    assert canvas.marks.raster.values[30, 40] == 2


@pytest.mark.parametrize("tool", [Tool.SCRIBBLE, Tool.POINT, Tool.KEY_POINT, Tool.BOX, Tool.ERASE])
def test_press_outside_the_picture_does_nothing(canvas, session, mouse, draw, tool):
    before = draw(tool)
    camera = canvas.viewer.scene.camera
    center = camera.center
    mouse.drag((10, -6), (20, 5), (30, 10))
    assert set(session.marks()) == before
    assert not canvas.controller.is_drawing
    assert camera.center == center, "nor does the picture move"


def test_line_that_leaves_and_comes_back_draws_nothing_between(canvas, session, mouse, draw):
    before = draw(Tool.SCRIBBLE)
    mouse.drag((5, 10), (-8, 10), (-8, 50), (5, 50))
    marks = new_marks(session, before)
    assert len(marks) == 2
    assert canvas.marks.raster.values[2, 10] == canvas.marks.raster.values[2, 50] == 2
    assert (canvas.marks.raster.values[0:5, 20:40] == 0).all()
    assert len([entry for entry in session.project.history() if entry.note == "Scribble leaf"]) == 1


@pytest.mark.parametrize("how", ["right button", "escape"])
def test_cancel_leaves_no_trace(canvas, session, mouse, draw, how):
    before = draw(Tool.SCRIBBLE)
    raster = canvas.marks.raster.values.copy()
    mouse.press((10, 20))
    mouse.move((30, 40))
    assert (canvas.marks.raster.values != raster).any()
    if how == "escape":
        assert canvas.cancel()
    else:
        mouse.press((30, 40), RIGHT)
        mouse.release((30, 40), RIGHT)
    np.testing.assert_array_equal(canvas.marks.raster.values, raster)
    mouse.move((32, 44))
    mouse.release((32, 44))
    assert set(session.marks()) == before
    np.testing.assert_array_equal(canvas.marks.raster.values, raster)
    assert not canvas.cancel()
    mouse.click((30, 40))
    assert len(new_marks(session, before)) == 1, "the next stroke is drawn as ever"


def test_second_stroke_soon_after_the_first_is_no_double_click(canvas, session, mouse, draw):
    before = draw(Tool.POINT)
    zoom = canvas.viewer.scene.camera.zoom
    mouse.click((30, 40))
    mouse.press((30.5, 40), kind=QEvent.Type.MouseButtonDblClick)
    mouse.release((30.5, 40))
    assert len(new_marks(session, before)) == 2
    assert canvas.viewer.scene.camera.zoom == zoom


def test_point(canvas, session, mouse, draw):
    before = draw(Tool.POINT)
    mouse.click((12, 34))
    (mark,) = new_marks(session, before)
    assert isinstance(mark, Point) and mark.class_index == 1
    np.testing.assert_allclose((mark.y, mark.x), (12, 34), atol=0.2)
    np.testing.assert_allclose(canvas.marks.points.data[-1], (mark.y, mark.x))


def test_box_surrounds_the_pixels_and_stays_in_the_picture(canvas, session, mouse, draw):
    before = draw(Tool.BOX)
    mouse.press((40, 50))
    mouse.move((20, 70))
    assert canvas.pointer.layer.data[20, 55] == 2, "the box shows while it is drawn"
    mouse.release((20, 70))
    assert new_marks(session, before) == [Box(1, 20, 50, 41, 64)]
    assert not canvas.pointer.layer.data.any()
    assert len(canvas.marks.boxes.data) == 2


def test_too_small_a_box_is_a_slip(canvas, session, mouse, draw):
    before = draw(Tool.BOX)
    said = []
    canvas.said.connect(said.append)
    mouse.click((20, 20))
    assert set(session.marks()) == before and said


def test_erase_rubs_out_paint(canvas, session, mouse, draw):
    before = draw(Tool.ERASE)
    assert canvas.marks.raster.values[10, 30] == 1
    mouse.press((4, 30))
    mouse.move((14, 30))
    assert canvas.marks.raster.values[10, 30] == 0
    mouse.release((14, 30))
    (mark,) = new_marks(session, before)
    assert isinstance(mark, Erasure)
    assert canvas.marks.raster.values[10, 30] == 0 and canvas.marks.raster.values[10, 20] == 1
    session.undo()
    assert canvas.marks.raster.values[10, 30] == 1


@pytest.mark.parametrize(("place", "kind"), [((30, 20), Point), ((34, 30), Box)])
def test_erase_takes_points_and_boxes_away(canvas, session, mouse, draw, place, kind):
    before = draw(Tool.ERASE)
    mouse.click(place)
    after = session.marks()
    assert set(after) < before
    assert not any(isinstance(mark, kind) for mark in after.values())
    session.undo()
    assert set(session.marks()) == before


def test_erase_of_paint_and_a_point_is_one_step(canvas, session, mouse, draw):
    before = draw(Tool.ERASE)
    steps = len(session.project.history())
    mouse.drag((8, 20), (30, 20))
    kinds = [type(mark) for mark in session.marks().values()]
    assert Erasure in kinds
    assert Point not in kinds
    assert len(session.project.history()) == steps + 1
    session.undo()
    assert set(session.marks()) == before


def test_erase_over_nothing_writes_nothing(canvas, session, mouse, draw):
    draw(Tool.ERASE)
    steps = len(session.project.history())
    mouse.drag((20, 5), (25, 12))
    mouse.drag((34, 40), (36, 50))  # inside the box
    assert len(session.project.history()) == steps


def test_erase_reaches_accepted_predictions(canvas, session, mouse, draw):
    session.accept(np.full((48, 64), 2, np.uint8))
    before = draw(Tool.ERASE)
    assert not canvas.marks.raster.values[20:24, 4:14].any(), "they aren't painted over the picture"
    mouse.drag((22, 5), (22, 12))
    assert [type(mark) for mark in new_marks(session, before)] == [Erasure]
    assert session.project.weak_labels(session.picture)[22, 8] == len(session.classes)


def test_pick_gives_segments_the_class(canvas, session, mouse, draw):
    regions = np.arange(48 * 64, dtype=np.int32).reshape(48, 64) // 64 // 12 * 4
    regions += np.arange(64, dtype=np.int32) // 16
    before = draw(Tool.PICK)
    said = []
    canvas.said.connect(said.append)
    mouse.click((5, 5))
    assert set(session.marks()) == before and "segments" in said[-1]
    canvas.regions_provider = lambda: regions
    canvas.regions_changed()
    mouse.move((5, 20))
    np.testing.assert_array_equal(canvas.pointer.layer.data > 0, regions == regions[5, 20])
    mouse.drag((5, 20), (16, 20))
    (mark,) = new_marks(session, before)
    assert isinstance(mark, Patch)
    picked = np.isin(regions, (regions[5, 20], regions[16, 20]))
    painted = np.full(regions.shape, UNTOUCHED)
    height, width = mark.labels.shape
    painted[mark.top : mark.top + height, mark.left : mark.left + width] = mark.labels
    np.testing.assert_array_equal(painted, np.where(picked, 1, UNTOUCHED))


def test_why_asks_about_the_place(canvas, session, mouse, draw):
    draw(Tool.WHY)
    asked = []
    canvas.on_why = lambda y, x: asked.append((y, x))
    mouse.click((12, 34))
    np.testing.assert_allclose(asked, [(12, 34)], atol=0.2)


def test_only_the_move_tool_moves_by_the_left_button_but_the_middle_one_always(canvas, session, mouse, draw):
    camera = canvas.viewer.scene.camera
    before = draw(Tool.SCRIBBLE)
    assert not camera.mouse_pan
    start = np.array(camera.center)
    mouse.drag((20, 20), (25, 30), button=MIDDLE)
    np.testing.assert_allclose(np.array(camera.center) - start, (0, -5, -10), atol=0.3)
    assert set(session.marks()) == before
    session.set_tool(Tool.MOVE)
    assert camera.mouse_pan


def test_selecting_a_layer_does_not_make_the_left_button_move_again(canvas, session, draw):
    draw(Tool.SCRIBBLE)
    for layer in canvas.viewer.layers:
        canvas.viewer.layers.selection.active = layer
        assert not canvas.viewer.scene.camera.mouse_pan


def test_wheel_zooms_and_with_shift_or_control_sizes_the_brush(canvas, session, mouse, draw):
    draw(Tool.SCRIBBLE)
    camera = canvas.viewer.scene.camera
    zoom = camera.zoom
    for modifier in (Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier):
        brush = session.brush
        mouse.wheel((20, 20), 1, modifier)
        assert session.brush > brush
        mouse.wheel((20, 20), -1, modifier)
        assert session.brush == brush
    mouse.qtbot.wait(50)
    assert camera.zoom == zoom
    mouse.wheel((20, 20), 1)
    mouse.qtbot.waitUntil(lambda: camera.zoom > zoom)


def test_picture_that_changes_in_mid_stroke_keeps_the_stroke(canvas, session, mouse, draw):
    before = draw(Tool.SCRIBBLE)
    first, second = session.picture, session.project.picture("second")
    mouse.press((20, 20))
    mouse.move((20, 30))
    session.go_to(second.id)
    mouse.move((25, 35))
    mouse.release((30, 40))
    assert session.marks() == {}
    (mark,) = [mark for number, mark in session.project.marks(first.id).items() if number not in before]
    np.testing.assert_allclose(mark.points, [(20, 20), (20, 30)], atol=0.2)


def test_undo_in_mid_stroke_takes_that_stroke_back(canvas, session, mouse, draw):
    before = draw(Tool.SCRIBBLE)
    raster = canvas.marks.raster.values.copy()
    mouse.press((20, 20))
    mouse.move((20, 30))
    session.undo()
    mouse.release((20, 30))
    assert set(session.marks()) == before
    np.testing.assert_array_equal(canvas.marks.raster.values, raster)


def test_a_mark_that_cannot_be_written_goes_from_the_screen(canvas, session, mouse, draw, monkeypatch):
    from spml_core.errors import StorageError

    draw(Tool.SCRIBBLE)
    raster = canvas.marks.raster.values.copy()
    told = []
    session.reported.connect(lambda level, text: told.append(text))

    def full(*_):
        raise StorageError("The disk is full.", "Free some space.")

    monkeypatch.setattr(session.project, "add_marks", full)
    mouse.drag((20, 20), (20, 30))
    np.testing.assert_array_equal(canvas.marks.raster.values, raster)
    assert told == ["The disk is full. Free some space."]


def test_cursor_shows_the_brush_and_leaves_it_to_napari_where_it_is_too_large(canvas, session, draw, qtbot):
    native = native_canvas(canvas.viewer)
    draw(Tool.SCRIBBLE)
    zoom = canvas.viewer.scene.camera.zoom
    assert abs(native.cursor().pixmap().width() - 4 * zoom) < 8
    canvas.viewer.scene.camera.zoom = zoom / 2
    qtbot.wait(50)
    assert abs(native.cursor().pixmap().width() - 2 * zoom) < 8, "napari sets its own cursor when it zooms"
    canvas.viewer.scene.camera.zoom = 10
    session.set_brush(40)
    assert canvas.viewer.cursor.style == "circle" and canvas.viewer.cursor.size == 40
    session.set_tool(Tool.BOX)
    assert canvas.viewer.cursor.style == "standard"
    assert native.cursor().shape() == Qt.CursorShape.CrossCursor


def test_box_and_key_point_of_the_background_are_refused_in_words(canvas, session, mouse, draw):
    told = []
    session.reported.connect(lambda level, text: told.append((level, text)))
    for tool, word in ((Tool.BOX, "box"), (Tool.KEY_POINT, "key point")):
        before = draw(tool)
        session.set_class(0)
        mouse.press((20, 20))
        mouse.move((40, 40))
        assert not canvas.pointer.layer.data.any()
        mouse.release((40, 40))
        assert set(session.marks()) == before
        level, text = told.pop()
        assert level == "info" and "“background”" in text and f"no {word}" in text


def test_key_point_by_click_and_drag(canvas, session, mouse, draw):
    before = draw(Tool.KEY_POINT)
    mouse.click((12, 34))
    (first,) = new_marks(session, before)
    assert isinstance(first, KeyPoint) and first.class_index == 1
    assert first.size == pytest.approx(48 / 6)
    np.testing.assert_allclose((first.y, first.x), (12, 34), atol=0.2)
    mouse.press((24, 32))
    mouse.move((24, 44))
    shown = np.argwhere(canvas.pointer.layer.data == 2)
    reach = np.hypot(*(shown - (24, 32)).T).max()
    assert abs(reach - 12) < 1.5, "the circle goes through the cursor"
    mouse.release((24, 44))
    assert not canvas.pointer.layer.data.any()
    second = new_marks(session, before)[1]
    assert second.size == pytest.approx(12 * np.sqrt(np.pi), rel=0.05), "the object is as large as the circle"
    mouse.click((30, 50))
    assert new_marks(session, before)[2].size == second.size, "a click takes the last size"
    assert session.project.history()[-1].note == "Key point leaf"


def test_key_point_shows_as_ring_and_cross_in_its_class_colour(canvas, session, mouse, draw):
    draw(Tool.KEY_POINT)
    layer = canvas.marks.key_points
    assert not layer.visible
    mouse.drag((24, 32), (24, 44))
    assert layer.visible and len(layer.data) == 2
    np.testing.assert_allclose(layer.data, [(24, 32)] * 2, atol=0.2)
    assert [str(symbol) for symbol in layer.symbol] == ["disc", "cross"]
    color = np.array(session.classes.classes[1].color) / 255
    np.testing.assert_allclose(layer.border_color[0][:3], color, atol=0.01)
    np.testing.assert_allclose(layer.face_color[1], [*color, 1], atol=0.01)
    assert layer.face_color[0][3] == 0, "one sees through the ring"
    session.edit_classes(lambda project: project.recolor_class(1, (1, 2, 3)), "recoloured")
    np.testing.assert_allclose(layer.border_color[0][:3] * 255, (1, 2, 3), atol=0.01)
    session.undo()
    session.undo()
    assert not layer.visible and len(layer.data) == 0


def test_key_point_that_is_taken_back_leaves_no_trace(canvas, session, mouse, draw):
    before = draw(Tool.KEY_POINT)
    mouse.press((20, 20))
    mouse.move((30, 30))
    assert canvas.cancel()
    assert not canvas.pointer.layer.data.any()
    mouse.release((30, 30))
    assert set(session.marks()) == before


def test_key_point_is_erased_at_its_centre_and_not_at_its_rim(canvas, session, mouse, draw):
    before = draw(Tool.KEY_POINT)
    mouse.drag((24, 12), (24, 28))
    draw(Tool.ERASE)
    mouse.click((40, 12))
    assert len(new_marks(session, before)) == 1
    mouse.click((24, 12))
    assert set(session.marks()) == before
    session.undo()
    assert isinstance(new_marks(session, before)[0], KeyPoint)
