import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point, Tag
from spml_core.errors import MarkError, PictureError, ProjectError, StorageError
from spml_core.images import content_hash
from spml_core.project import SCHEMA_VERSION, Project, schema
from spml_core.project.creation import create_project


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_create_and_open_again(tmp_path, images, classes):
    seen = []
    with Project.create(tmp_path / "p.spml", images, classes, lambda *a: seen.append(a)) as project:
        assert seen == [(1, 3), (2, 3), (3, 3)]
        assert project.writable
        records = project.pictures
    assert [r.name for r in records] == ["a", "b", "c"]
    assert (records[2].height, records[2].width) == (24, 18)
    assert records[2].path == images / "sub/c.png"
    assert records[2].content_hash == content_hash(records[2].path)
    with Project.open(tmp_path / "p.spml", write=False) as project:
        assert project.classes == classes
        assert project.pictures == records
        assert project.picture("b") == project.picture("b.png") == records[1]
        assert project.open_picture(records[1]).rgb().shape == (20, 30, 3)
        with pytest.raises(ProjectError, match="no picture 'zebra'"):
            project.picture("zebra")
    assert {"runs", "predictions", "cache", "project.sqlite"} <= set(tree(tmp_path / "p.spml"))


def test_settings_that_keep_marks_safe(project):
    database = project._database
    assert database.value("PRAGMA journal_mode") == "wal"
    # NORMAL: a commit outlives the process (test_kill.py), and the disk isn't waited for.
    assert database.value("PRAGMA synchronous") == 1
    assert database.value("PRAGMA foreign_keys") == 1
    assert database.value("PRAGMA user_version") == SCHEMA_VERSION
    assert database.meta("schema_version") == str(SCHEMA_VERSION)


def test_a_failing_create_leaves_nothing(tmp_path, images, classes, monkeypatch):
    before = tree(tmp_path)
    data = (images / "b.png").read_bytes()
    (images / "b.png").write_bytes(data[:100])
    with pytest.raises(PictureError, match=r"b\.png"):
        Project.create(tmp_path / "p.spml", images, classes)
    (images / "b.png").write_bytes(data)
    monkeypatch.setattr("spml_core.project.creation.insert_pictures", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Project.create(tmp_path / "p.spml", images, classes)
    with pytest.raises(ProjectError, match="no folder"):
        Project.create(tmp_path / "gone" / "p.spml", images, classes)
    with pytest.raises(PictureError, match="no folder"):
        Project.create(tmp_path / "p.spml", tmp_path / "gone", classes)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "make", [lambda p: p.mkdir(), lambda p: p.write_text("x"), lambda p: p.symlink_to("nowhere")]
)
def test_what_exists_is_not_replaced(tmp_path, images, classes, make):
    path = tmp_path / "p.spml"
    make(path)
    with pytest.raises(ProjectError, match="exists already"):
        create_project(path, images, classes)


def test_what_is_no_project_is_refused(tmp_path):
    with pytest.raises(ProjectError, match="isn't there"):
        Project.open(tmp_path / "gone")
    with pytest.raises(ProjectError, match="is no project"):
        Project.open(tmp_path)
    assert tree(tmp_path) == []
    for write in (True, False):
        (tmp_path / "project.sqlite").write_bytes(b"no database at all" * 99)
        with pytest.raises(ProjectError, match=r"project\.sqlite is damaged"):
            Project.open(tmp_path, write)
        (tmp_path / "project.sqlite").write_bytes(b"")
        with pytest.raises(ProjectError, match="no spml project"):
            Project.open(tmp_path, write)
    sqlite3.connect(tmp_path / "project.sqlite").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(ProjectError, match="no spml project"):
        Project.open(tmp_path)


def test_a_damaged_database_is_refused(tmp_path, project):
    path = project.path
    project.close()
    data = bytearray((path / "project.sqlite").read_bytes())
    data[1000:] = os.urandom(len(data) - 1000)
    (path / "project.sqlite").write_bytes(data)
    for write in (True, False):
        with pytest.raises(ProjectError, match="damaged"):
            Project.open(path, write)


