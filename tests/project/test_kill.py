"""Real processes, really killed."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_core.project.history import replay
from spml_core.project.lock import WriterLock

ADD = """
import itertools, sys
from spml_core.annotations import Point, Patch
from spml_core.project import Project
import numpy as np
with Project.open(sys.argv[1]) as project:
    for i in itertools.count(int(sys.argv[2])):
        patch = Patch(0, 0, np.full((16, 16), i % 3, np.uint8))
        ids = project.add_marks({1: [Point(i % 3, 1, i % 17), patch]}, str(i))
        print(i, flush=True)
"""

CREATE = """
import sys, time
from spml_core.classes import ClassTable
from spml_core.project import Project, creation
if sys.argv[3] == "build":
    build = creation._build
    def slow_build(*arguments):
        build(*arguments)
        print("built", flush=True)
        time.sleep(60)
    creation._build = slow_build
table = ClassTable.from_names(["a", "b"])
Project.create(sys.argv[1], sys.argv[2], table, lambda *a: print(*a, flush=True)).close()
"""


def spawn(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_every_mark_that_was_committed_outlives_a_kill(project):
    path = project.path
    project.close()
    rng = random.Random(0)
    committed: list[int] = []
    for _ in range(8):
        start = committed[-1] + 1000 if committed else 0
        with spawn(ADD, path, start) as child:
            lines = [child.stdout.readline()]
            time.sleep(rng.uniform(0, 0.15))
            child.kill()
            lines += child.stdout.readlines()
        committed += [int(line) for line in lines if line.endswith("\n")]
        with Project.open(path) as again:
            notes = [int(entry.note) for entry in again.history()]
            # A last commit may have got to the disk before its print.
            assert set(committed) <= set(notes)
            marks = list(again.marks(1).values())
            assert len(marks) == 2 * len(notes)
            assert marks[::2] == [Point(i % 3, 1, i % 17) for i in notes]
            assert replay(again._database) == set(again.marks(1))
            assert again._database.value("PRAGMA integrity_check") == "ok"
            committed = notes
    assert len(committed) > 8


@pytest.mark.parametrize("moment", ["check", "build"])
def test_a_kill_during_create_leaves_no_project_and_the_next_create_clears_up(tmp_path, images, moment):
    if moment == "check":
        for i in range(60):
            Image.fromarray(np.zeros((600, 600), np.uint8)).save(images / f"more{i}.png")
    path = tmp_path / "p.spml"
    with spawn(CREATE, path, images, moment) as child:
        while child.stdout.readline() != ("1 63\n" if moment == "check" else "built\n"):
            pass
        child.kill()
    assert not path.exists()
    left = {entry.name for entry in tmp_path.iterdir()} - {"images"}
    assert len(left) == (moment == "build")
    assert all(name.startswith(".p.spml.new-") for name in left)
    with Project.create(path, images, ClassTable.from_names(["a", "b"])) as project:
        assert project.pictures
    assert {entry.name for entry in tmp_path.iterdir()} == {"images", "p.spml"}


def test_create_leaves_a_living_builder_alone(tmp_path, images):
    path = tmp_path / "p.spml"
    living = tmp_path / ".p.spml.new-living"
    living.mkdir()
    lock = WriterLock(living)
    Project.create(path, images, ClassTable.from_names(["a", "b"])).close()
    assert living.is_dir()
    lock.release()
