"""The canvas follows the session, in a real viewer."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtWidgets import QApplication

from spml_core.annotations import Box, Point, Scribble
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_napari.canvas import Canvas
from spml_napari.layers import pyramid
from spml_napari.session import Session
from spml_napari.tools.native import native_canvas
from spml_napari.view_state import OverlayMode, ShownPrediction, Tool


def pixels_of(record):
    return np.asarray(Image.open(record.path).convert("RGB"))


def names(canvas):
    return [layer.name for layer in canvas.viewer.layers]


def show_labels(session, labels, **more):
    session.show_prediction(ShownPrediction(session.picture.id, "run", 1, labels, **more))


def wait_for_picture(canvas, qtbot):
    qtbot.waitUntil(lambda: canvas._is_ready, timeout=20_000)


def test_picture_and_marks_are_on_the_canvas(canvas, session):
    np.testing.assert_array_equal(canvas.picture.layer.data, pixels_of(session.picture))
    assert names(canvas)[0] == "Picture"
    assert canvas.marks.painted.data[10, 20] == 1
    np.testing.assert_array_equal(canvas.marks.points.data, [(30, 20)])
    np.testing.assert_array_equal(canvas.marks.boxes.data[0].min(0), (23.5, 29.5))
    np.testing.assert_array_equal(canvas.marks.boxes.data[0].max(0), (43.5, 59.5))


def test_undo_and_redo_show_at_once(canvas, session):
    session.undo()
    assert not canvas.marks.painted.data.any()
    assert len(canvas.marks.points.data) == len(canvas.marks.boxes.data) == 0
    session.redo()
    assert canvas.marks.painted.data[10, 20] == 1
    assert len(canvas.marks.points.data) == len(canvas.marks.boxes.data) == 1


def test_what_is_on_the_screen_is_what_the_layers_hold(canvas, session, qtbot):
    """A mark made by the session shows in the canvas's pixels, although only a part of the layer was sent there."""
    session.add_marks([Scribble(1, ((40, 20), (40, 40)), 8)], "Scribble")
    qtbot.wait(100)
    image = np.asarray(canvas.viewer.screenshot(canvas_only=True, flash=False))
    height, width = image.shape[:2]
    camera = canvas.viewer.scene.camera
    # A screen may have more pixels than Qt counts.
    ratio = width / native_canvas(canvas.viewer).width()
    row = height / 2 + (40 - camera.center[1]) * camera.zoom * ratio
    column = width / 2 + (30 - camera.center[2]) * camera.zoom * ratio
    seen = image[round(row), round(column), :3].astype(float)
    wanted = np.array(session.classes.classes[1].color)
    assert np.abs(seen - wanted).max() < 0.2 * 255


def test_another_picture_takes_its_own_marks_along(canvas, session, qtbot):
    layers = list(canvas.viewer.layers)
    session.go_to(session.project.picture("third").id)
    wait_for_picture(canvas, qtbot)
    np.testing.assert_array_equal(canvas.picture.layer.data, pixels_of(session.picture))
    assert canvas.marks.painted.data.shape == (60, 40) and not canvas.marks.painted.data.any()
    assert len(canvas.marks.points.data) == len(canvas.marks.boxes.data) == 0
    assert list(canvas.viewer.layers) == layers, "no layer is made anew"
    session.go_to(session.project.picture("first").id)
    assert canvas._is_ready, "it was kept"
    assert canvas.marks.painted.data[10, 20] == 1


def test_naparis_own_undo_reaches_no_mark(canvas, session, qtbot):
    painted = canvas.marks.painted
    session.add_marks([Scribble(1, ((40, 20), (40, 40)), 8)], "Scribble")
    session.go_to(session.project.picture("second").id)
    wait_for_picture(canvas, qtbot)
    before = painted.data.copy()
    painted.undo()
    painted.redo()
    np.testing.assert_array_equal(painted.data, before)
    for layer in (
        painted,
        canvas.overlay.labels,
        canvas.pointer.layer,
        canvas.marks.points,
        canvas.marks.boxes,
    ):
        assert not layer.editable


