import shutil
from pathlib import Path

import napari.layers
import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu, QPushButton

from spml_napari.docks import new_project as form_module
from spml_napari.docks import welcome as welcome_module
from spml_napari.docks.new_project import files_of_layers, suggested_place
from spml_napari.docks.rows import FADED_ROLE, SUBTITLE_ROLE
from spml_napari.docks.welcome import WelcomeDock
from spml_napari.recent import RecentProjects
from spml_napari.session import Session
from spml_napari.workers import Executor


class Window:
    """A session and a welcome dock, and what was reported."""

    def __init__(self, qtbot, folder, executor, viewer=None):
        self.session = Session()
        self.reports = []
        self.session.reported.connect(self.hear)
        self.recent = RecentProjects(folder / "recent.json")
        self.dock = WelcomeDock(self.session, executor.submit, viewer, self.recent, folder / "samples")
        qtbot.addWidget(self.dock)
        self.dock.resize(300, 600)
        self.dock.show()
        self.form = self.dock.form

    def hear(self, level, text):
        self.reports.append((level, text))


@pytest.fixture
def window(qtbot, tmp_path, executor):
    window = Window(qtbot, tmp_path, executor)
    yield window
    window.session.close()


@pytest.fixture
def images(tmp_path):
    """A folder of two pictures."""
    folder = tmp_path / "leaves"
    folder.mkdir()
    for seed, name in enumerate(["a", "b"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def fill(window, images, place=None):
    window.dock.new.click()
    window.form.images.setText(str(images))
    if place is not None:
        window.form.place.setText(str(place))


def listed(window):
    model = window.dock.recent.list.model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def item(window, row):
    return window.dock.recent.list.model().index(row, 0)


def click(qtbot, window, row):
    view = window.dock.recent.list
    place = view.visualRect(item(window, row)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)


# Start ------------------------------------------------------------------------------------------------


def test_the_first_time_says_what_this_is(window):
    assert window.dock.first_time.isVisible()
    assert not window.dock.recent.isVisible()
    assert not window.form.isVisible()


def test_recent_projects_are_listed_with_thumbnails_and_open_by_a_click(qtbot, window, small_project):
    window.recent.remember(small_project)
    small_project.close()
    window.session.project_changed.emit()  # the dock looks again
    assert listed(window) == ["small"]
    assert not window.dock.first_time.isVisible()
    qtbot.waitUntil(lambda: item(window, 0).data(Qt.ItemDataRole.DecorationRole) is not None)
    assert "3 pictures" in item(window, 0).data(Qt.ItemDataRole.ToolTipRole)
    click(qtbot, window, 0)
    assert window.session.project.path == small_project.path
    assert "small" in window.dock.open_now.text()
    window.dock.recent.list.activated.emit(item(window, 0))  # as after a double click
    assert window.reports == []


def test_a_project_that_is_gone_is_faded_and_can_be_removed(qtbot, window, small_project):
    window.recent.remember(small_project)
    small_project.close()
    shutil.rmtree(small_project.path)
    window.session.project_changed.emit()
    qtbot.waitUntil(lambda: bool(item(window, 0).data(FADED_ROLE)))
    click(qtbot, window, 0)
    assert window.session.project is None
    assert [level for level, _ in window.reports] == ["warning"]
    assert str(small_project.path) in window.reports[0][1]
    window.dock.recent.remove.click()
    assert listed(window) == []
    assert window.recent.entries() == ()


def test_delete_takes_a_project_off_the_list_only(qtbot, window, small_project):
    window.recent.remember(small_project)
    window.session.project_changed.emit()
    window.dock.recent.list.setCurrentIndex(item(window, 0))
    qtbot.keyClick(window.dock.recent.list, Qt.Key.Key_Delete)
    assert listed(window) == []
    assert (small_project.path / "project.sqlite").is_file()


def test_open_asks_for_a_folder_and_reports_what_is_no_project(qtbot, window, small_project, monkeypatch):
    answers = [None, small_project.path.parent, small_project.path]
    monkeypatch.setattr(welcome_module, "ask_for_folder", lambda *_: answers.pop(0))
    window.dock.open.click()
    window.dock.open.click()
    assert window.session.project is None
    assert "is no project" in window.reports[-1][1]
    window.dock.open.click()
    assert "in use" in window.reports[-1][1]  # the fixture still holds it
    small_project.close()
    answers.append(small_project.path)
    window.dock.open.click()
    assert window.session.project.path == small_project.path
    assert listed(window) == ["small"]


def test_trying_the_sample_opens_a_copy_with_marks(qtbot, window, tmp_path):
    menu = window.dock.sample.findChild(QMenu)
    assert [action.objectName() for action in menu.actions()] == ["try_nuclei", "try_people", "try_film"]
    menu.actions()[1].trigger()
    assert not window.dock.sample.isEnabled()
    qtbot.waitUntil(lambda: window.session.project is not None, timeout=20000)
    assert window.session.project.path == tmp_path / "samples" / "people" / "people.spml"
    assert window.session.marks()
    assert [level for level, _ in window.reports] == ["info"]
    first = window.session.project
    menu.actions()[1].trigger()  # again: it is open already
    qtbot.waitUntil(window.dock.sample.isEnabled)
    assert window.session.project is first


def test_the_sample_film_says_what_to_do_with_a_film(qtbot, window):
    window.dock.try_sample("film")
    qtbot.waitUntil(lambda: window.session.project is not None, timeout=20000)
    assert window.session.project.films and window.session.marks()
    (report,) = window.reports
    assert "Propagate" in report[1] and "Start" not in report[1]
    assert window.dock.open_now.text() == "Open now: film, 1 film, 60 frames"
    row = window.dock.recent.list.model().index(0, 0)
    assert row.data(SUBTITLE_ROLE).startswith("1 film, 60 frames, ")


def test_a_sample_that_cannot_be_made_is_reported(qtbot, window, tmp_path):
    (tmp_path / "samples").touch()
    window.dock.try_sample("nuclei")
    qtbot.waitUntil(lambda: len(window.reports) == 1)
    assert window.reports[0][0] == "error"
    assert window.dock.sample.isEnabled()


# New project ------------------------------------------------------------------------------------------


def test_names_typed_into_the_form_are_tidied(qtbot, window, images):
    target = images / "9f8e"
    (images / "a.png").rename(target)
    (images / "cell_01.png").symlink_to(target)
    fill(window, images)
    window.form.classes.list.item(1).setText("\u00a0gro\u0308\u00dfe ")
    window.form.create_button.click()
    qtbot.waitUntil(lambda: window.session.project is not None)
    project = window.session.project
    assert project.classes.names == ("background", "gr\u00f6\u00dfe")
    assert [record.name for record in project.pictures] == ["b", "cell_01"]
    assert window.session.edit_classes(lambda opened: opened.add_class(" wall\u3000"), "class added")
    assert window.session.classes.names[-1] == "wall"


def test_a_new_project_from_a_folder(qtbot, window, images):
    fill(window, images)
    assert window.form.place.text() == str(images.parent / "leaves.spml")
    qtbot.waitUntil(lambda: "2 pictures" in window.form.found.text())
    window.form.classes.list.item(1).setText("leaf")
    window.form.classes.add.click()
    window.form.classes.list.item(2).setText("stem")
    window.form.classes.set_color(2, (1, 2, 3))
    window.form.create_button.click()
    qtbot.waitUntil(lambda: window.session.project is not None)
    project = window.session.project
    assert project.path == images.parent / "leaves.spml"
    assert project.classes.names == ("background", "leaf", "stem")
    assert project.classes.classes[2].color == (1, 2, 3)
    assert [record.name for record in project.pictures] == ["a", "b"]
    assert listed(window) == ["leaves"]
    assert window.dock.start.isVisible()
    assert not window.form.isVisible()
    assert window.reports == []


def test_what_of_a_folder_is_left_out_is_said_before_and_after(qtbot, window, images):
    (images / "c.heic").write_bytes(b"\0")
    Image.fromarray(np.zeros((32, 40), np.uint8)).save(images / "d.jfif", format="jpeg")
    fill(window, images)
    qtbot.waitUntil(lambda: "3 pictures" in window.form.found.text())
    assert "1 file was left out" in window.form.found.text()
    window.form.create_button.click()
    qtbot.waitUntil(lambda: window.session.project is not None and len(window.reports) == 1)
    level, text = window.reports[0]
    assert level == "warning" and "1 .heic" in text


def test_a_place_that_was_typed_stays(window, images, tmp_path):
    fill(window, images, tmp_path / "mine.spml")
    other = tmp_path / "other"
    other.mkdir()
    window.form.images.setText(str(other))
    assert window.form.place.text() == str(tmp_path / "mine.spml")


def test_the_suggested_place_is_free(images):
    assert suggested_place(images) == images.parent / "leaves.spml"
    (images.parent / "leaves.spml").mkdir()
    assert suggested_place(images) == images.parent / "leaves-2.spml"
    assert suggested_place(Path("/nowhere/at/all")).parent == Path.home()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda form, folder: form.images.setText(str(folder / "nothing")), "no folder"),
        (lambda form, folder: (folder / "leaves" / "a.png").write_bytes(b""), "a.png"),
        (lambda form, folder: form.place.setText(str(folder / "no" / "p.spml")), "no folder"),
        (lambda form, folder: form.place.setText("p.spml"), "whole path"),
        (lambda form, folder: form.place.setText(str(folder / "leaves")), None),
        (lambda form, folder: form.classes.list.item(1).setText("background"), "stands twice"),
        (lambda form, folder: form.classes.list.item(0).setText(" "), "empty name"),
        (lambda form, folder: (folder / "p.spml").mkdir(), "exists already"),
    ],
)
def test_what_is_wrong_is_reported_and_the_form_keeps_what_was_typed(
    qtbot, window, images, tmp_path, spoil, said
):
    fill(window, images, tmp_path / "p.spml")
    spoil(window.form, tmp_path)
    typed = (window.form.images.text(), window.form.place.text(), window.form.classes.names())
    window.form.create_button.click()
    if said is None:  # a name without the suffix gets it
        qtbot.waitUntil(lambda: window.session.project is not None)
        assert window.session.project.path == tmp_path / "leaves.spml"
        return
    qtbot.waitUntil(lambda: len(window.reports) == 1)
    assert window.reports[0][0] == "error"
    assert said in window.reports[0][1]
    assert (window.form.images.text(), window.form.place.text(), window.form.classes.names()) == typed
    assert window.form.create_button.isEnabled()
    assert window.form.isVisible()
    assert not window.form.progress.isVisible()
    assert window.session.project is None