def test_a_newer_project_is_refused_and_an_older_one_migrated(project, monkeypatch):
    path = project.path
    project.add_marks({1: [Tag(1)]}, "")
    project.close()
    steps = []

    def step(connection):
        if connection.execute("PRAGMA database_list").fetchone()[
            2
        ]:  # not where only the tables are looked at
            steps.append(schema.schema_version(connection))
        connection.execute("ALTER TABLE pictures ADD COLUMN rating INTEGER")

    def fails(connection):
        connection.execute("DROP TABLE mark_classes")
        raise RuntimeError("half way")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step, fails))
    with pytest.raises(RuntimeError, match="half way"):
        Project.open(path)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:-1])
    with pytest.raises(ProjectError, match="older format version 3; this program uses 4"):
        Project.open(path, write=False)
    with Project.open(path) as newer:
        assert newer.marks(1)
        assert newer._database.value("SELECT rating FROM pictures") is None
        assert newer._database.value("PRAGMA user_version") == 4
    with Project.open(path):
        pass
    assert steps == [3, 3]  # once in vain, once for good
    monkeypatch.undo()
    for write in (True, False):
        with pytest.raises(ProjectError, match=r"format version 4; this program reads up to 3.*Update"):
            Project.open(path, write)


def test_one_writer_many_readers(project):
    with pytest.raises(ProjectError, match=f"process {os.getpid()}"):
        Project.open(project.path)
    reader = Project.open(project.path, write=False)
    project.add_marks({1: [Point(1, 2, 3)]}, "")
    with reader, Project.open(project.path, write=False) as other:
        assert list(reader.marks(1).values()) == list(other.marks(1).values()) == [Point(1, 2, 3)]
        for change in (
            lambda: reader.add_marks({1: [Tag(0)]}, ""),
            lambda: reader.add_class("x"),
            lambda: reader.set_current_run(project.new_run({}).id),
            lambda: reader.undo(),
            lambda: reader.new_run({}),
        ):
            with pytest.raises(ProjectError, match="reading only"):
                change()
    assert [path.name for path in project.runs_folder.iterdir()] == ["run-0001"]
    project.close()
    project.close()
    with Project.open(project.path) as again:
        assert again.marks(1)
    with pytest.raises(ProjectError, match="closed"):
        again.marks(1)


