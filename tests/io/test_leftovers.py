"""What a killed process leaves half-written goes with the next one that writes there; what others write stays."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spml_core.classes import ClassTable
from spml_core.engine.export import export_project
from spml_core.io import write_atomic
from spml_core.io.temporary import clear_leftovers, is_running, temporary_file, temporary_folder
from spml_core.project import Project

KILLED = """
import os, signal, sys
from pathlib import Path
from spml_core.io import atomic
from spml_core.io.temporary import temporary_file, temporary_folder
folder = Path(sys.argv[1])
(temporary_folder(folder / "a.ome.zarr") / "new").mkdir()
temporary_file(folder / ("\U0001f600" * 60 + ".png"))
atomic.write_atomic(folder / "whole.txt", b"whole")
atomic.write_atomic(folder / "half.txt", lambda file: os.kill(os.getpid(), 9))
"""

EXPORTS = """
import os, sys
from pathlib import Path
import numpy as np
from spml_core.engine.export import export_project
from spml_core.io.exports import ome_zarr
from spml_core.project import Project
def killed(*arguments, **words):
    os.kill(os.getpid(), 9)
ome_zarr.replace_folder = killed
with Project.open(sys.argv[1], write=False) as project:
    labels = lambda record: np.zeros((record.height, record.width), np.uint8)
    list(export_project(project, Path(sys.argv[2]), "ome-zarr", labels_of=labels))
"""


BETWEEN = EXPORTS.replace(
    "ome_zarr.replace_folder = killed",
    """rename = Path.rename
def rename_or_die(path, target):
    if path.name == "new":
        killed()
    return rename(path, target)
Path.rename = rename_or_die""",
)


def run_and_kill(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def hidden(folder):
    return sorted(path.name for path in folder.rglob(".*"))


def test_what_a_dead_process_left_is_cleared_away(tmp_path):
    run_and_kill(KILLED, tmp_path)
    assert len(hidden(tmp_path)) == 3
    clear_leftovers(tmp_path)
    assert hidden(tmp_path) == []
    assert (tmp_path / "whole.txt").read_bytes() == b"whole"


def test_what_is_not_ours_or_still_written_stays(tmp_path):
    mine = [".mine.tmp", ".a.ome.zarr.x.tmp", ".cache", ".a.spml-00000000-999999999-x.tmp", ".a.tmp"]
    for name in mine:
        (tmp_path / name).mkdir()
    descriptor, file = temporary_file(tmp_path / "a.png")
    os.close(descriptor)
    folder = temporary_folder(tmp_path / "b.zarr")
    clear_leftovers(tmp_path)
    assert file.is_file() and folder.is_dir()
    assert all((tmp_path / name).is_dir() for name in mine)


def test_a_link_with_such_a_name_goes_and_what_it_leads_to_stays(tmp_path):
    run_and_kill(KILLED, tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(b"")
    left = next(path for path in tmp_path.iterdir() if path.name.startswith(".") and path.is_dir())
    name = left.name
    (left / "new").rmdir()
    left.rmdir()
    try:
        (tmp_path / name).symlink_to(outside)
    except OSError:
        pytest.skip("no links here")
    clear_leftovers(tmp_path)
    assert hidden(tmp_path) == [] and (outside / "mine").exists()


def test_whether_a_process_runs():
    assert is_running(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert not is_running(child.pid)


@pytest.fixture
def project(tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    for name in "ab":
        pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    table = ClassTable.from_names(["x", "y"])
    with Project.create(tmp_path / "p.spml", tmp_path / "images", table) as made:
        yield made


def test_a_killed_export_is_cleared_away_by_the_next(project, tmp_path):
    out = tmp_path / "out"
    run_and_kill(EXPORTS, project.path, out)
    assert len(list(out.glob(".*"))) == 1
    list(
        export_project(
            project,
            out,
            "ome-zarr",
            labels_of=lambda record: np.zeros((record.height, record.width), np.uint8),
        )
    )
    assert sorted(path.name for path in out.iterdir()) == ["a.ome.zarr", "b.ome.zarr"]


def test_an_export_that_was_to_be_replaced_is_put_back(project, tmp_path):
    """Killed when the old one has lost its place and the new one hasn't it yet."""
    out = tmp_path / "out"
    labels_of = {"labels_of": lambda record: np.ones((record.height, record.width), np.uint8)}
    list(export_project(project, out, "ome-zarr", **labels_of))
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    run_and_kill(BETWEEN, project.path, out)
    assert not (out / "a.ome.zarr").exists()
    clear_leftovers(out)
    assert hidden(out) == []
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    outside = tmp_path / "outside"
    (outside / "mine").mkdir(parents=True)
    run_and_kill(KILLED, out)
    (next(path for path in out.glob(".*") if path.is_dir()) / "old").symlink_to(outside)
    clear_leftovers(out)
    assert hidden(out) == [] and (outside / "mine").is_dir()


def test_a_project_clears_its_own(project):
    run = project.new_run({})
    project.close()
    for folder in (project.path, run.folder):
        run_and_kill(KILLED, folder)
    with Project.open(project.path):
        assert hidden(project.path) == []


def test_long_names_are_written(tmp_path):
    path = tmp_path / ("\U0001f600" * 60 + ".txt")
    write_atomic(path, b"x")
    assert Path(path).read_bytes() == b"x"
