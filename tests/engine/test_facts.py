"""What the program tells about a project and about its own installation."""

import importlib.metadata
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.engine import doctor, state_folder
from spml_core.engine.info import describe
from spml_core.project import Project


@pytest.fixture
def project(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    classes = ClassTable.from_names(["left", "right"])
    with Project.create(tmp_path / "p.spml", tmp_path / "images", classes) as opened:
        yield opened


def test_runs_and_missing_pictures_are_listed_even_if_a_run_is_damaged(project):
    first = project.new_run({"preset": "quick"})
    project.set_run_state(first.id, "finished")
    project.set_current_run(first.id)
    second = project.new_run({"preset": "standard"})
    (second.folder / "config.json").write_text("{")
    project.pictures[0].path.unlink()
    facts = describe(project)
    assert [(run["id"], run["state"], run["preset"]) for run in facts["runs"]] == [
        ("run-0001", "finished", "quick"),
        ("run-0002", "running", None),
    ]
    assert facts["current_run"] == "run-0001"
    assert facts["missing"] == ["a"]


def test_the_size_counts_every_file(project):
    before = describe(project)["bytes"]
    (project.path / "cache" / "deep").mkdir()
    (project.path / "cache" / "deep" / "x").write_bytes(bytes(12_345))
    assert describe(project)["bytes"] - before >= 12_345


def test_a_changed_file_of_the_weights_is_found(tmp_path, monkeypatch):
    assert doctor._altered_files(doctor._WEIGHTS) == []
    hashed = [file for file in importlib.metadata.files(doctor._WEIGHTS) if file.hash is not None]
    assert any(file.suffix in (".pth", ".pt", ".bin", ".model") or file.size > 10_000_000 for file in hashed)
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    # The kind of path depends on who answers: the standard library, or a newer copy of it that some package brought.
    monkeypatch.setattr(type(hashed[0]), "locate", lambda self: other)
    assert len(doctor._altered_files(doctor._WEIGHTS)) == len(hashed)
    checks = {check.name: check for check in doctor.examine()}
    assert not checks["Backbone weights"].ok
    assert doctor._WEIGHTS in checks["Backbone weights"].remedy


def test_too_little_disk_and_memory_are_problems(monkeypatch):
    monkeypatch.setattr(doctor, "_NEEDED_DISK", 2**70)
    monkeypatch.setattr(doctor, "_NEEDED_MEMORY", 2**70)
    checks = {check.name: check for check in doctor.examine()}
    assert not checks["Disk"].ok
    assert "GiB free" in checks["Disk"].found
    assert checks["Disk"].remedy
    assert not checks["Memory"].ok


def test_logs_go_to_the_temporary_folder_if_there_is_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(state_folder, "_usual", lambda: tmp_path / "a" / "b")
    assert state_folder.state_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(state_folder, "_usual", lambda: tmp_path / "file" / "b")
    assert state_folder.state_folder() == Path(tempfile.gettempdir())