HOLD = """
import sys, time
from spml_core.project import Project
project = Project.open(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_another_process_is_named_and_dies_with_it(project):
    path = project.path
    project.close()
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "held\n"
            with pytest.raises(ProjectError, match=f"another program .process {child.pid}."):
                Project.open(path)
            with Project.open(path, write=False) as reader:
                assert len(reader.pictures) == 3
        finally:
            child.kill()
    with Project.open(path) as again:
        assert again.writable


def test_pictures_moved_with_and_without_the_project(tmp_path, project, images):
    path = project.path
    record = project.picture("c")
    project.close()
    with contextlib.closing(sqlite3.connect(path / "project.sqlite")) as connection:
        stored = connection.execute("SELECT path FROM pictures ORDER BY name").fetchall()
    assert stored == [("images/a.png",), ("images/b.png",), ("images/sub/c.png",)]
    # Both moved: relative paths still lead there.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(path, elsewhere / "p.spml")
    shutil.move(images, elsewhere / "images")
    with Project.open(elsewhere / "p.spml") as moved:
        assert moved.open_picture(moved.picture("c")).path == elsewhere / "images/sub/c.png"
        # The pictures alone, one renamed, one gone, and a copy under another name.
        (elsewhere / "images").rename(tmp_path / "archive")
        (tmp_path / "archive/sub/c.png").rename(tmp_path / "archive/renamed.png")
        (tmp_path / "archive/b.png").unlink()
        shutil.copy(tmp_path / "archive/a.png", tmp_path / "archive/0.png")
        with pytest.raises(ProjectError, match=r"'c' isn't at .*Relink"):
            moved.open_picture(moved.picture("c"))
        assert moved.relink(tmp_path / "archive") == 2
        assert moved.relink(tmp_path / "archive") == 0
        assert moved.open_picture(moved.picture("c")).path == tmp_path / "archive/renamed.png"
        assert moved.picture("a").path == tmp_path / "archive/a.png"
        assert moved.picture("c").id == record.id
        with pytest.raises(PictureError, match="no folder"):
            moved.relink(tmp_path / "gone")
    with Project.open(elsewhere / "p.spml", write=False) as again:
        assert again.picture("c").path == tmp_path / "archive/renamed.png"


def test_a_picture_replaced_by_another_size_is_refused(project, images):
    Image.fromarray(np.zeros((33, 33), np.uint8)).save(images / "a.png")
    with pytest.raises(ProjectError, match=r"a\.png is now 33 x 33 .*16 x 17"):
        project.open_picture(project.picture("a"))


def test_add_pictures(tmp_path, project, images):
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(images / "d.png")
    (record,) = project.add_pictures(images)
    assert (record.name, record.height) == ("d", 20)
    assert project.picture("d") == record
    assert project.add_pictures(images) == ()
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(images / "d.png", other / "e.png")
    shutil.copy(images / "d.png", other / "a.png")
    with pytest.raises(ProjectError, match="already has a picture 'a'"):
        project.add_pictures(other)
    (other / "a.png").write_bytes(b"junk")
    with pytest.raises(ProjectError):
        project.add_pictures(other)
    (other / "a.png").rename(other / "f.png")
    with pytest.raises(PictureError, match=r"f\.png"):
        project.add_pictures(other)
    assert len(project.pictures) == 4


def test_index_pngs_of_a_project_inside_the_folder_are_no_pictures(images, classes):
    with Project.create(images / "p.spml", images, classes) as project:
        shutil.copy(images / "a.png", project.predictions_folder / "a.png")
        assert project.add_pictures(images) == ()
        assert project.picture("a").path == images / "a.png"


def test_full_disk_and_failing_disk_lose_nothing(project):
    project.add_marks({1: [Point(0, 1, 1)]}, "first")
    before = (project.marks(1), project.history())
    # SQLite's own limit on pages raises what a full disk raises.
    pages = project._database.value("PRAGMA page_count")
    project._database.value(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="no room"):
        project.add_marks({1: [Point(0, y / 50, 1) for y in range(700)]}, "too many")
    assert (project.marks(1), project.history()) == before
    project._database.value("PRAGMA max_page_count = 100000")
    project.add_marks({1: [Point(1, 1, 1)]}, "second")
    assert len(project.marks(1)) == 2


FULL = """
import resource, sys
from spml_core.annotations import Point
from spml_core.errors import StorageError
from spml_core.project import Project
with Project.open(sys.argv[1]) as project:
    project.add_marks({1: [Point(0, 1, 1)]}, "first")
    before = project.marks(1), project.history()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        project.add_marks({1: [Point(0, 1, 1)] * 9000}, "too many")
    except StorageError as error:
        print("refused:", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    print((project.marks(1), project.history()) == before)
    project.add_marks({1: [Point(1, 2, 2)]}, "second")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are a Unix thing")
def test_a_real_limit_on_the_file_size(project):
    project.close()
    command = [sys.executable, "-c", FULL, str(project.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("refused:")
    assert second == "True"
    with Project.open(project.path) as again:
        assert list(again.marks(1).values()) == [Point(0, 1, 1), Point(1, 2, 2)]


def test_closing_leaves_no_log_behind(project):
    project.add_marks({1: [Tag(1)]}, "")
    project.close()
    assert tree(project.path) == sorted(["cache", "lock", "predictions", "project.sqlite", "runs"])


def test_a_project_of_chosen_pictures(tmp_path, images, classes):
    chosen = [images / "sub/c.png", str(images / "a.png"), images / "sub/../a.png"]
    with Project.create(tmp_path / "p.spml", chosen, classes) as project:
        assert [record.name for record in project.pictures] == ["a", "c"]
        assert [record.name for record in project.add_pictures([images / "b.png", images / "a.png"])] == ["b"]
        assert project.open_picture(project.picture("b")).size == (20, 30)
    shutil.copy(images / "a.png", images / "sub/a.png")
    (images / "words.txt").write_text("no picture")
    for wrong, words in [
        ([], "No picture was chosen"),
        ([images / "a.png", images / "sub/a.png"], "share the name 'a'"),
        ([images / "gone.png"], r"gone\.png"),
        ([images / "words.txt"], r"words\.txt"),
        ([images], "images"),
    ]:
        with pytest.raises(PictureError, match=words):
            Project.create(tmp_path / "q.spml", wrong, classes)
    assert not (tmp_path / "q.spml").exists()
    with Project.create(tmp_path / "q.spml", images=iter([images / "b.png"]), classes=classes) as project:
        assert len(project.pictures) == 1


def test_errors_in_marks_add_nothing(project):
    for marks, words in [
        ({1: [Tag(1)], 99: [Tag(1)]}, "no picture with id 99"),
        ({1: [Tag(1)], 2: [Tag(3)]}, "class index 3; the project has 3"),
        ({1: [Point(0, 1, 99)]}, "x = 99, y = 1 lies outside"),
    ]:
        with pytest.raises(MarkError, match=words):
            project.add_marks(marks, "")
    assert project.history() == ()
    assert project.marked_pictures() == ()
