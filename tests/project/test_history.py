import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spml_core.annotations import UNTOUCHED, Box, Erasure, Patch, Point, Scribble, Tag, rasterize
from spml_core.errors import ClassError, MarkError, ProjectError
from spml_core.project import Project
from spml_core.project.history import replay

ALL_KINDS = [
    Scribble(1, ((2.5, 3.0), (8.0, 9.0)), 3.0),
    Point(2, 10, 4),
    Box(1, 0, 0, 5, 5),
    Tag(0),
    Patch(3, 4, np.array([[0, 2, 255], [UNTOUCHED, 2, 0]], np.uint8)),
    Erasure(((3.0, 3.0),), 2.0),
]


def test_marks_of_every_kind_survive_a_restart(project):
    number = project.picture("a").id
    ids = project.add_marks({number: ALL_KINDS}, "everything")
    assert list(project.marks(number).items()) == list(zip(ids, ALL_KINDS, strict=True))
    project.close()
    with Project.open(project.path) as again:
        record = again.picture("a")
        assert list(again.marks(record.id).values()) == ALL_KINDS
        labels = again.weak_labels(record)
        assert np.array_equal(labels, rasterize(ALL_KINDS, (16, 17), 3))
        assert np.array_equal(
            again.weak_labels(record, point_radius=0), rasterize(ALL_KINDS, (16, 17), 3, point_radius=0)
        )
        assert again.tags(record).tolist() == [True, True, True]
        assert again.tags(again.picture("b")).tolist() == [False] * 3
        assert again.marked_pictures() == (record,)
        assert again.mark_counts() == (2, 2, 2)


def test_one_import_is_one_step(project):
    project.add_marks({1: [Tag(0), Tag(1)], 2: [Tag(2)], 3: []}, "import")
    assert len(project.history()) == 1
    undone = project.undo()
    assert (undone.note, undone.state) == ("import", "undone")
    assert project.marks(1) == project.marks(2) == {}
    assert project.redo().state == "done"
    assert len(project.marks(1)) == 2
    assert project.add_marks({1: []}, "nothing") == ()
    project.remove_marks([])
    assert [(e.kind, e.target) for e in project.history()] == [("add", None), ("undo", 1), ("redo", 1)]


def test_removing_what_is_not_there_removes_nothing(project):
    (key, other) = project.add_marks({1: [Tag(0), Tag(1)]}, "")
    project.remove_marks([key])
    for wrong in (key, 99):
        with pytest.raises(MarkError, match=f"no mark with id {wrong}"):
            project.remove_marks([other, wrong])
    assert list(project.marks(1)) == [other]
    project.undo()
    assert list(project.marks(1)) == [key, other]


def test_nothing_to_undo_or_redo(project):
    assert project.undo() is None
    assert project.redo() is None
    project.add_marks({1: [Tag(0)]}, "")
    assert project.redo() is None
    project.undo()
    project.add_marks({1: [Tag(1)]}, "")
    assert project.redo() is None
    assert [e.state for e in project.history()] == ["dropped", None, "done"]


def test_undo_and_redo_survive_a_restart(project):
    project.add_marks({1: [Tag(0)]}, "one")
    project.add_marks({1: [Tag(1)]}, "two")
    project.undo()
    project.close()
    with Project.open(project.path) as again:
        assert again.redo().note == "two"
        assert again.undo().note == "two"
        assert again.undo().note == "one"
        assert again.undo() is None


def test_events_are_append_only(project):
    project.add_marks({1: [Tag(0)]}, "one")
    for statement in ("UPDATE events SET note = 'x'", "DELETE FROM events"):
        with pytest.raises(ProjectError, match="append-only"), project._database.transaction():
            project._database.execute(statement)


def test_classes_are_edited_through_the_history(project, classes):
    project.add_marks({1: [Tag(2)]}, "tag")
    assert project.add_class("mould", (1, 2, 3)) == 3
    project.rename_class(2, "hedge")
    project.recolor_class(0, (9, 9, 9))
    project.add_marks({1: [Patch(0, 0, np.array([[3, 2]], np.uint8))]}, "mould")
    assert project.classes.names == ("background", "cell", "hedge", "mould")
    assert project.classes.classes[3].color == (1, 2, 3)
    assert project.classes.classes[0].color == (9, 9, 9)
    assert project.mark_counts() == (0, 0, 2, 1)
    after = project.classes, project.marks(1)
    for _ in range(4):
        assert project.undo() is not None
    assert project.classes == classes
    assert list(project.marks(1).values()) == [Tag(2)]
    assert (project.weak_labels(project.pictures[0]) == 3).all()
    for _ in range(4):
        assert project.redo() is not None
    assert (project.classes, project.marks(1)) == after
    project.close()
    with Project.open(project.path) as again:
        assert again.classes == after[0]