def test_a_folder_without_pictures_says_so_before_and_after(qtbot, window, tmp_path):
    (tmp_path / "empty").mkdir()
    fill(window, tmp_path / "empty")
    qtbot.waitUntil(lambda: "no PNG" in window.form.found.text())
    window.form.create_button.click()
    qtbot.waitUntil(lambda: len(window.reports) == 1)
    assert "There is no picture in" in window.reports[0][1]


def test_making_a_project_can_be_cancelled(qtbot, window, images, monkeypatch):
    for i in range(40):
        shutil.copy(images / "a.png", images / f"copy {i}.png")
    fill(window, images)
    window.form.create_button.click()
    assert window.form.progress.isVisible()
    assert not window.form.images.isEnabled()
    window.form.progress.findChild(QPushButton).click()
    qtbot.waitUntil(lambda: not window.form.progress.isVisible())
    assert window.session.project is None
    assert not (images.parent / "leaves.spml").exists()
    assert window.form.images.text() == str(images)
    assert window.reports == []
    window.form.create_button.click()  # and it can be made after all
    qtbot.waitUntil(lambda: window.session.project is not None, timeout=20000)


def test_cancel_goes_back_to_the_start(window):
    window.dock.new.click()
    assert not window.dock.start.isVisible()
    window.form.cancel.click()
    assert window.dock.start.isVisible()


