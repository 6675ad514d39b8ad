import sys
from subprocess import run

import numpy as np
import pytest

from spml_core.annotations import Box, Erasure, Patch, Point, Scribble, Tag
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_napari.session import Session
from spml_napari.view_state import ShownPrediction, Tool

SIGNALS = (
    "project_changed",
    "picture_changed",
    "pictures_changed",
    "classes_changed",
    "marks_changed",
    "history_changed",
    "class_changed",
    "tool_changed",
    "brush_changed",
    "overlay_changed",
    "prediction_changed",
    "saved",
    "reported",
)


class Listener:
    """Writes down which signals a session sends."""

    def __init__(self, session):
        self.heard = []
        self._slots = {name: self._slot(name) for name in SIGNALS}
        for name, slot in self._slots.items():
            getattr(session, name).connect(slot)

    def _slot(self, name):
        return lambda *values: self.heard.append((name, *values))

    def names(self):
        return [name for name, *_ in self.heard]

    def values(self, name):
        return [values for heard, *values in self.heard if heard == name]


@pytest.fixture
def listener(session):
    return Listener(session)


def ids(session):
    return [record.id for record in session.project.pictures]


def prediction(session, labels=None):
    picture = session.picture
    labels = np.zeros((picture.height, picture.width), np.uint8) if labels is None else labels
    return ShownPrediction(picture.id, "run", 1, labels)


# Projects and pictures ------------------------------------------------------------------------------


def test_without_a_project_nothing_happens_and_nothing_is_raised():
    session = Session()
    listener = Listener(session)
    assert session.marks() == {}
    assert session.shrink == 1
    assert session.classes.names == ("background", "object")
    assert not session.add_marks([Tag(0)], "Tag")
    assert not session.remove_marks([1], "Remove")
    assert not session.set_tag(0, True)
    assert not session.accept(np.zeros((4, 4), np.uint8))
    assert not session.take_review_back()
    assert not session.is_reviewed()
    session.undo()
    session.redo()
    session.step(1)
    session.go_to(1)
    session.close()
    assert listener.heard == []
    assert not session.edit_classes(lambda project: project.add_class("x"), "added")
    assert [level for level, _ in listener.values("reported")] == ["error"]


def test_opening_shows_the_first_marked_picture_and_tells_everybody(session, small_project, tmp_path):
    assert session.picture.name == "first"
    session.close()
    with Project.open(small_project.path) as project:
        first, second = project.picture("first"), project.picture("second")
        project.remove_marks(project.marks(first.id))
        project.add_marks({second.id: [Tag(0)]}, "Tag")
    listener = Listener(session)
    assert session.open(small_project.path)
    assert session.picture.name == "second"
    assert listener.names()[:2] == ["project_changed", "classes_changed"]
    assert {"class_changed", "history_changed", "picture_changed"} <= set(listener.names())
    session.close()
    with Project.open(small_project.path) as project:
        project.undo()
        project.undo()
        project.undo()
    assert session.open(small_project.path)
    assert session.picture == session.project.pictures[0]


def test_a_project_that_can_not_be_opened_leaves_the_open_one(session, listener, tmp_path):
    before = session.project
    assert not session.open(tmp_path / "nowhere.spml")
    ((level, text),) = listener.values("reported")
    assert level == "error" and "nowhere.spml" in text
    assert session.project is before
    assert listener.names() == ["reported"]
    assert session.add_marks([Tag(0)], "Tag")
    assert not session.create(before.path, before.path.parent / "images", ClassTable.from_names(["a", "b"]))
    assert session.project is before


def test_a_new_project_takes_the_place_of_the_open_one(session, tmp_path):
    old = session.project
    session.set_class(2)
    session.view(hidden=frozenset({1}), opacity=0.7)
    session.show_prediction(prediction(session))
    listener = Listener(session)
    assert session.create(tmp_path / "new.spml", tmp_path / "images", ClassTable.from_names(["a", "b"]))
    assert session.classes.names == ("a", "b")
    assert session.class_index == 0
    assert session.prediction is None
    assert (session.overlay.hidden, session.overlay.opacity) == (frozenset(), 0.7)
    assert {"project_changed", "class_changed", "overlay_changed", "prediction_changed"} <= set(
        listener.names()
    )
    Project.open(old.path).close()  # it was closed: its lock is free


def test_closing_frees_the_project_and_clears_the_window(session, small_project):
    session.show_prediction(prediction(session))
    listener = Listener(session)
    session.close()
    session.close()
    assert (session.project, session.picture, session.prediction) == (None, None, None)
    for name in ("project_changed", "picture_changed", "prediction_changed", "history_changed"):
        assert listener.names().count(name) == 1
    Project.open(small_project.path).close()


def test_going_to_a_picture_drops_the_prediction_of_the_other(session, listener):
    session.show_prediction(prediction(session))
    second = session.project.picture("second")
    session.go_to(second.id)
    assert session.picture == second and session.prediction is None
    assert listener.names()[-2:] == ["picture_changed", "prediction_changed"]
    count = len(listener.heard)
    session.go_to(second.id)
    assert len(listener.heard) == count, "the picture is shown already"
    session.go_to(999)
    assert listener.values("reported")[0][0] == "error"
    assert session.picture == second


def test_stepping_stops_at_the_ends_and_keeps_to_what_is_listed(session):
    first, second, third = ids(session)
    for count, expected in ((1, second), (1, third), (1, third), (-2, first), (-1, first), (9, third)):
        session.step(count)
        assert session.picture.id == expected
    session.step(1, among=[second, first])
    assert session.picture.id == second, "the shown picture isn't listed: to the first that is"
    session.step(1, among=[second, first])
    assert session.picture.id == first
    session.step(1, among=[second, first])
    assert session.picture.id == first


