"""A full disk, and a project that is deleted while it is open: nothing is lost without a word."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Patch, Tag
from spml_core.cli.main import app
from spml_core.engine.film_results import FilmResults
from spml_core.errors import ProjectError, StorageError
from spml_core.project import Project, database

UNTIDY = """
import os, sys
from spml_core.annotations import Tag
from spml_core.project import Project
project = Project.open(sys.argv[1])
project.add_marks({1: [Tag(2)]}, "")
os._exit(0)
"""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 700 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and os.name != "nt" and os.getuid() == 0
    if mounted:
        words = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(place)]
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("no small disk can be made here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk):
    with contextlib.suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)


def kept_on(disk, project):
    """The project, moved to the small disk with its pictures, closed."""
    project.add_marks({1: [Tag(1)]}, "")
    project.close()
    shutil.copytree(project.path.parent / "images", disk / "images")
    shutil.copytree(project.path, disk / "p.spml")
    return disk / "p.spml"


@pytest.mark.parametrize("tidy", [True, False])
def test_on_a_full_disk_a_project_is_read(project, small_disk, tidy):
    path = kept_on(small_disk, project)
    if not tidy:
        subprocess.run([sys.executable, "-c", UNTIDY, str(path)], check=True)
        (path / "project.sqlite-shm").unlink()
    fill(small_disk)
    for _ in range(2):
        with Project.open(path, write=False) as reader:
            expected = [Tag(1)] if tidy else [Tag(1), Tag(2)]
            assert list(reader.marks(1).values()) == expected
            assert reader.open_picture(reader.pictures[0]).rgb().any()
    with pytest.raises(StorageError, match="no room"), Project.open(path) as writer:
        writer.add_marks({1: [Patch(0, 0, np.ones((9, 9), np.uint8))]}, "")
    (small_disk / "full").unlink()
    with Project.open(path) as writer:
        assert list(writer.marks(1).values()) == expected
        writer.add_marks({1: [Tag(0)]}, "")


def test_commands_that_read_do_on_a_full_disk(project, small_disk, tmp_path, capsys):
    path = kept_on(small_disk, project)
    fill(small_disk)
    for words in (
        ["info", path],
        ["suggest", path, "a", "--out", tmp_path / "a-labels.png"],
    ):
        with pytest.raises(SystemExit) as end:
            app([str(word) for word in words])
        assert not end.value.code, capsys.readouterr().err
    with Image.open(tmp_path / "a-labels.png") as image:
        assert image.size == (17, 16)


def test_results_of_films_are_read_on_a_full_disk(small_disk, tmp_path):
    class Made:
        index, confidence, source, final, is_cut = 0, 0.5, "mark", True, False
        labels = np.ones((9, 9), np.uint8)

    with FilmResults(small_disk / "film") as results:
        results.put(Made, "k")
    for end in ("-wal", "-shm"):
        (small_disk / "film" / f"results.sqlite{end}").unlink(missing_ok=True)
    fill(small_disk)
    with FilmResults(small_disk / "film") as results:
        assert results.confidences().tolist() == [0.5]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
def test_where_there_is_no_room_the_database_is_taken_as_it_is(project, monkeypatch, code):
    """The same without a disk of our own: SQLite's refusal comes from us."""
    project.add_marks({1: [Tag(1)]}, "")
    project.close()
    connect = sqlite3.connect

    def refusing(address, **options):
        if "immutable" in address or address == ":memory:":
            return connect(address, **options)
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(database.sqlite3, "connect", refusing)
    with Project.open(project.path, write=False) as reader:
        assert list(reader.marks(1).values()) == [Tag(1)]
    with pytest.raises(StorageError):
        Project.open(project.path)


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no open file")
@pytest.mark.parametrize("harm", ["deleted", "moved", "emptied", "replaced", "log"])
def test_no_mark_is_lost_without_a_word(project, harm, tmp_path):
    project.add_marks({1: [Tag(1)]}, "")
    path = project.path
    if harm == "deleted":
        shutil.rmtree(path)
    elif harm == "moved":
        path.rename(tmp_path / "elsewhere")
    elif harm == "emptied":
        (path / "project.sqlite").unlink()
    elif harm == "replaced":
        shutil.copy(path / "project.sqlite", tmp_path / "copy")
        (tmp_path / "copy").replace(path / "project.sqlite")
    else:
        (path / "project.sqlite-wal").unlink()
    for act in (
        lambda: project.add_marks({1: [Tag(2)]}, ""),
        project.undo,
        lambda: project.rename_class(0, "other"),
        lambda: project.set_current_run(project.new_run({}).id),
    ):
        with pytest.raises(ProjectError, match=r"deleted or moved.*isn't saved"):
            act()
    assert path.exists() == (harm not in ("deleted", "moved"))


def test_a_project_in_its_place_saves_as_ever(project):
    project.add_marks({1: [Tag(1)]}, "")
    with Project.open(project.path, write=False) as reader:
        assert reader.marks(1)
    project.add_marks({1: [Tag(2)]}, "")
    assert len(project.marks(1)) == 2