def test_browsing_fills_the_form(window, images, tmp_path, monkeypatch):
    window.dock.new.click()
    answers = [images, None, tmp_path]
    monkeypatch.setattr(form_module, "ask_for_folder", lambda *_: answers.pop(0))
    choose_images = window.form.findChild(QPushButton, "images_folder_choose")
    choose_images.click()
    choose_images.click()
    assert window.form.images.text() == str(images)
    window.form.findChild(QPushButton, "project_path_choose").click()
    assert window.form.place.text() == str(tmp_path / "leaves.spml")


def test_classes_can_be_added_coloured_and_removed_but_not_all(window):
    classes = window.form.classes
    assert classes.names() == ["background", "object"]
    classes.add.click()
    classes.add.click()
    assert len(set(classes.names())) == 4
    assert len({info.color for info in classes.table()}) == 4
    for _ in range(3):
        classes.remove.click()
    assert len(classes.names()) == 1
    assert not classes.remove.isEnabled()


def test_image_layers_of_the_viewer_become_a_project(
    qtbot, tmp_path, executor, images, make_napari_viewer_proxy
):
    viewer = make_napari_viewer_proxy()
    window = Window(qtbot, tmp_path, executor, viewer)
    window.dock.new.click()
    assert not window.form.from_layers.isVisible()
    window.form.cancel.click()
    viewer.open([str(images / "b.png")], plugin="napari")
    viewer.add_image(np.zeros((20, 20)), name="from nowhere")
    viewer.add_labels(np.zeros((20, 20), int))
    window.dock.new.click()
    assert window.form.from_layers.isVisible()
    window.form.from_layers.setChecked(True)
    assert window.form.place.text() == str(tmp_path / "leaves.spml")
    window.form.create_button.click()
    qtbot.waitUntil(lambda: window.session.project is not None)
    assert [record.path for record in window.session.project.pictures] == [images / "b.png"]
    window.session.close()


def test_files_of_layers_are_those_of_pictures(images):
    layer = napari.layers.Image(np.zeros((8, 8)))
    assert files_of_layers([layer, napari.layers.Labels(np.zeros((8, 8), int))]) == []


def test_a_dock_destroyed_while_it_works_stops_the_work(qtbot, tmp_path, images):
    for i in range(300):
        shutil.copy(images / "a.png", images / f"copy {i}.png")
    executor, session = Executor(threads=1), Session()
    dock = WelcomeDock(session, executor.submit, None, RecentProjects(tmp_path / "recent.json"), tmp_path)
    dock.ask_for_project(images)
    dock.form.start()
    dock.deleteLater()
    after = executor.submit(int)  # waits for the only thread
    qtbot.waitUntil(after.done, timeout=20000)
    qtbot.wait(50)
    executor.close()
    assert session.project is None
    assert not (tmp_path / "leaves.spml").exists()