def test_a_prediction_of_another_picture_is_dropped(session, listener):
    late = prediction(session)
    session.step(1)
    heard = len(listener.heard)
    session.show_prediction(late)
    assert session.prediction is None
    assert len(listener.heard) == heard


# Marks ----------------------------------------------------------------------------------------------


def test_marks_are_on_the_disk_when_adding_returns(session, listener, small_project):
    marks = [Scribble(1, ((1, 2), (3, 4)), 3), Point(2, 5, 6), Box(0, 1, 1, 4, 4), Erasure(((1, 1),), 2)]
    assert session.add_marks(iter(marks), "Some marks")
    with Project.open(small_project.path, write=False) as reader:
        assert list(reader.marks(session.picture.id).values())[3:] == marks
    assert listener.heard == [
        ("marks_changed", frozenset({session.picture.id})),
        ("history_changed",),
        ("saved", "Some marks"),
    ]
    assert not session.add_marks([], "Nothing")
    assert len(listener.heard) == 3


def test_what_can_not_be_added_or_removed_is_reported_and_changes_nothing(session, listener):
    before = session.marks()
    assert not session.add_marks([Tag(0), Tag(9)], "Tags")
    assert not session.add_marks([Point(0, 1000, 3)], "Point")
    assert not session.remove_marks([12345], "Remove")
    assert not session.remove_marks([], "Nothing")
    assert [level for level, _ in listener.values("reported")] == ["error"] * 3
    assert set(listener.names()) == {"reported"}
    assert session.marks() == before


def test_removing_marks_is_one_step(session):
    before = session.marks()
    assert session.remove_marks(list(before)[:2], "Erase")
    assert list(session.marks()) == list(before)[2:]
    session.undo()
    assert session.marks() == before


def test_a_tag_is_set_once_and_taken_back(session, listener):
    assert session.set_tag(1, True)
    assert not session.set_tag(1, True)
    assert [mark for mark in session.marks().values() if isinstance(mark, Tag)] == [Tag(1)]
    assert session.set_tag(1, False)
    assert not session.set_tag(1, False)
    assert Tag(1) not in session.marks().values()
    assert [said for (said,) in listener.values("saved")] == ["Tag leaf", "Take tag leaf off"]


def test_an_accepted_picture_is_reviewed_until_that_is_taken_back(session, listener):
    labels = np.full((48, 64), session.classes.unlabeled, np.uint8)
    labels[5:9] = 1
    labels[0, 0] = 255
    assert session.accept(labels)
    patch = list(session.marks().values())[-1]
    assert isinstance(patch, Patch) and patch.accepted == "picture"
    assert patch.labels.shape == (48, 64)
    assert np.array_equal(patch.labels == 1, labels == 1)
    assert not np.isin(patch.labels, [255, session.classes.unlabeled]).any()
    assert session.is_reviewed()
    session.step(1)
    assert not session.is_reviewed()
    session.step(-1)
    assert session.take_review_back()
    assert not session.is_reviewed()
    assert not session.take_review_back()
    session.undo()
    assert session.is_reviewed()


def test_an_accepted_class_is_a_patch_around_it(session):
    labels = np.zeros((48, 64), np.uint8)
    labels[5:9, 10:13] = 2
    labels[6, 11] = 1
    assert session.accept(labels, 2)
    patch = list(session.marks().values())[-1]
    assert (patch.top, patch.left, patch.labels.shape, patch.accepted) == (5, 10, (4, 3), "class")
    assert (patch.labels == 2).sum() == 11
    assert not np.isin(patch.labels, [0, 1]).any()
    assert not session.is_reviewed()


@pytest.mark.parametrize(
    ("labels", "class_index", "level"),
    [
        (np.full((48, 64), 3, np.uint8), None, "warning"),
        (np.zeros((48, 64), np.uint8), 1, "warning"),
        (np.full((48, 64), 7, np.uint8), 7, "warning"),
        (np.zeros((24, 32), np.uint8), None, "error"),
        (np.zeros((48,), np.uint8), None, "error"),
    ],
)
def test_what_can_not_be_accepted_is_reported(session, listener, labels, class_index, level):
    before = session.marks()
    assert not session.accept(labels, class_index)
    assert listener.values("reported")[0][0] == level
    assert session.marks() == before


# Tools and view -------------------------------------------------------------------------------------


def test_each_choice_is_told_once(session, listener):
    session.set_class(1)
    session.set_class(1)
    session.set_class(3)
    session.set_class(-1)
    session.set_tool("box")
    session.set_tool(Tool.BOX)
    session.set_brush(12.4)
    session.set_brush(12)
    session.view(opacity=0.3)
    session.view(opacity=0.3)
    assert listener.names() == ["class_changed", "tool_changed", "brush_changed", "overlay_changed"]
    assert (session.class_index, session.tool, session.brush, session.overlay.opacity) == (
        1,
        Tool.BOX,
        12,
        0.3,
    )


def test_the_brush_grows_and_shrinks_in_steps_within_its_limits(session):
    session.set_brush(0.1)
    assert session.brush == 1
    session.scale_brush(False)
    assert session.brush == 1
    sizes = []
    for _ in range(60):
        session.scale_brush(True)
        sizes.append(session.brush)
    assert sizes == sorted(sizes) and sizes[-1] == 500
    assert sizes[0] == 2
    session.scale_brush(False)
    assert session.brush == 400


def test_the_session_imports_neither_qt_nor_torch():
    unwanted = ("torch", "qtpy", "PyQt5", "PyQt6", "napari")
    code = f"import sys, spml_napari.session; print([m for m in sys.modules if m.split(chr(46))[0] in {unwanted}])"
    assert (
        run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
