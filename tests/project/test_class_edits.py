import json

import numpy as np
import pytest

from spml_core.annotations import UNTOUCHED, Erasure, Patch, Point, Scribble, Tag
from spml_core.classes import ClassTable, default_color
from spml_core.errors import ClassError
from spml_core.project import Project

MARKS = [
    Tag(0),
    Point(1, 2, 2),
    Scribble(2, ((5.0, 5.0),), 3.0),
    Patch(0, 0, np.array([[0, 1, 2, 255, UNTOUCHED]], np.uint8), "class"),
    Erasure(((9.0, 9.0),), 2.0),
]


@pytest.fixture
def marked(project):
    project.add_marks({1: MARKS}, "marks")
    return project


def shown(project):
    return list(project.marks(1).values())


def snapshot(project):
    return (
        project.classes,
        [project.marks(record.id) for record in project.pictures],
        project.mark_counts(),
        project.states(),
        [project.weak_labels(record).tolist() for record in project.pictures],
    )


def payloads(project):
    return project._database.rows("SELECT id, payload FROM marks ORDER BY id")


def test_a_moved_class_takes_its_marks_along(marked):
    raw = payloads(marked)
    marked.move_class(0, 2)
    assert marked.classes.names == ("cell", "wall", "background")
    assert shown(marked) == [
        Tag(2),
        Point(0, 2, 2),
        Scribble(1, ((5.0, 5.0),), 3.0),
        Patch(0, 0, np.array([[2, 0, 1, 255, UNTOUCHED]], np.uint8), "class"),
        MARKS[4],
    ]
    marked.move_class(1, 0)
    assert marked.classes.names == ("wall", "cell", "background")
    assert marked.mark_counts() == (2, 2, 2)
    assert payloads(marked) == raw
    steps = len(marked.history())
    marked.move_class(1, 1)
    assert len(marked.history()) == steps


def test_a_deleted_class_takes_its_marks_and_undo_brings_them_back(marked):
    raw, before = payloads(marked), snapshot(marked)
    assert marked.marks_of_class(1) == 2
    marked.delete_class(1)
    assert marked.classes.names == ("background", "wall")
    assert shown(marked) == [
        Tag(0),
        Scribble(1, ((5.0, 5.0),), 3.0),
        Patch(0, 0, np.array([[0, UNTOUCHED, 1, 255, UNTOUCHED]], np.uint8), "class"),
        MARKS[4],
    ]
    labels = marked.weak_labels(marked.pictures[0])
    assert labels[0, :5].tolist() == [0, 2, 1, 255, 2]
    assert marked.mark_counts() == (2, 2)
    assert marked.states()[1].marks == 4
    entry = marked.undo()
    assert (entry.kind, entry.note, entry.pictures) == ("class", "Delete class cell", ())
    assert snapshot(marked) == before
    assert payloads(marked) == raw


def test_a_mark_whose_classes_are_all_gone_is_shown_no_more(marked):
    only = Patch(1, 1, np.array([[1, 255]], np.uint8))
    marked.add_marks({2: [only]}, "")
    assert [record.id for record in marked.marked_pictures()] == [1, 2]
    marked.delete_class(1)
    assert marked.marks(2) == {}
    assert [record.id for record in marked.marked_pictures()] == [1]
    marked.delete_class(0)
    assert [type(mark) for mark in shown(marked)] == [Scribble, Patch, Erasure]
    marked.undo()
    marked.undo()
    assert list(marked.marks(2).values()) == [only]


def test_merged_marks_count_as_the_other_class_s(marked):
    raw, before = payloads(marked), snapshot(marked)
    marked.merge_class(0, 2)
    assert marked.classes.names == ("cell", "wall")
    assert shown(marked) == [
        Tag(1),
        Point(0, 2, 2),
        Scribble(1, ((5.0, 5.0),), 3.0),
        Patch(0, 0, np.array([[1, 0, 1, 255, UNTOUCHED]], np.uint8), "class"),
        MARKS[4],
    ]
    assert marked.mark_counts() == (2, 3)  # the patch holds both and counts once
    assert marked.marks_of_class(1) == 3
    # On again, into a third, which then goes with everything.
    marked.merge_class(1, 0)
    assert marked.mark_counts() == (4,)
    assert set(np.unique(marked.weak_labels(marked.pictures[0]))) == {0, 1}
    marked.add_class("new")
    marked.delete_class(0)
    assert shown(marked) == [MARKS[4]]
    assert marked.classes.names == ("new",)
    for _ in range(4):
        marked.undo()
    assert snapshot(marked) == before
    for _ in range(4):
        marked.redo()
    assert shown(marked) == [MARKS[4]]
    assert payloads(marked) == raw


