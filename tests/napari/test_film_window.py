"""Films in the whole window: opened, added, dropped, made of layers, listed in one row, gone through by keys."""

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from spml_core.annotations import Point
from spml_core.films import open_film, write_zarr_film
from spml_core.project import Project
from spml_napari.docks.rows import FILM_ROLE, STRIP_ROLE, SUBTITLE_ROLE
from spml_napari.film_layers import film_data
from spml_napari.tools.native import drop_target, native_canvas

LONG = 30_000


@pytest.fixture
def app(arrangement):
    arrangement.bench.told = told = []
    arrangement.bench.session.reported.connect(lambda level, text: told.append(text))
    return arrangement


@pytest.fixture
def opened(app, film_project, qtbot):
    """The window with the film in it, frame 12 on the canvas."""
    film_project.close()
    assert app.bench.session.open(film_project.path)
    qtbot.waitUntil(lambda: app.bench.canvas.is_ready, timeout=LONG)
    return app


@pytest.fixture
def stack(tmp_path):
    """A film in a zarr array, 6 frames in colour."""
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (6, 32, 40, 3), dtype=np.uint8)
    return write_zarr_film(frames, tmp_path / "moving.zarr"), frames


def press(app, key, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(native_canvas(app.viewer), key, modifiers)


def drop(app, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    target = drop_target(app.viewer)
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    # Qt brings a drop to the widget that accepted the drag when it came in.
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(10, 10), *how))
    QApplication.sendEvent(target, QDropEvent(QPointF(10, 10), *how))


# Going through ------------------------------------------------------------------------------------------


def test_the_film_bar_is_there_for_frames_only(app, small_project, film_folder, qtbot):
    small_project.add_film(film_folder)
    small_project.close()
    session = app.bench.session
    qtbot.waitUntil(lambda: app.docks["film"].isHidden(), timeout=LONG)
    session.open(small_project.path)
    assert session.picture.name == "first"
    assert app.docks["film"].isHidden()
    session.go_to_film(session.project.films[0])
    assert not app.docks["film"].isHidden()
    qtbot.waitUntil(lambda: app.bench.canvas.is_ready, timeout=LONG)
    assert app.docks["film"].y() < app.docks["keys"].y()
    assert app.docks["film"].width() >= app.window.width() - 20
    session.step(1)
    assert app.docks["film"].isHidden()


def test_keys_step_and_play(opened, qtbot):
    session, player = opened.bench.session, opened.bench.player
    shift = Qt.KeyboardModifier.ShiftModifier
    for key, modifiers, index in (
        (Qt.Key.Key_Period, Qt.KeyboardModifier.NoModifier, 13),
        (Qt.Key.Key_Comma, Qt.KeyboardModifier.NoModifier, 12),
        (Qt.Key.Key_Greater, shift, 22),  # American keyboards
        (Qt.Key.Key_Semicolon, shift, 12),  # German ones
        (Qt.Key.Key_Comma, shift, 2),
        (Qt.Key.Key_Period, shift, 12),
    ):
        press(opened, key, modifiers)
        assert session.frame_index == index
    press(opened, Qt.Key.Key_L)
    assert player.is_playing
    press(opened, Qt.Key.Key_L)
    assert not player.is_playing
    bar = opened.bench.docks["keys"]
    assert any("Frame back" in hint.text for hint in bar.strip._hints)


def test_the_keys_of_films_are_left_alone_on_pictures(app, small_project):
    small_project.close()
    session = app.bench.session
    session.open(small_project.path)
    before = session.picture
    press(app, Qt.Key.Key_Period)
    press(app, Qt.Key.Key_L)
    assert session.picture == before
    assert not app.bench.player.is_playing
    assert not any("Frame" in hint.text for hint in app.bench.docks["keys"].strip._hints)


