import shutil

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt

from spml_core.annotations import Patch, Point
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_core.project.pictures import FIND_MOVED
from spml_napari import thumbnails
from spml_napari.docks import pictures as pictures_module
from spml_napari.docks.badges import Badge
from spml_napari.docks.picture_model import PictureFilter
from spml_napari.docks.pictures import PicturesDock
from spml_napari.docks.rows import BADGES_ROLE, FADED_ROLE
from spml_napari.session import Session


@pytest.fixture
def predicted():
    """Ids that count as predicted; tests change it."""
    return set()


@pytest.fixture
def dock(qtbot, session, executor, predicted):
    dock = PicturesDock(session, executor.submit, lambda: predicted)
    qtbot.addWidget(dock)
    dock.resize(300, 560)
    dock.show()
    qtbot.waitExposed(dock)
    return dock


def rows(dock):
    model = dock.list.model()
    return [model.index(row).data() for row in range(model.rowCount())]


def badges(dock, name):
    model = dock.list.model()
    return model.index(rows(dock).index(name)).data(BADGES_ROLE)


def choose(dock, chosen):
    dock.filter.setCurrentIndex(dock.filter.findData(chosen))


def thumbnail(dock, row):
    return dock.list.model().index(row).data(Qt.ItemDataRole.DecorationRole)


def accept(session, name):
    record = session.project.picture(name)
    patch = Patch(0, 0, np.zeros((record.height, record.width), np.uint8), accepted="picture")
    session.project.add_marks({record.id: [patch]}, "Accept picture")
    session.marks_changed.emit(frozenset({record.id}))


def test_the_list_shows_pictures_states_and_thumbnails(qtbot, dock, session):
    assert rows(dock) == ["first", "second", "third"]
    assert badges(dock, "first") == (Badge.MARKED,)
    assert badges(dock, "second") == (Badge.UNTOUCHED,)
    index = dock.list.model().index(0)
    assert "marked" in index.data(Qt.ItemDataRole.ToolTipRole)
    assert "64 x 48" in index.data(Qt.ItemDataRole.ToolTipRole)
    qtbot.waitUntil(lambda: all(thumbnail(dock, row) is not None for row in range(3)))
    assert thumbnail(dock, 2).height() == 60
    assert len(list((session.project.cache_folder / "thumbnails").iterdir())) == 3


def test_states_follow_marks_reviews_and_predictions(qtbot, dock, session, predicted):
    session.go_to(session.project.picture("second").id)
    session.add_marks([Point(1, 5, 5)], "Point")
    qtbot.waitUntil(lambda: badges(dock, "second") == (Badge.MARKED,))
    session.undo()
    qtbot.waitUntil(lambda: badges(dock, "second") == (Badge.UNTOUCHED,))
    third = session.project.picture("third").id
    session.predictions_stored.emit(frozenset({third}))
    qtbot.waitUntil(lambda: badges(dock, "third") == (Badge.PREDICTED,))
    accept(session, "third")
    qtbot.waitUntil(lambda: badges(dock, "third") == (Badge.REVIEWED,))
    session.undo()
    predicted.clear()
    session.runs_changed.emit()  # another run was made current: it predicted nothing
    qtbot.waitUntil(lambda: badges(dock, "third") == (Badge.UNTOUCHED,))


def test_filters_by_state_and_by_name(qtbot, dock, session, predicted):
    predicted |= {session.project.picture("second").id, session.project.picture("third").id}
    session.runs_changed.emit()
    accept(session, "third")
    qtbot.waitUntil(lambda: badges(dock, "third") == (Badge.REVIEWED,))
    expected = {
        PictureFilter.ALL: ["first", "second", "third"],
        PictureFilter.UNTOUCHED: [],
        PictureFilter.MARKED: ["first", "third"],
        PictureFilter.PREDICTED: ["second", "third"],
        PictureFilter.REVIEWED: ["third"],
        PictureFilter.NEEDS_LOOK: ["second"],
    }
    for chosen, names in expected.items():
        choose(dock, chosen)
        assert rows(dock) == names
        assert dock.filter.currentText().endswith(f"({len(names)})")
        assert dock.empty.isVisible() == (not names)
    choose(dock, PictureFilter.ALL)
    dock.search.setText("IR")
    assert rows(dock) == ["first", "third"]