def test_view_stays_between_pictures_of_one_size_and_fits_others(canvas, session, qtbot):
    camera = canvas.viewer.scene.camera
    camera.zoom, camera.center = 25.0, (0, 12, 15)
    session.step(1)
    wait_for_picture(canvas, qtbot)
    assert camera.zoom == 25.0
    session.step(1)
    wait_for_picture(canvas, qtbot)
    fitted = camera.zoom
    assert fitted != 25.0
    np.testing.assert_allclose(camera.center[1:], (29.5, 19.5), atol=0.1)
    canvas.fit()
    assert camera.zoom == pytest.approx(fitted)
    session.step(-1)
    wait_for_picture(canvas, qtbot)
    session.step(-1)
    assert camera.zoom != pytest.approx(fitted), "an untouched view is fitted to every picture"


def test_nothing_can_be_drawn_until_the_picture_is_there(canvas, session, mouse, executor):
    executor.close()  # no picture comes any more
    session.set_tool(Tool.SCRIBBLE)
    session.go_to(session.project.picture("third").id)
    assert not canvas.picture.layer.visible
    mouse.drag((10, 10), (20, 20))
    assert session.marks() == {}


def test_picture_that_is_gone_is_told_and_the_rest_goes_on(canvas, session, qtbot):
    told = []
    session.reported.connect(lambda level, text: told.append((level, text)))
    third = session.project.picture("third")
    whole = third.path.read_bytes()
    third.path.unlink()
    session.go_to(third.id)
    qtbot.waitUntil(lambda: bool(told))
    assert told[0][0] == "error" and "third" in told[0][1]
    assert not canvas.picture.layer.visible
    session.go_to(session.project.picture("first").id)
    wait_for_picture(canvas, qtbot)
    third.path.write_bytes(whole)
    session.go_to(third.id)
    wait_for_picture(canvas, qtbot)


def test_overlay_follows_prediction_and_view(canvas, session):
    labels = np.zeros((48, 64), np.uint8)
    labels[:, 32:] = 1
    overlay = canvas.overlay
    assert not overlay.labels.visible
    show_labels(session, labels, uncertainty=np.full((48, 64), 9, np.uint8))
    assert overlay.labels.visible and not overlay.heat.visible
    np.testing.assert_array_equal(overlay.labels.data, labels + 1)
    session.view(opacity=0.3)
    assert overlay.labels.opacity == 0.3
    session.view(hidden=frozenset({1}))
    assert overlay.labels.colormap.map(np.array([2]))[0, 3] == 0
    assert overlay.labels.colormap.map(np.array([1]))[0, 3] == 1
    session.view(contour=2)
    assert overlay.labels.data[20, 10] == 0 and overlay.labels.data[20, 31] == 1
    session.view(mode=OverlayMode.UNCERTAINTY)
    assert overlay.heat.visible and not overlay.labels.visible
    assert (overlay.heat.data == 9).all()
    session.view(visible=False)
    assert not overlay.heat.visible
    session.go_to(session.project.picture("second").id)
    session.view(visible=True)
    assert not overlay.heat.visible and not overlay.labels.visible


def test_previews_wait_for_the_stroke_and_for_each_other(canvas, session, mouse, qtbot):
    overlay = canvas.overlay
    first, second, third = (np.full((48, 64), code, np.uint8) for code in (0, 1, 2))
    show_labels(session, first)
    session.set_tool(Tool.SCRIBBLE)
    mouse.press((20, 20))
    show_labels(session, second)
    qtbot.wait(250)
    assert (overlay.labels.data == 1).all()
    mouse.release((20, 20))
    qtbot.waitUntil(lambda: (overlay.labels.data == 2).all())
    for _ in range(20):
        show_labels(session, first)
    show_labels(session, third)
    assert not (overlay.labels.data == 3).all(), "too soon after the last"
    qtbot.waitUntil(lambda: (overlay.labels.data == 3).all())


def test_recoloured_class_recolours_all_layers(canvas, session):
    show_labels(session, np.zeros((48, 64), np.uint8))
    session.edit_classes(lambda project: project.recolor_class(1, (10, 200, 30)), "recoloured")
    wanted = (10 / 255, 200 / 255, 30 / 255, 1)
    for layer in (canvas.marks.painted, canvas.overlay.labels, canvas.pointer.layer):
        np.testing.assert_allclose(layer.colormap.map(np.array([2]))[0], wanted, atol=1e-6)
    np.testing.assert_allclose(canvas.marks.points.face_color[0], wanted, atol=1e-6)
    session.edit_classes(lambda project: project.recolor_class(2, (1, 2, 3)), "recoloured")
    np.testing.assert_allclose(canvas.marks.boxes.edge_color[0][:3], np.array((1, 2, 3)) / 255, atol=1e-6)


