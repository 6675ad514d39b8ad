import gc
import weakref

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QColorDialog, QComboBox, QLineEdit, QMenu, QPushButton, QToolButton

from spml_core.annotations import Tag
from spml_core.classes import ClassTable, default_color
from spml_napari.docks.classes import ClassesDock
from spml_napari.docks.classes_model import Column
from spml_napari.session import Session

MANY = [f"Oberflächenbeschädigungsklasse mit langem Namen Nummer {number}" for number in range(1, 41)]


@pytest.fixture
def dock(session, qtbot):
    dock = ClassesDock(session)
    qtbot.addWidget(dock)
    dock.resize(300, 500)
    dock.show()
    qtbot.waitExposed(dock)
    return dock


@pytest.fixture
def said(session):
    texts = []
    slot = lambda level, text: texts.append((level, text))  # noqa: E731
    session.reported.connect(slot)
    yield texts
    del slot


def press(dock, name):
    button = dock.findChild(QToolButton, name) or dock.findChild(QPushButton, name)
    assert button.isEnabled(), name
    button.click()


def names(dock):
    return [dock.model.index(row, Column.NAME).data() for row in range(dock.model.rowCount())]


def marks(dock):
    return [dock.model.index(row, Column.MARKS).data() for row in range(dock.model.rowCount())]


def click(qtbot, dock, row, column, double=False):
    index = dock.model.index(row, column)
    dock.table.scrollTo(index)
    place = dock.table.visualRect(index).center()
    (qtbot.mouseDClick if double else qtbot.mouseClick)(
        dock.table.viewport(), Qt.MouseButton.LeftButton, pos=place
    )


def type_name(qtbot, dock, text):
    editor = dock.table.viewport().findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, text)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.table.viewport().findChild(QLineEdit) is None)


def test_the_table_shows_the_classes_and_follows_marks(session, dock):
    assert names(dock) == ["background", "leaf", "stem"]
    assert marks(dock) == ["1", "1", "1"]
    assert [dock.model.index(row, Column.KEY).data() for row in range(3)] == ["1", "2", "3"]
    session.set_tag(1, True)
    assert marks(dock) == ["1", "2", "1"]
    session.undo()
    assert marks(dock) == ["1", "1", "1"]
    session.undo()
    assert marks(dock) == ["0", "0", "0"]


def test_a_swatch_has_the_colour_of_its_class(session, dock):
    for row in range(3):
        icon = dock.model.index(row, Column.COLOR).data(Qt.ItemDataRole.DecorationRole)
        image = icon.pixmap(14, 14).toImage()
        assert QColor(image.pixel(7, 7)).getRgb()[:3] == session.classes.classes[row].color


def test_a_click_chooses_the_class_and_the_session_moves_the_highlight(session, dock, qtbot):
    click(qtbot, dock, 2, Column.NAME)
    assert session.class_index == 2
    session.set_class(1)
    assert dock.table.currentIndex().row() == 1
    assert [index.row() for index in dock.table.selectionModel().selectedRows()] == [1]
    qtbot.keyClick(dock.table, Qt.Key.Key_Up)
    assert session.class_index == 0


def test_a_name_is_edited_in_place(session, dock, qtbot, said):
    click(qtbot, dock, 1, Column.NAME)
    click(qtbot, dock, 1, Column.NAME, double=True)
    type_name(qtbot, dock, "  big   leaf ")
    assert session.classes.names[1] == names(dock)[1] == "big leaf"
    session.undo()
    assert names(dock)[1] == "leaf"
    assert said == []


@pytest.mark.parametrize("wrong", ["stem", "   "], ids=["taken", "empty"])
def test_a_wrong_name_is_reported_and_the_old_one_stays(session, dock, qtbot, said, wrong):
    dock.table.edit_name(1)
    type_name(qtbot, dock, wrong)
    assert [level for level, _ in said] == ["error"]
    assert session.classes.names[1] == names(dock)[1] == "leaf"


def test_escape_and_an_unchanged_name_make_no_step(session, dock, qtbot):
    steps = len(session.project.history())
    dock.table.edit_name(1)
    type_name(qtbot, dock, "leaf")
    dock.table.edit_name(1)
    editor = dock.table.viewport().findChild(QLineEdit)
    qtbot.keyClicks(editor, "x")
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    assert len(session.project.history()) == steps


def test_add_makes_a_class_current_and_lets_its_name_be_typed(session, dock, qtbot):
    press(dock, "class_add")
    assert session.class_index == 3
    type_name(qtbot, dock, "root")
    assert names(dock) == ["background", "leaf", "stem", "root"]
    assert session.classes.classes[3].color == default_color(3)
    press(dock, "class_add")
    qtbot.keyClick(dock.table.viewport().findChild(QLineEdit), Qt.Key.Key_Escape)
    press(dock, "class_add")
    assert names(dock)[-2:] == ["class 1", "class 2"]
    for _ in range(4):
        session.undo()
    assert names(dock) == ["background", "leaf", "stem"]
    assert session.class_index < 3