def test_the_current_picture_is_not_taken_away_while_it_is_worked_on(qtbot, dock, session):
    choose(dock, PictureFilter.UNTOUCHED)
    session.go_to(session.project.picture("second").id)
    session.add_marks([Point(1, 5, 5)], "Point")
    qtbot.waitUntil(lambda: badges(dock, "second") == (Badge.MARKED,))
    assert rows(dock) == ["second", "third"]
    assert dock.position.text() == "1 of 2"
    choose(dock, PictureFilter.ALL)
    choose(dock, PictureFilter.UNTOUCHED)
    assert rows(dock) == ["third"]
    assert dock.position.text() == "- of 1"


def test_going_about_by_buttons_keys_and_clicks(qtbot, dock, session):
    assert dock.position.text() == "1 of 3"
    assert not dock.previous.isEnabled()
    qtbot.mouseClick(dock.next, Qt.MouseButton.LeftButton)
    assert session.picture.name == "second"
    assert dock.list.currentIndex().row() == 1
    qtbot.keyClick(dock.list, Qt.Key.Key_Down)
    assert session.picture.name == "third"
    assert not dock.next.isEnabled()
    place = dock.list.visualRect(dock.list.model().index(0)).center()
    qtbot.mouseClick(dock.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert session.picture.name == "first"
    dock.search.setText("third")
    dock.step(1)
    assert session.picture.name == "third"


def test_letters_are_left_to_the_window(qtbot, dock, session):
    """A list of Qt's would jump to the first name with this letter."""
    dock.list.setFocus()
    qtbot.keyClick(dock.list, "t")
    assert session.picture.name == "first"


def test_next_to_mark_calls_the_hook(qtbot, session, executor):
    called = []
    dock = PicturesDock(session, executor.submit, set, lambda: called.append(1))
    qtbot.addWidget(dock)
    dock.next_to_mark.click()
    assert called == [1]


def test_a_deleted_and_an_unreadable_picture_show_as_such(qtbot, session, executor, tmp_path, reports):
    session.project.picture("second").path.unlink()
    session.project.picture("third").path.write_bytes(b"no picture any more")
    dock = PicturesDock(session, executor.submit)
    qtbot.addWidget(dock)
    dock.resize(300, 560)
    dock.show()
    qtbot.waitUntil(lambda: badges(dock, "second") == (Badge.MISSING,) == badges(dock, "third"))
    assert badges(dock, "first") == (Badge.MARKED,)
    model = dock.list.model()
    assert model.index(1).data(FADED_ROLE)
    assert "isn't at" in model.index(1).data(Qt.ItemDataRole.ToolTipRole)
    assert "third.png" in model.index(2).data(Qt.ItemDataRole.ToolTipRole)
    assert "2 pictures" in dock.missing.text()
    choose(dock, PictureFilter.NEEDS_LOOK)
    assert rows(dock) == ["second", "third"]
    assert reports == []


def test_moved_pictures_are_found_again(qtbot, dock, session, tmp_path, monkeypatch, reports):
    assert not dock.find_moved.isVisible()
    shutil.move(tmp_path / "images", tmp_path / "moved")
    dock.look_for_missing()
    qtbot.waitUntil(dock.find_moved.isVisible)
    assert f'"{dock.find_moved.text()}" in the window' in FIND_MOVED  # what remedies call it
    assert badges(dock, "first") == (Badge.MARKED, Badge.MISSING)
    (tmp_path / "empty").mkdir()
    answers = [tmp_path / "empty", None, tmp_path / "moved"]
    monkeypatch.setattr(pictures_module, "ask_for_folder", lambda *_: answers.pop(0))
    dock.find_moved.click()
    qtbot.waitUntil(lambda: len(reports) == 1)
    assert reports[0][0] == "warning"
    dock.find_moved.click()
    dock.find_moved.click()
    qtbot.waitUntil(lambda: not dock.find_moved.isVisible())
    assert badges(dock, "first") == (Badge.MARKED,)
    assert session.picture.path.is_file()  # the one on the canvas, too


def test_closing_the_project_empties_the_dock(qtbot, dock, session):
    session.close()
    assert rows(dock) == []
    assert not dock.next_to_mark.isEnabled()
    assert "No project" in dock.empty.text()


def test_only_visible_pictures_get_thumbnails(qtbot, tmp_path, executor, monkeypatch):
    """Thousands of pictures: what isn't seen costs nothing."""
    asked = []
    made = thumbnails.make_thumbnail
    monkeypatch.setattr(thumbnails, "make_thumbnail", lambda path: (asked.append(path), made(path))[1])
    for i in range(200):
        Image.fromarray(np.full((16, 16), i, np.uint8)).save(picture_path(tmp_path, i))
    session = Session()
    session.adopt(Project.create(tmp_path / "p.spml", tmp_path / "images", ClassTable.from_names(["a", "b"])))
    dock = PicturesDock(session, executor.submit)
    qtbot.addWidget(dock)
    dock.resize(300, 400)
    dock.show()
    qtbot.waitUntil(lambda: len(asked) > 3)
    visible = dock.list.viewport().height() // dock.list.sizeHintForRow(0) + 2
    qtbot.wait(200)
    assert len(asked) <= visible
    dock.list.scrollToBottom()
    qtbot.waitUntil(lambda: any(path.stem == "199" for path in asked))
    qtbot.wait(100)
    assert len(asked) <= 2 * visible
    session.close()


def picture_path(folder, number):
    (folder / "images").mkdir(exist_ok=True)
    return folder / "images" / f"{number:03}.png"


def test_a_destroyed_dock_hears_nothing_more(qtbot, session, executor):
    dock = PicturesDock(session, executor.submit)
    dock.deleteLater()
    qtbot.wait(20)
    session.add_marks([Point(1, 5, 5)], "Point")
    session.predictions_stored.emit(frozenset({1}))
    session.pictures_changed.emit()
    qtbot.wait(250)


# Several pictures at once -------------------------------------------------------------------------------


def click(qtbot, dock, row, modifier=Qt.KeyboardModifier.NoModifier):
    place = dock.list.visualRect(dock.list.model().index(row)).center()
    qtbot.mouseClick(dock.list.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def selected(session):
    return {record.name for record in session.project.pictures if record.id in session.selected}


def highlighted(dock):
    return {index.data() for index in dock.list.selectionModel().selectedRows()}


SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


def test_shift_and_control_select_several_and_a_click_one(qtbot, session, dock):
    click(qtbot, dock, 0)
    click(qtbot, dock, 2, SHIFT)
    assert selected(session) == highlighted(dock) == {"first", "second", "third"}
    assert session.picture.name == "third"
    click(qtbot, dock, 1, CONTROL)
    assert selected(session) == highlighted(dock) == {"first", "third"}
    assert session.picture.name in ("first", "third"), "what is shown is among the selected"
    click(qtbot, dock, 1, CONTROL)
    assert selected(session) == highlighted(dock) == {"first", "second", "third"}
    click(qtbot, dock, 1)
    assert selected(session) == highlighted(dock) == {"second"} and session.picture.name == "second"


def test_control_a_selects_all_that_are_listed(qtbot, session, dock):
    dock.search.setText("ir")
    click(qtbot, dock, 0)
    dock.list.setFocus()
    qtbot.keyClick(dock.list, Qt.Key.Key_A, CONTROL)
    assert selected(session) == {"first", "third"} and session.picture.name == "first"
    session.step(1)
    assert selected(session) == {"second"}, "going on ends the selection"


def test_what_is_filtered_out_is_selected_no_more(qtbot, session, dock):
    click(qtbot, dock, 0)
    click(qtbot, dock, 2, SHIFT)
    dock.search.setText("third")
    assert selected(session) == {"third"}


def test_the_selected_stay_listed_while_they_are_tagged(qtbot, session, dock):
    dock.filter.setCurrentIndex(dock.filter.findData(PictureFilter.UNTOUCHED))
    assert rows(dock) == ["second", "third"]
    click(qtbot, dock, 0)
    click(qtbot, dock, 1, SHIFT)
    session.set_tag(1, True)
    dock.refresh()
    assert rows(dock) == ["second", "third"] and selected(session) == highlighted(dock) == {"second", "third"}
    dock.filter.setCurrentIndex(dock.filter.findData(PictureFilter.MARKED))
    assert rows(dock) == ["first", "second", "third"]
    assert highlighted(dock) == {"second", "third"}
