"""Undo and redo, and the editing of classes, as the session tells of them."""

import pytest

from spml_core.annotations import Point, Tag
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_napari.class_following import followed
from spml_napari.session import Session


@pytest.fixture
def heard(session):
    names = []
    slots = []
    for name in ("classes_changed", "class_changed", "marks_changed", "history_changed", "picture_changed"):
        slots.append(lambda *_, name=name: names.append(name))
        getattr(session, name).connect(slots[-1])
    for name in ("overlay_changed", "saved", "reported"):
        slots.append(lambda *values, name=name: names.append((name, *values)))
        getattr(session, name).connect(slots[-1])
    yield names
    del slots


def test_undo_and_redo_go_to_the_picture_that_changes(session, heard):
    first, second, _ = (record.id for record in session.project.pictures)
    session.add_marks([Tag(1)], "Tag leaf")
    session.go_to(second)
    session.add_marks([Point(1, 3, 3)], "Point leaf")
    session.undo()
    assert session.picture.id == second and session.marks() == {}
    heard.clear()
    session.undo()
    assert session.picture.id == first and Tag(1) not in session.marks().values()
    assert heard == ["picture_changed", "marks_changed", "history_changed", ("saved", "undo Tag leaf")]
    session.redo()
    assert session.picture.id == first and Tag(1) in session.marks().values()
    session.redo()
    assert session.picture.id == second and len(session.marks()) == 1
    assert heard[-1] == ("saved", "redo Point leaf")


def test_the_end_of_the_history_is_told_and_nothing_else(session, heard):
    session.redo()
    assert heard == [("saved", "nothing to redo")]
    session.undo()
    assert session.marks() == {}
    heard.clear()
    session.undo()
    assert heard == [("saved", "nothing to undo")]


def test_undo_goes_on_after_a_restart(session, small_project):
    session.add_marks([Tag(1)], "Tag leaf")
    session.set_tag(2, True)
    session.undo()
    session.close()
    assert session.open(small_project.path)
    session.redo()
    assert {Tag(1), Tag(2)} <= set(session.marks().values())
    session.undo()
    session.undo()
    assert not {Tag(1), Tag(2)} & set(session.marks().values())


def test_a_project_open_for_reading_reports_once_and_says_nothing_of_an_empty_history(small_project):
    small_project.close()
    reader = Session()
    with Project.open(small_project.path, write=False) as project:
        reader.adopt(project)
        said = []
        slot = lambda *values: said.append(values)  # noqa: E731
        reader.reported.connect(slot)
        reader.saved.connect(slot)
        reader.undo()
        assert not reader.set_tag(0, True)
        assert not reader.edit_classes(lambda p: p.add_class("x"), "added")
        assert [values[0] for values in said] == ["error"] * 3
        assert len(reader.marks()) == 3
        reader.close()


def test_editing_classes_is_told_undone_and_redone(session, heard):
    assert session.edit_classes(lambda project: project.rename_class(1, "blade"), "renamed")
    assert session.classes.names == ("background", "blade", "stem")
    assert heard == [
        "classes_changed",
        "class_changed",
        "marks_changed",
        "history_changed",
        ("saved", "renamed"),
    ]
    heard.clear()
    session.undo()
    assert session.classes.names[1] == "leaf"
    assert heard[:4] == ["classes_changed", "class_changed", "marks_changed", "history_changed"]
    session.redo()
    assert session.classes.names[1] == "blade"


def test_a_wrong_edit_of_classes_is_reported_and_changes_nothing(session, heard):
    assert not session.edit_classes(lambda project: project.rename_class(1, "stem"), "renamed")
    ((kind, level, text),) = heard
    assert (kind, level) == ("reported", "error") and "stem" in text
    assert session.classes.names == ("background", "leaf", "stem")


def test_current_and_hidden_classes_stay_the_same_classes(session):
    def state():
        names = session.classes.names
        return names[session.class_index], {names[index] for index in session.overlay.hidden}

    session.set_class(2)
    session.view(hidden=frozenset({1, 2}))
    assert session.edit_classes(lambda project: project.move_class(2, 0), "moved")
    assert session.class_index == 0
    assert state() == ("stem", {"leaf", "stem"})
    session.undo()
    assert session.class_index == 2
    assert state() == ("stem", {"leaf", "stem"})
    session.edit_classes(lambda project: project.rename_class(2, "trunk"), "renamed")
    assert state() == ("trunk", {"leaf", "trunk"})
    session.undo()
    assert state() == ("stem", {"leaf", "stem"})
    session.edit_classes(lambda project: project.delete_class(0), "deleted")
    assert state() == ("stem", {"leaf", "stem"})
    session.undo()
    assert state() == ("stem", {"leaf", "stem"})
    session.edit_classes(lambda project: project.delete_class(1), "deleted")
    assert state() == ("stem", {"stem"})


def test_a_deleted_current_class_gives_way_to_one_that_is_there(session, heard):
    session.set_class(2)
    session.view(hidden=frozenset({2}))
    heard.clear()
    session.edit_classes(lambda project: project.delete_class(2), "deleted")
    assert session.class_index == 1
    assert session.overlay.hidden == frozenset()
    assert ("overlay_changed",) in heard
    session.undo()
    assert session.classes.names[2] == "stem"
    assert session.class_index == 1


def test_marks_follow_their_class(session):
    before = session.marks()
    session.edit_classes(lambda project: project.move_class(0, 2), "moved")
    assert [mark.class_index for mark in session.marks().values()] == [2, 0, 1]
    session.edit_classes(lambda project: project.merge_class(2, 0), "merged")
    assert [mark.class_index for mark in session.marks().values()] == [0, 0, 1]
    session.undo()
    session.undo()
    assert session.marks() == before


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("abc", {0: 0, 1: 1, 2: 2}),
        ("cab", {0: 1, 1: 2, 2: 0}),
        ("abcd", {0: 0, 1: 1, 2: 2}),
        ("ac", {0: 0, 2: 1}),
        ("axc", {0: 0, 1: 1, 2: 2}),
    ],
    ids=["same", "moved", "added", "taken away", "renamed"],
)
def test_where_classes_went(after, expected):
    tables = ClassTable.from_names(list("abc")), ClassTable.from_names(list(after))
    assert followed(*tables) == expected
