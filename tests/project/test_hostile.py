"""Projects that somebody made to do harm, and ones on a disk without room: one line, in no time, and nothing lost."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.errors import ProjectError, SpmlError
from spml_core.project import Project


@pytest.fixture
def made(tmp_path):
    """A closed project of two pictures with a mark and a run."""
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "images" / f"{name}.png")
    with Project.create(
        tmp_path / "p.spml", tmp_path / "images", ClassTable.from_names(["x", "y"])
    ) as project:
        project.add_marks({project.pictures[0].id: [Point(1, 3, 4)]}, "a point")
        project.set_run_state(project.new_run({"preset": "quick"}).id, "finished")
        return project.path


def spoil(path, *statements):
    with contextlib.closing(sqlite3.connect(path / "project.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            database.execute(statement)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"

HOSTILE = {
    "an endless view": (
        "ALTER TABLE marks RENAME TO kept",
        f"CREATE VIEW marks AS {ENDLESS} i AS id, 1 AS picture, '' AS payload, 1 AS active, '' AS accepted FROM n",
    ),
    "an endless view of pictures": (
        "ALTER TABLE meta RENAME TO kept",
        f"CREATE VIEW meta AS {ENDLESS} CAST(i AS TEXT) AS key, 'x' AS value FROM n",
    ),
    "a view of its own": (f"CREATE VIEW more AS {ENDLESS} i FROM n",),
    "a trigger": ("CREATE TRIGGER t AFTER INSERT ON marks BEGIN DELETE FROM pictures; END",),
    "a trigger of ours changed": (
        "DROP TRIGGER events_stay",
        "CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN DELETE FROM pictures; END",
    ),
    "a computed column": ("ALTER TABLE pictures ADD COLUMN big TEXT AS (hex(zeroblob(1000000000)))",),
    "a table less": ("DROP TABLE event_state",),
    "a column less": ("ALTER TABLE films DROP COLUMN stamp",),
    "a path that is a blob": ("UPDATE pictures SET path = x'ff00' WHERE id = 1",),
    "a name that is a blob": ("UPDATE pictures SET name = x'61' WHERE id = 1",),
    "a size that is a word": ("PRAGMA ignore_check_constraints = ON", "UPDATE pictures SET height = 'high'"),
    "a class that is a blob": ("UPDATE classes SET name = x'00ff'",),
    "a run that is a number with a point": (
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE runs SET id = x'01'",
    ),
}


@pytest.mark.parametrize("harm", HOSTILE)
@pytest.mark.parametrize("write", [False, True])
def test_a_database_that_was_made_to_do_harm_is_refused_in_one_line(made, harm, write):
    spoil(made, *HOSTILE[harm])
    with pytest.raises(ProjectError, match=r"[Rr]estore the project from a copy"):
        Project.open(made, write=write)


@pytest.mark.parametrize("command", ["info", "predict"])
def test_the_commands_end_at_once(made, command):
    spoil(made, *HOSTILE["an endless view"])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "spml_core.cli",
            command,
            str(made),
            *(["--out", "o"] if command == "predict" else []),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=made.parent,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "marks" in done.stderr


def test_other_tables_and_columns_do_no_harm(made):
    spoil(made, "CREATE TABLE notes (text TEXT)", "ALTER TABLE pictures ADD COLUMN note TEXT")
    with Project.open(made) as project:
        assert len(project.pictures) == 2


def test_a_million_classes_are_refused(made):
    spoil(
        made,
        "WITH RECURSIVE n(i) AS (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
        " INSERT INTO classes (position, name, red, green, blue) SELECT i, 'c' || i, 0, 0, 0 FROM n",
    )
    with pytest.raises(SpmlError, match="254 is the most"):
        Project.open(made, write=False)


@pytest.mark.parametrize("text", ["[" * 100_000, "7", "{", "\x00"])
def test_a_configuration_that_is_none(made, text):
    with Project.open(made, write=False) as project:
        run = project.runs()[0]
        (run.folder / "config.json").write_text(text)
        with pytest.raises(ProjectError, match=r"config\.json"):
            _ = run.config


# Disks without room ---------------------------------------------------------------------------------------


@pytest.fixture
def full_disk(tmp_path):
    """A small disk of its own, and what fills it up."""
    place = tmp_path / "disk"
    place.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True
    )
    if tried.returncode:
        pytest.skip("only root may mount a disk")

    def fill():
        with contextlib.suppress(OSError), (place / "rest").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with contextlib.suppress(OSError), (place / "rest").open("ab", buffering=0) as file:
            while True:
                file.write(b"0")

    yield place, fill
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("properly", [True, False])
def test_a_project_on_a_full_disk_can_be_read(made, full_disk, properly):
    place, fill = full_disk
    path = place / "p.spml"
    shutil.copytree(made.parent / "images", place / "images")
    if properly:
        shutil.copytree(made, path)
    else:  # as a killed program leaves it: the newest mark is only in the log
        with Project.open(made) as project:
            project.add_marks({project.pictures[1].id: [Point(0, 1, 1)]}, "another")
            shutil.copytree(made, path, ignore=shutil.ignore_patterns("*-shm", "lock*"))
        assert (path / "project.sqlite-wal").stat().st_size
    fill()
    with Project.open(path, write=False) as project:
        assert [p.name for p in project.pictures] == ["a", "b"]
        assert len(project.marks(project.pictures[0].id)) == 1
        assert len(project.marks(project.pictures[1].id)) == (0 if properly else 1)
    done = subprocess.run(
        [sys.executable, "-m", "spml_core.cli", "info", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(SpmlError) as caught, Project.open(path) as project:
        project.add_marks({project.pictures[0].id: [Point(0, 1, 1)] * 200}, "no room")
    assert "room" in str(caught.value) or "free space" in str(caught.value)
    assert os.listdir(place)  # noqa: PTH208