def test_class_edits_survive_a_restart(marked):
    marked.merge_class(0, 2)
    marked.move_class(0, 1)
    after = snapshot(marked)
    marked.close()
    with Project.open(marked.path) as again:
        assert snapshot(again) == after
        again.undo()
        assert again.undo().note == "Merge class background into wall"
        assert shown(again) == MARKS


def test_the_last_class_stays_and_wrong_edits_change_nothing(project):
    for edit in (
        lambda: project.move_class(3, 0),
        lambda: project.move_class(0, 3),
        lambda: project.move_class(0, -1),
        lambda: project.merge_class(0, 3),
        lambda: project.merge_class(1, 1),
        lambda: project.delete_class(-1),
        lambda: project.marks_of_class(3),
    ):
        with pytest.raises(ClassError):
            edit()
    assert project.history() == ()
    project.delete_class(0)
    project.merge_class(1, 0)
    with pytest.raises(ClassError, match="'cell' is the last class; one must stay"):
        project.delete_class(0)
    assert project.classes.names == ("cell",)
    assert len(project.history()) == 2


def test_the_name_of_a_deleted_class_is_free_again(project):
    project.delete_class(1)
    assert project.add_class("cell") == 2
    assert project.classes.names == ("background", "wall", "cell")
    assert project.classes.classes[2].color == default_color(1)
    project.undo()
    project.undo()
    assert project.classes == ClassTable.from_names(["background", "cell", "wall"])


def test_numbers_are_places_even_where_names_are_numbers(tmp_path, images):
    table = ClassTable.from_names(["1", "0", "9"])
    assert table.index("1") == 0
    assert table.index(1) == 1
    assert table.index("2") == 2
    with pytest.raises(ClassError):
        table.index(9)
    with Project.create(tmp_path / "n.spml", images, table) as project:
        project.rename_class(1, "zero")
        assert project.classes.names == ("1", "zero", "9")


def test_a_free_colour_is_one_that_no_class_has():
    table = ClassTable.from_names([str(i) for i in range(253)])
    assert ClassTable(table.classes[3:]).free_color == default_color(0)
    colors = [info.color for info in table]
    assert table.free_color not in colors


def test_a_damaged_circle_of_merges_ends(marked):
    marked.merge_class(0, 2)
    with marked._database.transaction():
        marked._database.execute("UPDATE classes SET merged_into = id WHERE position IS NULL")
    marked.refresh()
    assert marked.classes.names == ("cell", "wall")
    assert Tag(1) not in shown(marked)


def test_what_an_edit_changed_is_kept_and_nothing_else(project):
    project.move_class(2, 1)
    project.merge_class(1, 0)
    rows = project._database.rows(
        "SELECT event, class, before, after FROM class_changes ORDER BY event, class"
    )
    assert [
        (event, number, json.loads(before)[0], json.loads(after)[0]) for event, number, before, after in rows
    ] == [
        (1, 2, 1, 2),
        (1, 3, 2, 1),
        (2, 2, 2, 1),
        (2, 3, 1, None),
    ]
    assert json.loads(rows[3][3])[-1] == 1


def test_names_of_new_and_renamed_classes_are_tidied(project):
    index = project.add_class("\u00a0nucleus \t")
    project.rename_class(1, " gro\u0308\u00dfe ")
    assert (project.classes.names[index], project.classes.names[1]) == ("nucleus", "gr\u00f6\u00dfe")
    with pytest.raises(ClassError, match="stands twice"):
        project.add_class("nucleus ")
    assert project.history()[-1].note == "Rename class cell to gr\u00f6\u00dfe"


def test_untidy_names_of_an_older_program_stay_and_are_found(project):
    with project._database.transaction():
        project._database.execute("UPDATE classes SET name = 'cell ' WHERE name = 'cell'")
    project.refresh()
    assert project.classes.names[1] == "cell "
    assert project.classes.index("Cell") == 1
    project.add_class("bubble")
    assert project.classes.names == ("background", "cell ", "wall", "bubble")
