"""Projects as formats 1 and 2 left them (dumped from some that the programs of then made)."""

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from spml_core.annotations import UNTOUCHED, Box, Erasure, Patch, Point, Scribble, Tag
from spml_core.errors import ProjectError
from spml_core.project import SCHEMA_VERSION, Project, schema
from spml_core.project.history import replay

FIRST = [
    Scribble(1, ((2.5, 3.0), (8.0, 9.0)), 3.0),
    Point(2, 10, 4),
    Box(1, 0, 0, 5, 5),
    Tag(0),
    Patch(3, 4, np.array([[0, 2, 255], [UNTOUCHED, 2, 0]], np.uint8)),
    Erasure(((3.0, 3.0),), 2.0),
]


def restored(folder, version):
    path = folder / "old.spml"
    (path / "runs/run-0001").mkdir(parents=True)
    script = Path(__file__).with_name(f"version_{version}.sql").read_text(encoding="utf-8")
    with contextlib.closing(sqlite3.connect(path / "project.sqlite")) as connection:
        connection.executescript(script)
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    return path


@pytest.fixture
def old(tmp_path, images):
    return restored(tmp_path, 1)


@pytest.fixture
def old2(tmp_path, images):
    return restored(tmp_path, 2)


def test_nothing_is_lost(old):
    with Project.open(old) as project:
        assert project._database.value("PRAGMA user_version") == SCHEMA_VERSION == 3
        assert project._database.value("PRAGMA integrity_check") == "ok"
        assert project._database.rows("PRAGMA foreign_key_check") == []
        assert project.classes.names == ("background", "cell", "hedge", "moss")
        assert list(project.marks(1).values()) == FIRST
        assert list(project.marks(2).values()) == [Tag(3), Point(3, 1, 1)]
        assert project.mark_counts() == (2, 2, 2, 2)
        assert project.reviewed_pictures() == ()
        assert [record.name for record in project.pictures] == ["a", "b", "c"]
        assert project.open_picture(project.picture("c")).size == (24, 18)
        assert replay(project._database) == set(range(1, 9))
        assert project.current_run().id == "run-0001"


def test_its_history_goes_on(old):
    with Project.open(old) as project:
        assert (project.redo().note, project.redo().note) == ("one less", "Recolour class background")
        assert project.redo() is None
        assert project.classes.classes[0].color == (9, 9, 9)
        assert list(project.marks(2).values()) == [Point(3, 1, 1)]
        # The removal of one of its marks builds on "two"; taken back, "two" can be.
        assert project.undo(2).note == "one less"
        assert project.undo(2).note == "two"
        while project.undo() is not None:
            pass
        assert project.classes.names == ("background", "cell", "wall")
        assert project.marks(1) == {}
        while project.redo() is not None:
            pass
        assert list(project.marks(1).values()) == FIRST
        assert project.classes.names == ("background", "cell", "hedge", "moss")


def test_its_classes_can_be_edited_and_its_runs_are_still_understood(old):
    with Project.open(old) as project:
        run = project.run("run-0001")
        assert run.class_ids is None
        assert project.codes_of_run(run)[:5].tolist() == [0, 1, 2, 3, 4]
        project.move_class(3, 0)
        project.delete_class(2)
        assert project.classes.names == ("moss", "background", "hedge")
        codes = project.codes_of_run(run)
        assert codes[[0, 1, 2, 3, 4, 254, 255]].tolist() == [1, 3, 2, 0, 3, 3, 255]


def test_who_only_reads_is_told_to_open_it_for_writing_once(old):
    with pytest.raises(ProjectError, match=r"older format version 1.*Open it once for writing"):
        Project.open(old, write=False)
    Project.open(old).close()
    with Project.open(old, write=False) as project:
        assert list(project.marks(1).values()) == FIRST


def test_nothing_of_version_2_is_lost_and_films_can_be_added(old2, stack):
    with Project.open(old2) as project:
        assert project._database.value("PRAGMA user_version") == 3
        assert project._database.value("PRAGMA integrity_check") == "ok"
        assert project._database.rows("PRAGMA foreign_key_check") == []
        assert [record.name for record in project.pictures] == ["a", "b", "c"]
        assert all((record.film, record.frame) == (None, None) for record in project.pictures)
        assert (project.films, project.frames) == ((), ())
        assert project.classes.names == ("background", "cell")
        assert list(project.marks(1).values()) == [
            Scribble(1, ((2.5, 3.0), (8.0, 9.0)), 3.0),
            Point(1, 10, 4),
        ]
        assert list(project.marks(2).values()) == [Tag(1)]
        assert [record.name for record in project.reviewed_pictures()] == ["c"]
        assert project.current_run().id == "run-0001"
        assert project.redo().note == "undone"
        assert replay(project._database) == {1, 2, 3, 4, 5}
        film = project.add_film(stack)
        project.add_marks({project.frame(film, 2).id: [Tag(1)]}, "a frame")
        assert project.marked_frames(film) == (2,)
        assert project._database.rows("PRAGMA foreign_key_check") == []


def test_a_migration_to_version_3_that_fails_leaves_version_2(old2, monkeypatch):
    statements = [*schema._VERSION_3, "INSERT INTO nowhere VALUES (1)"]
    monkeypatch.setattr(schema, "_VERSION_3", statements)
    with pytest.raises(ProjectError, match="nowhere"):
        Project.open(old2)
    with contextlib.closing(sqlite3.connect(old2 / "project.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'films'").fetchone() == (
            0,
        )
    monkeypatch.undo()
    with Project.open(old2) as project:
        assert len(project.marked_pictures()) == 3
