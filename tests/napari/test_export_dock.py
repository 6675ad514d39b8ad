"""The export dock: files really written, by a real thread."""

import threading

import numpy as np
import pytest
from answers import make_run, store_prediction
from PIL import Image
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from spml_core.annotations import Patch
from spml_core.engine.export import FORMATS
from spml_napari.docks.export import ExportDock

SIZES = {"first": (48, 64), "second": (48, 64), "third": (60, 40)}


@pytest.fixture
def dock(export_dock):
    return export_dock


@pytest.fixture
def predicted(small_project):
    """Predictions of all pictures."""
    run = make_run(small_project)
    for index, (name, size) in enumerate(SIZES.items()):
        store_prediction(small_project, run, name, np.full(size, index, np.uint8))
    return run


def press(dock, name, qtbot):
    button = dock.findChild(QPushButton, name)
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def export(dock, format_, qtbot):
    dock.format.setCurrentIndex(dock.format.findData(format_))
    press(dock, "export_start", qtbot)
    assert dock.cancel.isVisible()
    assert not dock.start.isVisible()
    qtbot.waitUntil(lambda: dock.start.isVisible(), timeout=30_000)


def test_every_format_is_offered_in_words(dock):
    assert [dock.format.itemData(i) for i in range(dock.format.count())] == list(FORMATS)
    for index in range(dock.format.count()):
        dock.format.setCurrentIndex(index)
        assert dock.format.currentText() != dock.format.currentData()
        assert dock.about.text()


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_is_written(dock, predicted, opened, tmp_path, format_, qtbot):
    export(dock, format_, qtbot)
    assert dock.told == []
    assert "3 pictures exported" in dock.state.text()
    assert any((tmp_path / "out").rglob("*"))
    assert opened == [str(tmp_path / "out")]
    press(dock, "export_open", qtbot)
    assert len(opened) == 2


def test_reviewed_pictures_only(dock, session, predicted, small_project, tmp_path, qtbot):
    mask = np.full(SIZES["second"], 2, np.uint8)
    session.go_to(small_project.picture("second").id)
    session.accept(mask)
    dock.reviewed.setChecked(True)
    assert "1 reviewed" in dock.state.text()
    export(dock, "index-png", qtbot)
    (found,) = (tmp_path / "out").rglob("*.png")
    assert found.stem == "second"
    np.testing.assert_array_equal(np.asarray(Image.open(found)), mask)
    session.undo()
    assert "0 reviewed" in dock.state.text()


def test_pictures_without_a_prediction_are_left_out_and_that_is_said(dock, small_project, tmp_path, qtbot):
    run = make_run(small_project)
    store_prediction(small_project, run, "first", np.zeros(SIZES["first"], np.uint8))
    export(dock, "index-png", qtbot)
    assert "1 pictures exported" in dock.state.text() or "1 picture exported" in dock.state.text()
    assert "2 had no prediction" in dock.state.text()
    assert [path.stem for path in (tmp_path / "out").rglob("*.png")] == ["first"]


def test_a_folder_that_wont_do_is_said(dock, predicted, small_project, opened, qtbot):
    dock.folder.setText("  ")
    press(dock, "export_start", qtbot)
    assert dock.told == [("warning", "Choose a folder for the export first.")]
    dock.folder.setText(str(small_project.path / "out"))
    export(dock, "index-png", qtbot)
    level, text = dock.told[-1]
    assert level == "error"
    assert "lies in the project" in text
    assert dock.start.isEnabled()
    assert opened == []


def test_a_picture_that_is_gone_is_said(dock, predicted, small_project, qtbot):
    small_project.picture("second").path.unlink()
    export(dock, "overlay", qtbot)
    level, text = dock.told[-1]
    assert level == "error"
    assert "second" in text


def test_cancelling_leaves_whole_files(dock, predicted, session, tmp_path, qtbot, monkeypatch):
    import spml_napari.docks.export as module

    begun, go_on = threading.Event(), threading.Event()
    slow = module.export_project

    def export_slowly(*arguments, **options):
        for exported in slow(*arguments, **options):
            yield exported
            begun.set()
            go_on.wait(30)

    monkeypatch.setattr(module, "export_project", export_slowly)
    press(dock, "export_start", qtbot)
    press(dock, "export_cancel", qtbot)
    go_on.set()
    qtbot.waitUntil(lambda: dock.start.isVisible(), timeout=30_000)
    assert "Cancelled after 1" in dock.state.text()
    for path in (tmp_path / "out").rglob("*.png"):
        Image.open(path).load()


def test_the_window_stays_usable_meanwhile(dock, predicted, session, qtbot):
    press(dock, "export_start", qtbot)
    dock.export()  # a second press does nothing
    session.step(1)
    assert session.add_marks([Patch(0, 0, np.zeros((2, 2), np.uint8))], "patch")
    qtbot.waitUntil(lambda: dock.start.isVisible(), timeout=30_000)
    assert dock.told == []


def test_another_project_brings_another_folder(dock, session, small_project):
    session.close()
    assert dock.folder.text() == ""
    assert not dock.start.isEnabled()
    assert "Open a project" in dock.state.text()


def test_a_dock_whose_qt_half_is_gone_is_not_called(session, executor, predicted, opened, tmp_path, qtbot):
    dock = ExportDock(session, executor.submit)
    dock.folder.setText(str(tmp_path / "out"))
    dock.export()
    dock.deleteLater()
    qtbot.waitUntil(lambda: not isalive(dock))
    session.marks_changed.emit(frozenset())
    done = []
    executor.submit(lambda: None, done=done.append)
    executor.submit(lambda: None, done=done.append)
    qtbot.waitUntil(lambda: len(done) == 2)
    qtbot.wait(200)


def test_nothing_is_cut_off_at_300_pixels(dock):
    assert dock.minimumSizeHint().width() <= 300
