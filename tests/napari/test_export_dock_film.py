"""The export dock on a frame of a film: its formats, really written, beside those of all pictures."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from answers import make_run, store_prediction
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from spml_core.annotations import Patch
from spml_core.engine.export import FORMATS
from spml_core.io.exports.films import FILM_FORMATS

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))  # pytest puts no test folder there
from small_films import COUNT, SIZE, put, write_video


@pytest.fixture
def film(small_project, tmp_path):
    """A film "clip" of the project, something propagated to all of its frames but the last."""
    film = small_project.add_film(write_video(tmp_path / "v" / "clip.mp4"))
    put(small_project, film, range(COUNT - 1))
    return film


@pytest.fixture
def dock(film, export_dock):
    return export_dock


@pytest.fixture
def on_frame(dock, session, small_project, film):
    """The dock, with frame 2 of the film on the canvas."""
    session.go_to(small_project.frame(film, 2).id)
    return dock


def formats(dock):
    return tuple(dock.format.itemData(i) for i in range(dock.format.count()))


def press(dock, name, qtbot):
    button = dock.findChild(QPushButton, name)
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def export(dock, format_, qtbot):
    dock.format.setCurrentIndex(dock.format.findData(format_))
    press(dock, "export_start", qtbot)
    qtbot.waitUntil(lambda: dock.start.isVisible(), timeout=30_000)


def test_the_film_is_offered_on_its_frames_only(dock, session, small_project, film):
    assert not dock.what.isVisible()
    assert formats(dock) == FORMATS
    session.go_to(small_project.frame(film, 2).id)
    assert dock.what.isVisible()
    assert dock.what.currentText() == "This film"
    assert "Film clip" in dock.state.text()
    assert formats(dock) == FILM_FORMATS
    assert dock.reviewed.text() == "Reviewed frames only"
    for index in range(dock.format.count()):
        dock.format.setCurrentIndex(index)
        assert dock.format.currentText() != dock.format.currentData()
        assert dock.about.text()
    dock.what.setCurrentIndex(dock.what.findData("pictures"))
    assert formats(dock) == FORMATS
    assert dock.reviewed.text() == "Reviewed pictures only"
    session.go_to(small_project.pictures[0].id)
    assert not dock.what.isVisible()
    assert formats(dock) == FORMATS


def test_another_frame_changes_no_choice(on_frame, session, small_project, film):
    on_frame.format.setCurrentIndex(on_frame.format.findData("ome-zarr"))
    session.go_to(small_project.frame(film, 3).id)
    assert on_frame.format.currentData() == "ome-zarr"
    on_frame.what.setCurrentIndex(on_frame.what.findData("pictures"))
    assert on_frame.format.currentData() == "ome-zarr"
    session.go_to(small_project.frame(film, 4).id)
    assert on_frame.what.currentData() == "pictures"


@pytest.mark.parametrize("format_", FILM_FORMATS)
def test_every_format_is_written(on_frame, opened, tmp_path, format_, qtbot):
    export(on_frame, format_, qtbot)
    assert on_frame.told == []
    assert "5 frames exported. 1 of clip have no labels: propagate first." in on_frame.state.text()
    assert any((tmp_path / "out").rglob("*"))
    assert opened == [str(tmp_path / "out")]


def test_all_pictures_from_a_frame(on_frame, small_project, tmp_path, qtbot):
    run = make_run(small_project)
    for record in small_project.pictures:
        store_prediction(small_project, run, record.name, np.zeros((record.height, record.width), np.uint8))
    on_frame.what.setCurrentIndex(on_frame.what.findData("pictures"))
    export(on_frame, "index-png", qtbot)
    assert "3 pictures exported." in on_frame.state.text()
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.png")) == ["first", "second", "third"]


def test_reviewed_frames_only(on_frame, session, small_project, film, tmp_path, qtbot):
    on_frame.reviewed.setChecked(True)
    assert "0 reviewed frames" in on_frame.state.text()
    mask = Patch(0, 0, np.full(SIZE, 2, np.uint8), accepted="picture")
    assert session.add_marks([mask], "Accept")
    assert "1 reviewed frames" in on_frame.state.text()
    export(on_frame, "index-png", qtbot)
    assert [path.stem for path in (tmp_path / "out").glob("*.png")] == ["clip_000002"]
    on_frame.what.setCurrentIndex(on_frame.what.findData("pictures"))
    assert "0 reviewed pictures" in on_frame.state.text()


def test_the_films_own_folder_is_refused_in_words(on_frame, film, opened, qtbot):
    on_frame.folder.setText(str(film.path.parent))
    export(on_frame, "overlay-mp4", qtbot)
    level, text = on_frame.told[-1]
    assert level == "error"
    assert "holds films of the project" in text
    assert opened == []
    assert [path.name for path in film.path.parent.iterdir()] == ["clip.mp4"]


def test_cancelling_leaves_nothing_half_written(on_frame, tmp_path, qtbot, monkeypatch):
    import spml_napari.docks.export as module

    begun, go_on = threading.Event(), threading.Event()
    quick = module.export_film

    def export_slowly(*arguments, **options):
        steps = quick(*arguments, **options)
        try:
            for exported in steps:
                yield exported
                begun.set()
                go_on.wait(30)
        finally:
            steps.close()

    monkeypatch.setattr(module, "export_film", export_slowly)
    on_frame.format.setCurrentIndex(on_frame.format.findData("tiff"))
    press(on_frame, "export_start", qtbot)
    qtbot.waitUntil(begun.is_set, timeout=30_000)
    press(on_frame, "export_cancel", qtbot)
    go_on.set()
    qtbot.waitUntil(lambda: on_frame.start.isVisible(), timeout=30_000)
    assert "Cancelled" in on_frame.state.text()
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_is_cut_off_at_300_pixels(on_frame):
    assert on_frame.minimumSizeHint().width() <= 300