def test_delete_says_how_many_marks_go_and_can_be_undone(session, dock, qtbot):
    session.set_tag(1, True)
    before = session.marks()
    session.set_class(1)
    press(dock, "class_delete")
    yes = dock.findChild(QPushButton, "class_question_yes")
    assert yes.isVisible() and yes.text() == "Delete class and 2 marks"
    press(dock, "class_question_no")
    assert not dock.question.isVisible() and names(dock) == ["background", "leaf", "stem"]
    qtbot.keyClick(dock.table, Qt.Key.Key_Delete)
    press(dock, "class_question_yes")
    assert not dock.question.isVisible()
    assert names(dock) == ["background", "stem"]
    assert len(session.marks()) == 2
    session.undo()
    assert names(dock) == ["background", "leaf", "stem"] and session.marks() == before
    session.redo()
    assert names(dock) == ["background", "stem"]


def test_the_question_goes_when_it_is_out_of_date(session, dock, qtbot):
    def add():
        session.edit_classes(lambda project: project.add_class("x"), "added")

    for change in (lambda: session.set_class(0), add, session.undo, lambda: session.set_tag(2, True)):
        session.set_class(2)
        press(dock, "class_delete")
        assert dock.question.isVisible()
        change()
        assert not dock.question.isVisible()
    press(dock, "class_delete")
    qtbot.keyClick(dock.findChild(QPushButton, "class_question_yes"), Qt.Key.Key_Escape)
    assert not dock.question.isVisible()


def test_the_last_class_can_not_be_deleted(session, dock):
    for _ in range(2):
        session.set_class(0)
        press(dock, "class_delete")
        press(dock, "class_question_yes")
    assert names(dock) == ["stem"]
    assert not dock.findChild(QToolButton, "class_delete").isEnabled()
    assert not dock.findChild(QToolButton, "class_merge").isEnabled()


def test_merge_gives_the_marks_to_the_chosen_class(session, dock):
    session.set_class(2)
    press(dock, "class_merge")
    choices = dock.findChild(QComboBox, "class_question_choices")
    assert [choices.itemText(i) for i in range(choices.count())] == ["background", "leaf"]
    choices.setCurrentIndex(1)
    press(dock, "class_question_yes")
    assert names(dock) == ["background", "leaf"] and marks(dock) == ["1", "2"]
    assert session.classes.names[session.class_index] == "leaf"
    session.undo()
    assert names(dock) == ["background", "leaf", "stem"] and marks(dock) == ["1", "1", "1"]


def test_up_and_down_move_the_class_with_its_marks(session, dock):
    session.set_tag(2, True)
    session.set_class(2)
    up, down = (dock.findChild(QToolButton, name) for name in ("class_up", "class_down"))
    assert not down.isEnabled()
    up.click()
    up.click()
    assert names(dock) == ["stem", "background", "leaf"] and marks(dock) == ["2", "1", "1"]
    assert session.class_index == dock.table.currentIndex().row() == 0
    assert not up.isEnabled() and down.isEnabled()
    session.undo()
    assert names(dock) == ["background", "stem", "leaf"]
    assert session.class_index == dock.table.currentIndex().row() == 1


@pytest.mark.parametrize(
    ("source", "before", "expected"),
    [(0, 3, "leaf stem background"), (0, 2, "leaf background stem"), (2, 0, "stem background leaf")],
)
def test_a_class_is_dropped_between_others(session, dock, source, before, expected):
    data = dock.model.mimeData([dock.model.index(source, Column.NAME)])
    nowhere = dock.model.index(-1, -1)
    dock.model.dropMimeData(data, Qt.DropAction.MoveAction, before, 0, nowhere)
    assert names(dock) == expected.split()
    session.undo()
    assert names(dock) == ["background", "leaf", "stem"]


def test_dropping_a_class_where_it_is_makes_no_step(session, dock):
    steps = len(session.project.history())
    data = dock.model.mimeData([dock.model.index(1, Column.NAME)])
    for before in (1, 2):
        dock.model.dropMimeData(data, Qt.DropAction.MoveAction, before, 0, dock.model.index(-1, -1))
    assert len(session.project.history()) == steps


def test_an_eye_hides_and_shows_its_class_and_leaves_the_current_one(session, dock, qtbot):
    assert session.overlay.hidden == {0}, "the background doesn't cover the picture unless asked"
    click(qtbot, dock, 1, Column.VISIBLE)
    assert session.overlay.hidden == {0, 1} and session.class_index == 0
    shown = dock.model.index(1, Column.VISIBLE).data(Qt.ItemDataRole.CheckStateRole)
    assert Qt.CheckState(shown) == Qt.CheckState.Unchecked
    click(qtbot, dock, 1, Column.VISIBLE)
    click(qtbot, dock, 0, Column.VISIBLE)
    assert session.overlay.hidden == frozenset()


