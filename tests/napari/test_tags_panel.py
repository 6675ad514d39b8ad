import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QCheckBox, QLabel

from spml_core.annotations import Tag
from spml_core.classes import ClassTable
from spml_napari.docks.tags import TagsPanel
from spml_napari.session import Session


@pytest.fixture
def panel(session, qtbot):
    panel = TagsPanel(session)
    qtbot.addWidget(panel)
    panel.resize(280, 200)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def check(qtbot, panel, row):
    """Click the check box itself."""
    rect = panel.list.visualItemRect(panel.list.item(row))
    place = QPoint(rect.left() + 10, rect.center().y())
    qtbot.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=place)


def tags(session):
    return {mark.class_index for mark in session.marks().values() if isinstance(mark, Tag)}


def test_a_click_stores_a_tag_and_another_takes_it_back(session, panel, qtbot):
    check(qtbot, panel, 1)
    assert tags(session) == {1} and panel.checked() == (1,)
    check(qtbot, panel, 2)
    assert tags(session) == {1, 2}
    check(qtbot, panel, 1)
    assert tags(session) == {2} and panel.checked() == (2,)


def test_boxes_follow_undo_redo_and_the_picture(session, panel, qtbot):
    check(qtbot, panel, 1)
    session.step(1)
    assert panel.checked() == ()
    check(qtbot, panel, 0)
    assert panel.checked() == (0,)
    session.step(-1)
    assert panel.checked() == (1,)
    session.undo()
    assert session.picture.name == "second" and panel.checked() == ()
    session.undo()
    assert session.picture.name == "first" and panel.checked() == ()
    session.redo()
    assert panel.checked() == (1,)
    assert len(session.project.history()) == 6, "following made no steps of its own"


def test_a_folded_panel_catches_up_when_it_unfolds(session, panel):
    panel.hide()
    session.set_tag(2, True)
    panel.show()
    assert panel.checked() == (2,)


def test_boxes_follow_the_classes(session, panel):
    session.set_tag(2, True)
    session.edit_classes(lambda project: project.move_class(2, 0), "moved")
    assert [panel.list.item(row).text() for row in range(3)] == ["stem", "background", "leaf"]
    assert panel.checked() == (0,)
    session.edit_classes(lambda project: project.rename_class(0, "trunk"), "renamed")
    assert panel.list.item(0).text() == "trunk"
    session.edit_classes(lambda project: project.delete_class(0), "deleted")
    assert panel.list.count() == 2 and panel.checked() == ()


def test_a_tag_that_can_not_be_stored_is_unchecked_again(session, panel, qtbot, monkeypatch):
    monkeypatch.setattr(session, "set_tag", lambda index, there: False)
    check(qtbot, panel, 1)
    assert panel.checked() == ()


def test_return_checks_the_current_box(session, panel, qtbot):
    panel.list.setFocus()
    panel.list.setCurrentRow(0)
    qtbot.keyClick(panel.list, Qt.Key.Key_Down)
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert tags(session) == {1}
    assert panel.list.currentRow() == 1
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert tags(session) == set()


def test_boxes_have_the_colours_and_names_of_the_classes(session, panel):
    for row, info in enumerate(session.classes):
        image = panel.list.item(row).icon().pixmap(14, 14).toImage()
        assert image.pixelColor(7, 7).getRgb()[:3] == info.color
        assert info.name in panel.list.item(row).toolTip()


def test_closing_the_project_empties_and_disables(session, panel):
    session.set_tag(1, True)
    session.close()
    assert panel.list.count() == 0 and not panel.isEnabled()


def test_many_long_names_scroll_and_do_not_widen(tmp_path, qtbot):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    session = Session()
    table = ClassTable.from_names([f"Ein sehr langer Name einer Klasse, Nummer {n}" for n in range(25)])
    assert session.create(tmp_path / "p.spml", tmp_path / "images", table)
    panel = TagsPanel(session)
    qtbot.addWidget(panel)
    panel.resize(200, panel.sizeHint().height())
    panel.show()
    qtbot.waitExposed(panel)
    assert panel.width() == 200
    assert panel.list.verticalScrollBar().maximum() > 0
    assert panel.list.horizontalScrollBar().maximum() == 0
    session.close()


# Complete lists, and several pictures ------------------------------------------------------------------


def lists(session, name):
    marks = session.project.marks(session.project.picture(name).id).values()
    return {(mark.class_index, mark.complete) for mark in marks if isinstance(mark, Tag)}


def complete(panel):
    return panel.findChild(QCheckBox, "tags_complete")


def test_a_list_is_complete_unless_the_user_says_otherwise(session, panel, qtbot):
    assert complete(panel).isChecked()
    check(qtbot, panel, 1)
    check(qtbot, panel, 2)
    assert lists(session, "first") == {(1, True), (2, True)}
    steps = len(session.project.history())
    complete(panel).click()
    assert lists(session, "first") == {(1, False), (2, False)}
    assert len(session.project.history()) == steps + 1, "one step"
    check(qtbot, panel, 0)
    assert lists(session, "first") == {(0, False), (1, False), (2, False)}
    session.undo()
    session.undo()
    assert lists(session, "first") == {(1, True), (2, True)} and complete(panel).isChecked()


def test_the_choice_holds_for_the_next_list(session, panel, qtbot):
    complete(panel).click()
    steps = len(session.project.history())
    session.step(1)
    assert not complete(panel).isChecked()
    check(qtbot, panel, 1)
    assert lists(session, "second") == {(1, False)}
    assert len(session.project.history()) == steps + 1, "without tags there was nothing to change"


def test_a_click_on_the_words_is_one_on_the_box(panel, qtbot):
    qtbot.mouseClick(panel.complete.text, Qt.MouseButton.LeftButton)
    assert not complete(panel).isChecked()


def test_one_check_tags_all_selected_pictures_in_one_step(session, panel, qtbot):
    first, second, third = (record.id for record in session.project.pictures)
    session.project.add_marks({second: [Tag(1, complete=False)]}, "tag")
    session.select([first, second, third])
    assert "3 pictures" in panel.findChild(QLabel, "tags_hint").text()
    assert panel.list.item(1).checkState() == Qt.CheckState.PartiallyChecked
    assert panel.checked() == ()
    heard = []
    session.marks_changed.connect(heard.append)
    steps = len(session.project.history())
    check(qtbot, panel, 1)
    assert [lists(session, name) for name in ("first", "second", "third")] == [
        {(1, True)},
        {(1, False)},
        {(1, True)},
    ]
    assert heard == [frozenset({first, second, third})]
    assert len(session.project.history()) == steps + 1
    assert panel.checked() == (1,)
    assert complete(panel).checkState() == Qt.CheckState.PartiallyChecked
    complete(panel).click()
    assert {state for name in ("first", "second", "third") for state in lists(session, name)} == {(1, True)}
    check(qtbot, panel, 1)
    assert not any(lists(session, name) for name in ("first", "second", "third"))
    for _ in range(3):
        session.undo()
    assert lists(session, "first") == set() and lists(session, "second") == {(1, False)}


def test_going_on_to_another_picture_ends_the_selection(session, panel, qtbot):
    session.select(record.id for record in session.project.pictures)
    session.step(1)
    assert session.selected == {session.picture.id}
    assert "this picture" in panel.findChild(QLabel, "tags_hint").text()
    check(qtbot, panel, 1)
    assert lists(session, "first") == set() and lists(session, "second") == {(1, True)}


def test_only_pictures_of_the_project_are_selected(session, panel):
    session.select([999])
    assert session.selected == {session.picture.id}
    session.close()
    session.select([1])
    assert session.selected == frozenset()