def test_a_class_added_undone_and_added_again(project):
    project.add_class("mould")
    project.undo()
    assert project.add_class("mould") == 3
    assert len(project.classes) == 4
    assert project.undo().kind == "class"
    assert len(project.classes) == 3


def test_wrong_class_edits_change_nothing(project, classes):
    for edit in (
        lambda: project.add_class("cell"),
        lambda: project.add_class(" "),
        lambda: project.add_class("x", (0, 0, 256)),
        lambda: project.rename_class(0, "cell"),
        lambda: project.rename_class(3, "x"),
        lambda: project.recolor_class(7, (0, 0, 0)),
    ):
        with pytest.raises(ClassError):
            edit()
    assert project.classes == classes
    assert project.history() == ()


class Model:
    """The history as two lists of whole states."""

    def __init__(self):
        self.past, self.state, self.future = [], (), []

    def act(self, state):
        self.past.append(self.state)
        self.state, self.future = state, []

    def undo(self):
        if self.past:
            self.future.append(self.state)
            self.state = self.past.pop()

    def redo(self):
        if self.future:
            self.past.append(self.state)
            self.state = self.future.pop()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
        st.tuples(st.just("undo"), st.none()),
        st.tuples(st.just("redo"), st.none()),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=25,
)


def test_any_sequence_equals_a_simple_model(tmp_path, images, classes):
    path = tmp_path / "p.spml"
    Project.create(path, images, classes).close()
    # A project for each sequence would be slow: it is one, and its model starts where it stands.
    numbers = itertools.count()

    @given(steps)
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(sequence):
        project = Project.open(path)
        while project.undo() is not None:
            pass
        model = Model()
        # Anything redoable is dropped by a first action, which is then part of the model's ground.
        ground = project.add_marks({1: [Tag(0)]}, "ground")
        model.act(tuple((key, Tag(0)) for key in ground))
        try:
            for name, argument in sequence:
                if name == "add":
                    marks = [Point(next(numbers) % 3, 1, 2.5) for _ in range(argument)]
                    keys = project.add_marks({1: marks}, "add")
                    model.act(model.state + tuple(zip(keys, marks, strict=True)))
                elif name == "remove":
                    count = len(model.state)
                    doomed = {model.state[i % count][0] for i in argument} if count else set()
                    project.remove_marks(doomed)
                    if doomed:
                        model.act(tuple(pair for pair in model.state if pair[0] not in doomed))
                elif name == "reopen":
                    project.close()
                    project = Project.open(path)
                else:
                    getattr(project, name)()
                    getattr(model, name)()
                assert tuple(project.marks(1).items()) == model.state
            assert replay(project._database) == {key for key, _ in model.state}
        finally:
            project.close()

    check()


def test_latest_steps_are_the_end_of_the_history_without_undo_and_redo(project):
    for number in range(6):
        project.add_marks({1: [Point(0, number, 1)]}, f"step {number}")
    project.undo()
    project.undo()
    project.redo()
    steps = [entry for entry in project.history() if entry.state in ("done", "undone")]
    for count in (0, 1, 3, 100):
        assert list(project.latest_steps(count)) == steps[len(steps) - min(count, len(steps)) :]
    project.add_marks({1: [Point(0, 9, 1)]}, "another way")
    assert [entry.note for entry in project.latest_steps(2)] == ["step 4", "another way"]


def test_adding_and_taking_away_is_one_step(project):
    old = project.add_marks({1: [Point(0, 1, 1), Point(1, 2, 2)]}, "points")
    before = project.marks(1)
    new = project.change_marks({1: [Erasure(((3.0, 3.0),), 2.0)]}, old[:1], "erase")
    after = project.marks(1)
    assert list(after) == [old[1], new[0]]
    assert project.undo().note == "erase"
    assert project.marks(1) == before
    project.redo()
    assert project.marks(1) == after
    with pytest.raises(MarkError):
        project.change_marks({1: [Tag(0)]}, old[:1], "that one is gone already")
    assert project.marks(1) == after


def test_marks_that_were_asked_for_twice_are_read_once_and_never_stale(project):
    project.add_marks({1: [Point(0, 1, 1)]}, "one")
    with Project.open(project.path, write=False) as reader:
        assert reader.marks(1) == project.marks(1) == project.marks(1)
        mine = project.marks(1)
        mine.clear()
        assert len(project.marks(1)) == 1, "what a caller does to its own copy is its own business"
        project.add_marks({1: [Point(0, 2, 2)]}, "two")
        assert len(reader.marks(1)) == len(project.marks(1)) == 2
        project.delete_class(0)
        assert project.marks(1) == {}