def test_a_film_is_one_row_that_goes_to_the_frame_looked_at_last(opened, qtbot):
    dock, session = opened.bench.docks["pictures"], opened.bench.session
    model = dock.list.model()
    assert model.rowCount() == 1
    row = model.index(0)
    assert row.data() == "flight"
    assert row.data(FILM_ROLE) == session.film
    assert row.data(SUBTITLE_ROLE) == "30 frames"
    assert row.data(STRIP_ROLE).marked == (12,)
    assert dock.list.currentIndex().row() == 0
    session.go_to_frame(5)
    assert dock.list.currentIndex().row() == 0
    session.add_marks([Point(1, 5, 5)], "A point")
    qtbot.waitUntil(lambda: row.data(STRIP_ROLE).marked == (5, 12), timeout=LONG)
    qtbot.waitUntil(lambda: row.data(Qt.ItemDataRole.DecorationRole) is not None, timeout=LONG)
    assert dock.position.text() == "1 of 1"


# Adding -------------------------------------------------------------------------------------------------


def test_a_film_dropped_on_the_picture_goes_into_the_project(opened, stack, qtbot):
    session = opened.bench.session
    layers = len(opened.viewer.layers)
    drop(opened, stack[0])
    qtbot.waitUntil(lambda: len(session.project.films) == 2, timeout=LONG)
    qtbot.waitUntil(lambda: session.film is not None and session.film.name == "moving", timeout=LONG)
    assert session.frame_index == 0
    assert len(opened.viewer.layers) == layers
    assert opened.bench.docks["pictures"].list.model().rowCount() == 2


def test_a_film_dropped_before_there_is_a_project_begins_one(app, stack):
    drop(app, stack[0])
    form = app.bench.docks["welcome"].form
    assert form.isVisible()
    assert form.from_film.isChecked()
    assert form.images.text() == str(stack[0])


def test_the_form_makes_a_project_of_a_film(app, stack, tmp_path, qtbot):
    welcome, session = app.bench.docks["welcome"], app.bench.session
    welcome.ask_for_project(stack[0])
    form = welcome.form
    qtbot.waitUntil(lambda: "6 frames" in form.found.text(), timeout=LONG)
    form.place.setText(str(tmp_path / "made"))
    form.start()
    qtbot.waitUntil(lambda: session.project is not None, timeout=LONG)
    assert [film.name for film in session.project.films] == ["moving"]
    assert session.project.pictures == ()
    assert session.frame_index == 0


def test_the_form_takes_a_folder_as_one_film_if_asked_to(app, film_folder, tmp_path, qtbot):
    welcome, session = app.bench.docks["welcome"], app.bench.session
    welcome.ask_for_project(film_folder)
    form = welcome.form
    assert not form.from_film.isChecked()
    qtbot.waitUntil(lambda: form.found.text() == "30 pictures", timeout=LONG)
    form.one_film.click()
    qtbot.waitUntil(lambda: "30 frames" in form.found.text(), timeout=LONG)
    form.place.setText(str(tmp_path / "made"))
    form.start()
    qtbot.waitUntil(lambda: session.project is not None, timeout=LONG)
    assert [film.count for film in session.project.films] == [30]
    assert session.project.pictures == ()


def test_the_add_menu_adds_a_film(opened, stack, qtbot, monkeypatch):
    from spml_napari.docks import add_button

    dock, session = opened.bench.docks["pictures"], opened.bench.session
    monkeypatch.setattr(add_button, "ask_for_film", lambda _: stack[0])
    action = next(action for action in dock.add.menu().actions() if action.objectName() == "add_film")
    action.trigger()
    qtbot.waitUntil(lambda: len(session.project.films) == 2, timeout=LONG)
    assert not opened.bench.told


# Layers -------------------------------------------------------------------------------------------------


def test_a_lazy_layer_becomes_a_film_in_the_projects_own_folder(opened, stack, qtbot):
    dask_array = pytest.importorskip("dask.array")
    session = opened.bench.session
    lazy = dask_array.from_array(stack[1], chunks=(1, 32, 40, 3))
    layer = opened.viewer.add_image(lazy, rgb=True, name="my: layer")
    opened.bench.add_layer_as_film(layer)
    qtbot.waitUntil(lambda: len(session.project.films) == 2, timeout=LONG)
    film = next(film for film in session.project.films if film.name != "flight")
    assert film.path.parent == session.project.path / "films"
    assert film.count == 6
    with open_film(film.path) as read:
        assert np.array_equal(read.frame(4), stack[1][4])


