import numpy as np
import pytest

from spml_core.annotations import UNTOUCHED, Erasure, Patch, Scribble, Tag, mark_to_json
from spml_core.project import PictureState, Project


def accepted(how, code=1):
    return Patch(0, 0, np.full((4, 5), code, np.uint8), how)


def test_states_of_all_pictures(project):
    assert project.states() == {
        1: PictureState(0, False),
        2: PictureState(0, False),
        3: PictureState(0, False),
    }
    project.add_marks({1: [Tag(0), Tag(1)], 3: [accepted("class")]}, "")
    (review,) = project.add_marks({2: [accepted("picture")]}, "Accept picture")
    assert project.states() == {
        1: PictureState(2, False),
        2: PictureState(1, True),
        3: PictureState(1, False),
    }
    assert [record.id for record in project.reviewed_pictures()] == [2]
    assert project.marks(2)[review].accepted == "picture"
    project.remove_marks([review], "Take review back")
    assert project.states()[2] == PictureState(0, False)
    assert project.reviewed_pictures() == ()
    project.undo()
    assert [record.id for record in project.reviewed_pictures()] == [2]
    project.delete_class(1)
    assert project.states()[2] == PictureState(0, False)
    assert project.reviewed_pictures() == ()


def test_acceptance_outlives_a_restart_and_a_change_of_classes(project):
    patch = Patch(2, 3, np.array([[0, 1, UNTOUCHED]], np.uint8), "picture")
    project.add_marks({1: [patch]}, "")
    project.move_class(0, 2)
    project.close()
    with Project.open(project.path) as again:
        (mark,) = again.marks(1).values()
        assert mark == Patch(2, 3, np.array([[2, 0, UNTOUCHED]], np.uint8), "picture")


def test_an_accepted_prediction_never_paints_over_a_persons_marks(project):
    record = project.pictures[0]
    project.add_marks({record.id: [Scribble(0, ((1.0, 1.0),), 1.0)]}, "")
    project.add_marks({record.id: [accepted("picture")]}, "")
    labels = project.weak_labels(record)
    assert (labels == 0).sum() == 1
    assert (labels == 1).sum() == 19
    project.add_marks({record.id: [Erasure(((1.0, 1.0), (1.0, 2.0)), 1.0)]}, "")
    assert project.weak_labels(record)[1, :4].tolist() == [1, 3, 3, 1]


NUMBERS = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {})"


@pytest.fixture
def large(project):
    """5,000 pictures and 50,000 marks of three classes, ten an action; every thousandth was taken away."""
    execute = project._database.execute
    pictures, marks, events = (NUMBERS.format(count) for count in (4997, 50_000, 5000))
    with project._database.transaction():
        execute(
            f"INSERT INTO pictures (name, path, content_hash, height, width) {pictures}"
            " SELECT 'n' || i, 'images/n' || i || '.png', '', 20, 20 FROM n"
        )
        payload = mark_to_json(Tag(0))
        execute(
            "INSERT INTO marks (id, picture, payload, active)"
            f" {marks} SELECT i, 1 + (i / 10) % 5000, '{payload}', i % 1000 > 0 FROM n"
        )
        execute(f"INSERT INTO mark_classes {marks} SELECT i, 0, 1 + i % 3 FROM n")
        execute(f"INSERT INTO events (time, kind, note) {events} SELECT '', 'add', '' FROM n")
        execute("INSERT INTO event_state SELECT id, 'done' FROM events")
        execute(f"INSERT INTO mark_changes {marks} SELECT 1 + (i - 1) / 10, i, 1 FROM n")
    project.refresh()
    return project


def statements(project, act):
    seen = []
    project._database._connection.set_trace_callback(seen.append)
    try:
        act()
    finally:
        project._database._connection.set_trace_callback(None)
    return seen


def test_many_pictures_need_few_queries(large):
    states = large.states()
    assert len(states) == 5000
    assert sum(state.marks for state in states.values()) == 50_000 - 50
    counts = [sum(i % 3 == code and i % 1000 > 0 for i in range(1, 50_001)) for code in range(3)]
    assert large.mark_counts() == tuple(counts)
    for act, most in [
        (large.states, 2),
        (large.marked_pictures, 1),
        (large.reviewed_pictures, 1),
        (large.mark_counts, 3),
        (lambda: large.marks_of_class(1), 1),
        (large.can_undo, 3),
        (lambda: large.can_undo(7), 5),
        (large.can_redo, 1),
        (large.refresh, 5),  # films, pictures and classes, the first two as of one moment
        (large.history, 2),
    ]:
        assert len(statements(large, act)) <= most
    # One mark: begin, drop, event, its state, mark, class, change, commit; no picture is looked up.
    assert len(statements(large, lambda: large.add_marks({7: [Tag(1)]}, ""))) == 8
    assert len(statements(large, large.undo)) <= 16


def test_no_query_reads_all_marks_where_an_index_tells(large):
    database = large._database
    large.delete_class(0)
    asked = {
        text
        for act in (
            large.states,
            large.reviewed_pictures,
            large.mark_counts,
            lambda: large.can_undo(7),
            large.can_redo,
        )
        for text in statements(large, act)
        if text.lstrip().startswith("SELECT")
    }
    assert len(asked) > 6
    for text in asked:
        for *_, step in database.rows(f"EXPLAIN QUERY PLAN {text}"):
            assert (
                not step.startswith("SCAN") or "INDEX" in step or "CONSTANT" in step or "json_each" in step
            ), text