def test_a_click_on_a_colour_lets_another_be_chosen(session, dock, qtbot):
    click(qtbot, dock, 1, Column.COLOR)
    dialog = dock.findChild(QColorDialog, "class_color")
    assert dialog.isVisible() and not dialog.isModal()
    assert dialog.currentColor().getRgb()[:3] == session.classes.classes[1].color
    session.edit_classes(lambda project: project.move_class(1, 0), "moved")
    dialog.setCurrentColor(QColor(1, 2, 3))
    dialog.accept()
    assert session.classes.classes[0] == type(session.classes.classes[0])("leaf", (1, 2, 3))
    session.undo()
    assert session.classes.classes[0].color == default_color(1)


def test_the_menu_reaches_everything_from_the_keyboard(session, dock, qtbot):
    session.set_class(2)

    def choose(text):
        dock.table.menu_wanted.emit(QPoint(0, 0))
        menu = dock.findChild(QMenu, "class_menu")
        next(action for action in menu.actions() if action.text() == text).trigger()
        menu.close()
        QApplication.sendPostedEvents(menu, 0)
        qtbot.waitUntil(lambda: dock.findChild(QMenu, "class_menu") is None)

    choose("Show only this one")
    assert session.overlay.hidden == {0, 1}
    choose("Hide in the overlay")
    assert session.overlay.hidden == {0, 1, 2}
    choose("Show all")
    assert session.overlay.hidden == frozenset()
    choose("Rename")
    type_name(qtbot, dock, "trunk")
    assert session.classes.names[2] == "trunk"
    choose("Delete...")
    assert dock.question.isVisible()


def test_without_a_project_the_dock_says_what_to_do(session, dock, small_project):
    session.close()
    hint = next(label for label in dock.findChildren(type(dock._hint), "no_project"))
    assert hint.isVisible() and "Open a project" in hint.text()
    assert dock.model.rowCount() == 0
    assert not dock.table.isEnabled()
    assert not dock.findChild(QToolButton, "class_add").isEnabled()
    session.open(small_project.path)
    assert not hint.isVisible() and dock.table.isEnabled()
    assert names(dock) == ["background", "leaf", "stem"]


def test_another_project_starts_with_its_first_class(session, dock, tmp_path):
    session.set_class(2)
    session.create(tmp_path / "new.spml", tmp_path / "images", ClassTable.from_names(["a", "b"]))
    assert names(dock) == ["a", "b"]
    assert session.class_index == dock.table.currentIndex().row() == 0


def test_forty_long_names_scroll_elide_and_tell_their_name(tmp_path, qtbot):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    session = Session()
    assert session.create(tmp_path / "p.spml", tmp_path / "images", ClassTable.from_names(MANY))
    dock = ClassesDock(session)
    qtbot.addWidget(dock)
    dock.resize(300, 400)
    dock.show()
    qtbot.waitExposed(dock)
    assert dock.width() == 300, "long names don't widen the dock"
    assert dock.table.verticalScrollBar().maximum() > 0
    assert dock.table.horizontalScrollBar().maximum() == 0
    assert dock.model.index(39, Column.NAME).data(Qt.ItemDataRole.ToolTipRole) == MANY[39]
    assert dock.model.index(9, Column.KEY).data() == ""
    session.set_class(39)
    assert dock.table.viewport().rect().contains(dock.table.visualRect(dock.table.currentIndex()).center()), (
        "the current class is in sight"
    )
    session.close()


def test_a_dock_that_is_gone_is_not_called_any_more(session, qtbot):
    dock = ClassesDock(session)  # its Python half lives on
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    session.edit_classes(lambda project: project.add_class("x"), "added")
    session.add_marks([Tag(0)], "Tag")
    session.view(hidden=frozenset({1}))
    session.close()


def test_a_dock_can_be_collected(session, qtbot):
    dock = ClassesDock(session)
    gone = weakref.ref(dock)
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    del dock
    gc.collect()
    assert gone() is None, "the session doesn't hold it"


def test_keys_go_through_to_the_window_unless_a_name_is_edited(session, make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    pressed = []
    for key in ("1", "9", "K"):
        viewer.bind_key(key, lambda _, key=key: pressed.append(key), overwrite=True)
    dock = ClassesDock(session)
    viewer.window.add_dock_widget(dock, name="Classes", area="right")
    dock.table.setFocus()
    for key in (Qt.Key.Key_1, Qt.Key.Key_9, Qt.Key.Key_K):
        qtbot.keyClick(dock.table, key)
    assert pressed == ["1", "9", "K"]
    assert session.class_index == 0
    dock.table.edit_name(1)
    type_name(qtbot, dock, "K19")
    assert pressed == ["1", "9", "K"]
    assert session.classes.names[1] == "K19"
