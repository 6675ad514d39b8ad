"""Who only reads: what a writer does meanwhile, and folders that nobody can write to."""

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from spml_core.annotations import Patch, Point, Tag
from spml_core.errors import MarkError, ProjectError
from spml_core.project import Project, database

NOBODY = 65534


@contextlib.contextmanager
def nobody():
    """Act as a user who owns nothing: permission bits don't hold for root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def write_protected(project):
    """A copy of a project with a mark, in a folder where nothing can be written."""
    project.add_marks({1: [Tag(1)]}, "")
    project.close()
    # Not in tmp_path, whose parents only its owner may enter.
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        folder = Path(outer) / "p.spml"
        shutil.copytree(project.path, folder)
        protect(folder)
        yield folder
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def protect(folder):
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


unix = pytest.mark.skipif(sys.platform == "win32", reason="Unix permissions")


@unix
def test_a_write_protected_project_can_be_read_but_not_written(write_protected):
    before = sorted(write_protected.iterdir())
    with nobody():
        with pytest.raises(
            ProjectError, match=r"can't be written to.*reading only, or change its permissions"
        ):
            Project.open(write_protected)
        with Project.open(write_protected, write=False) as reader:
            assert list(reader.marks(1).values()) == [Tag(1)]
            assert len(reader.pictures) == 3
            with pytest.raises(ProjectError, match="reading only"):
                reader.add_marks({1: [Tag(0)]}, "")
            with pytest.raises(ProjectError, match="reading only"):
                reader.new_run({})
    assert sorted(write_protected.iterdir()) == before


@unix
def test_a_write_protected_database_in_an_open_folder_is_not_opened_for_writing(write_protected):
    write_protected.chmod(0o777)
    (write_protected / "lock").chmod(0o666)
    with nobody():
        with pytest.raises(ProjectError, match=r"project\.sqlite can't be written to"):
            Project.open(write_protected)
        with Project.open(write_protected, write=False) as reader:
            assert list(reader.marks(1).values()) == [Tag(1)]


@unix
def test_a_log_that_cannot_be_worked_in_is_not_passed_over(write_protected):
    write_protected.chmod(0o755)
    (write_protected / "project.sqlite-wal").write_bytes(b"marks that are nowhere else")
    protect(write_protected)
    with nobody(), pytest.raises(ProjectError, match=r"wasn't closed properly.*Copy it"):
        Project.open(write_protected, write=False)


def test_where_sqlite_can_make_no_files_the_database_is_taken_as_it_is(project, monkeypatch):
    """The same without permissions: SQLite's refusal comes from us."""
    project.add_marks({1: [Tag(1)]}, "")
    project.close()
    tried = []
    connect = sqlite3.connect

    def refusing(address, **options):
        tried.append(address.rpartition("?")[2])
        if "immutable" in address:
            return connect(address, **options)
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(database.sqlite3, "connect", refusing)
    with Project.open(project.path, write=False) as reader:
        assert list(reader.marks(1).values()) == [Tag(1)]
        reader.refresh()
    assert tried == ["mode=ro", "mode=ro&immutable=1"]
    with pytest.raises(ProjectError, match="can't be written to"):
        Project.open(project.path)
    monkeypatch.undo()
    Project.open(project.path).close()  # the failed attempt holds no lock


def test_a_reader_sees_what_the_writer_did(project, images):
    with Project.open(project.path, write=False) as reader:
        record = reader.picture("a")
        project.add_marks({1: [Tag(1), Patch(0, 0, np.array([[0, 2]], np.uint8))]}, "")
        assert len(reader.marks(1)) == 2
        # Classes stay as they were last read, and marks are in their codes.
        project.add_class("mould")
        project.add_marks({1: [Tag(3), Point(0, 9, 9)]}, "")
        project.move_class(1, 0)
        assert next(iter(reader.marks(1).values())) == Tag(1)
        assert list(reader.marks(1).values())[2:] == [Point(0, 9, 9)]
        assert reader.weak_labels(record).max() == len(reader.classes) == 3
        shutil.copy(images / "a.png", images / "d.png")
        project.add_pictures(images)
        reader.refresh()
        assert reader.classes == project.classes
        assert reader.pictures == project.pictures
        assert reader.marks(1) == project.marks(1)
        assert np.array_equal(reader.weak_labels(record), project.weak_labels(record))
        project.delete_class(2)
        reader.refresh()
        assert reader.marks(1) == project.marks(1)


def test_queries_of_a_snapshot_see_one_state(project):
    with Project.open(project.path, write=False) as reader:
        with reader._database.snapshot():
            assert reader._database.value("SELECT count(*) FROM marks") == 0
            project.add_marks({1: [Tag(1)]}, "")
            assert reader._database.value("SELECT count(*) FROM marks") == 0
        assert reader._database.value("SELECT count(*) FROM marks") == 1


def test_marks_of_an_unknown_class_are_refused_after_the_class_is_gone(project):
    project.delete_class(2)
    with pytest.raises(MarkError, match="class index 2; the project has 2"):
        project.add_marks({1: [Tag(2)]}, "")


def test_only_marks_that_are_new_are_read_again(project, monkeypatch):
    from spml_core.project import mark_store

    read = []
    decode = mark_store.mark_from_json
    monkeypatch.setattr(mark_store, "mark_from_json", lambda text: read.append(text) or decode(text))
    project.add_marks({1: [Point(0, 1, i % 5) for i in range(20)]}, "many")
    assert len(project.marks(1)) == 20
    assert len(read) == 20
    project.add_marks({1: [Point(1, 2, 2)]}, "one")
    project.remove_marks([next(iter(project.marks(1)))], "one gone")
    shown = project.marks(1)
    assert len(read) == 21
    project.undo()  # the one that was gone comes back, at its place
    assert len(project.marks(1)) == 21
    assert len(read) == 22
    project.redo()
    assert project.marks(1) == shown
    project.rename_class(0, "another")  # what marks speak of may have changed: all are read
    assert project.marks(1) == shown
    with Project.open(project.path, write=False) as reader:
        assert reader.marks(1) == shown