def test_a_layer_read_from_a_film_is_that_film(opened, stack, qtbot, monkeypatch):
    from napari.layers import Image

    session = opened.bench.session
    layer = Image(stack[1], rgb=True, name="other")
    monkeypatch.setattr(Image, "source", property(lambda self: type("S", (), {"path": str(stack[0])})()))
    opened.bench.add_layer_as_film(layer)
    qtbot.waitUntil(lambda: len(session.project.films) == 2, timeout=LONG)
    assert {film.path for film in session.project.films} >= {stack[0]}


def test_layers_that_are_no_films_are_told_why(opened):
    bench = opened.bench
    bench.add_layer_as_film(None)
    bench.add_layer_as_film(opened.viewer.add_image(np.zeros((20, 20)), name="flat"))
    bench.add_layer_as_film(opened.viewer.add_labels(np.zeros((5, 20, 20), int), name="masks"))
    assert len(bench.told) == 3
    assert "flat" in bench.told[1]
    assert "20 x 20" in bench.told[1]
    assert "masks" in bench.told[2]


def test_the_shapes_that_make_a_film(make_napari_viewer):
    from napari.layers import Image

    assert film_data(Image(np.zeros((7, 20, 24)))).shape == (7, 20, 24)
    assert film_data(Image(np.zeros((7, 20, 24, 3), np.uint8), rgb=True)).shape == (7, 20, 24, 3)
    assert film_data(Image([np.zeros((7, 20, 24)), np.zeros((7, 10, 12))], multiscale=True)).shape == (
        7,
        20,
        24,
    )


def test_a_reopened_project_still_has_its_film_and_marks(opened, qtbot):
    bench = opened.bench
    bench.session.go_to_frame(3)
    bench.session.add_marks([Point(2, 5, 5)], "A point")
    path = bench.session.project.path
    bench.session.close()
    assert opened.docks["film"].isHidden()
    with Project.open(path) as project:
        assert project.marked_frames(project.films[0]) == (3, 12)


# Drops --------------------------------------------------------------------------------------------------


def pictures_in(folder, names):
    folder.mkdir()
    rng = np.random.default_rng(5)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / name)
    return folder


def test_a_folder_of_pictures_dropped_on_a_project_goes_into_it(opened, tmp_path, qtbot):
    session, layers = opened.bench.session, len(opened.viewer.layers)
    drop(opened, pictures_in(tmp_path / "more", ["x.png", "y.png"]))
    qtbot.waitUntil(lambda: [p.name for p in session.project.pictures] == ["x", "y"], timeout=LONG)
    assert len(opened.viewer.layers) == layers
    assert [film.name for film in session.project.films] == ["flight"]


def test_single_pictures_and_films_dropped_together_go_into_the_project(opened, stack, tmp_path, qtbot):
    session, layers = opened.bench.session, len(opened.viewer.layers)
    folder = pictures_in(tmp_path / "more", ["x.png", "y.jpg"])
    drop(opened, folder / "x.png", stack[0], folder / "y.jpg")
    qtbot.waitUntil(lambda: len(session.project.films) == 2, timeout=LONG)
    assert [p.name for p in session.project.pictures] == ["x", "y"]
    assert len(opened.viewer.layers) == layers


def test_a_folder_of_pictures_dropped_before_there_is_a_project_begins_one(app, tmp_path):
    folder = pictures_in(tmp_path / "more", ["x.png"])
    drop(app, folder)
    form = app.bench.docks["welcome"].form
    assert form.isVisible() and form.from_folder.isChecked()
    assert form.images.text() == str(folder)
    assert len(app.viewer.layers) == len([layer for layer in app.viewer.layers if layer.name != "more"])


@pytest.mark.parametrize("kind", ["project", "text", "empty folder"])
def test_what_holds_no_pictures_is_left_to_napari(opened, tmp_path, monkeypatch, kind):
    asked = []
    monkeypatch.setattr(type(opened.viewer), "open", lambda self, path, **how: asked.append(path) or [])
    path = {"project": opened.bench.session.project.path, "text": tmp_path / "a.txt"}.get(
        kind, tmp_path / "e"
    )
    if kind == "text":
        path.write_text("words")
    elif kind == "empty folder":
        path.mkdir()
    drop(opened, path)
    assert opened.bench.session.project.pictures == ()