def test_cursor_is_told_in_pixels_and_when_it_leaves(canvas, mouse, qtbot):
    with qtbot.waitSignal(canvas.cursor_moved) as moved:
        mouse.move((12, 34))
    np.testing.assert_allclose(moved.args, (12, 34), atol=0.2)
    with qtbot.waitSignal(canvas.cursor_left):
        mouse.move((-5, 34))


def test_layer_that_the_user_removed_comes_back_with_the_next_picture(canvas, session, qtbot):
    canvas.viewer.layers.remove(canvas.marks.painted)
    session.add_marks([Point(0, 5, 5), Scribble(1, ((40, 20), (40, 40)), 8), Box(0, 1, 1, 9, 9)], "Marks")
    session.step(1)
    wait_for_picture(canvas, qtbot)
    assert "Marks" in names(canvas)


def test_closed_project_leaves_an_empty_canvas(canvas, session):
    session.close()
    assert not canvas.picture.layer.visible
    assert not canvas.marks.painted.data.any() and len(canvas.marks.points.data) == 0


def test_center_on_moves_the_pixel_to_the_middle(canvas):
    zoom = canvas.viewer.scene.camera.zoom
    canvas.center_on(7, 9)
    assert canvas.viewer.scene.camera.center[1:] == (7, 9) and canvas.viewer.scene.camera.zoom == zoom


@pytest.fixture
def large_session(tmp_path, monkeypatch):
    """A session on a project whose first picture counts as large and is drawn on at half its size."""
    monkeypatch.setattr(pyramid, "LARGE", 1_000_000)
    folder = tmp_path / "images"
    folder.mkdir()
    y, x = np.mgrid[:1200, :5000]
    pixels = np.stack([x // 20, y // 5, (x + y) // 30], -1).astype(np.uint8)
    tifffile.imwrite(folder / "a-large.tif", pixels, photometric="rgb")
    Image.fromarray(pixels[:50, :60]).save(folder / "small.png")
    with Project.create(tmp_path / "p.spml", folder, ClassTable.from_names(["x", "y"])) as project:
        session = Session()
        session.adopt(project)
        yield session
        session.close()


def test_large_picture_is_shown_by_levels_and_drawn_on(viewer, large_session, executor, qtbot):
    from mouse import Mouse

    session = large_session
    canvas = Canvas(viewer, session, executor)
    qtbot.waitUntil(lambda: canvas.picture.layer.multiscale, timeout=20_000)
    assert session.shrink == 2
    assert canvas.marks.painted.data.shape == (600, 2500)
    for layer in (canvas.picture.layer, canvas.marks.painted):
        extent = layer.extent.world
        np.testing.assert_allclose(extent, [(0, 0), (1199, 4999)], atol=1)
    qtbot.wait(100)
    canvas.fit()
    qtbot.wait(50)
    session.set_tool(Tool.SCRIBBLE)
    session.set_brush(40)
    mouse = Mouse(canvas, qtbot)
    mouse.drag((600, 1000), (600, 2000))
    (mark,) = session.marks().values()
    np.testing.assert_allclose(mark.points, [(600, 1000), (600, 2000)], atol=4)
    assert canvas.marks.painted.data[300, 750] == 1 and canvas.marks.painted.data[320, 750] == 0
    session.step(1)
    wait_for_picture(canvas, qtbot)
    assert not canvas.picture.layer.multiscale
    assert canvas.picture.layer.data.shape == (50, 60, 3)
    assert [layer for layer in viewer.layers if layer.name == "Picture"] == [canvas.picture.layer]
    canvas.close()


def test_closed_canvas_listens_no_more(canvas, session, mouse):
    session.set_tool(Tool.SCRIBBLE)
    canvas.close()
    before = set(session.marks())
    mouse.drag((20, 20), (25, 25))
    assert set(session.marks()) == before
    assert QApplication.instance() is not None
