"""Results of films on the disk: whole or missing, and right whatever becomes of the classes."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.engine import film_results
from spml_core.engine.film_results import FilmResults
from spml_core.errors import MarkError, ProjectError, StorageError
from spml_core.project import Project


@dataclass
class Made:
    index: int
    labels: np.ndarray
    confidence: float = 0.5
    source: str = "forward"
    final: bool = True
    is_cut: bool = False


def labels_of(index):
    return np.random.default_rng(index).integers(0, 3, (20, 30)).astype(np.uint8)


@pytest.fixture
def results(tmp_path):
    with FilmResults(tmp_path / "film", 6) as made:
        yield made


def test_what_is_put_is_read_also_by_another(results, tmp_path):
    results.put(Made(4, labels_of(4), 0.25, "both", is_cut=True), "k4")
    results.put(Made(1, labels_of(1), 0.75, "mark"), "k1")
    for reader in (results, FilmResults(tmp_path / "film", 6)):
        np.testing.assert_array_equal(reader.labels(4), labels_of(4))
        np.testing.assert_array_equal(reader.labels(1), labels_of(1))
        assert reader.labels(0) is None
        found = reader.confidences()
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.float32([np.nan, 0.75, np.nan, np.nan, 0.25, np.nan]))
        assert reader.sources() == ("", "mark", "", "", "both", "")
        assert reader.cuts() == (4,)
        assert reader.keys() == {1: "k1", 4: "k4"}
        reader.close()
    with Image.open(tmp_path / "film" / "labels" / "000004.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.array(image), labels_of(4))


def test_of_a_film_without_results_nothing_is_made(results, tmp_path):
    assert results.labels(0) is None and results.keys() == {} and results.cuts() == ()
    assert np.isnan(results.confidences()).all() and results.sources() == ("",) * 6
    results.forget([0, 1])
    assert not (tmp_path / "film").exists()


def test_without_a_count_the_last_result_is_the_end(tmp_path):
    with FilmResults(tmp_path / "film") as results:
        assert results.confidences().shape == (0,)
        results.put(Made(2, labels_of(2)), "k")
        assert results.confidences().shape == (3,)


def test_a_result_that_isnt_final_is_shown_but_has_no_key(results):
    results.put(Made(2, labels_of(0), 0.3, final=False), "k")
    assert results.keys() == {} and results.confidences()[2] == np.float32(0.3)
    results.put(Made(2, labels_of(1), 0.6, "both"), "k")
    assert results.keys() == {2: "k"} and results.sources()[2] == "both"
    np.testing.assert_array_equal(results.labels(2), labels_of(1))


def test_forgotten_results_are_gone(results, tmp_path):
    for index in range(3):
        results.put(Made(index, labels_of(index)), "k")
    results.forget([0, 2, 5])
    assert results.keys() == {1: "k"} and results.labels(0) is None
    assert [path.name for path in (tmp_path / "film" / "labels").iterdir()] == ["000001.png"]


@pytest.mark.parametrize("harm", ["gone", "empty", "cut"])
def test_a_row_without_a_readable_png_is_missing(results, tmp_path, harm):
    results.put(Made(3, labels_of(3)), "k")
    path = tmp_path / "film" / "labels" / "000003.png"
    content = path.read_bytes()
    path.write_bytes({"gone": b"", "empty": b"", "cut": content[:60]}[harm])
    if harm == "gone":
        path.unlink()
    assert results.labels(3) is None
    if harm != "cut":
        assert results.keys() == {} and np.isnan(results.confidences()).all()


def test_the_old_row_doesnt_stand_for_a_new_png(results, monkeypatch):
    results.put(Made(0, labels_of(0)), "old")
    write = film_results.write_index_png

    def killed(*arguments, **options):
        write(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(film_results, "write_index_png", killed)
    with pytest.raises(KeyboardInterrupt):
        results.put(Made(0, labels_of(1)), "new")
    assert results.keys() == {}  # else going back to the old marks would show the new labels


def test_a_full_disk_keeps_what_was_there(results, monkeypatch):
    results.put(Made(0, labels_of(0)), "k0")

    def full(path, *arguments, **options):
        raise StorageError(f"There is no room to write {path}.", "Free some.")

    monkeypatch.setattr(film_results, "write_index_png", full)
    with pytest.raises(StorageError):
        results.put(Made(1, labels_of(1)), "k1")
    assert results.keys() == {0: "k0"}
    np.testing.assert_array_equal(results.labels(0), labels_of(0))


def test_a_full_or_damaged_table_is_said_with_its_path(tmp_path):
    folder = tmp_path / "film"
    folder.mkdir()
    (folder / "results.sqlite").write_bytes(b"no table" * 200)
    with FilmResults(folder, 3) as results, pytest.raises(ProjectError, match=r"results\.sqlite.*Delete"):
        results.keys()
    (folder / "results.sqlite").unlink()
    with sqlite3.connect(folder / "results.sqlite") as newer:
        newer.execute("PRAGMA user_version = 9")
    newer.close()
    with FilmResults(folder, 3) as results, pytest.raises(ProjectError, match="version 9"):
        results.keys()


def test_codes_out_of_range_are_refused(tmp_path, project):
    with (
        FilmResults(tmp_path / "film", 3, project) as results,
        pytest.raises(MarkError, match="code 7"),
    ):
        results.put(Made(0, np.full((4, 4), 7, np.uint8)), "k")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    table = ClassTable.from_names(["sky", "tree", "road"])
    with Project.create(tmp_path / "p.spml", tmp_path / "images", table) as made:
        yield made


def test_results_follow_the_classes(tmp_path, project):
    codes = np.array([[0, 1, 2, 3, 255]], np.uint8)  # 3: unlabeled
    with FilmResults(tmp_path / "film", 3, project) as results:
        results.put(Made(0, codes), "then")
        project.rename_class(0, "heaven")
        project.move_class(2, 0)  # road, heaven, tree
        np.testing.assert_array_equal(results.labels(0), [[1, 2, 0, 3, 255]])
        project.add_class("boat")
        np.testing.assert_array_equal(results.labels(0), [[1, 2, 0, 4, 255]])
        results.put(Made(1, np.array([[3, 4]], np.uint8)), "now")  # boat, unlabeled
        project.merge_class(2, 1)  # tree goes into heaven
        np.testing.assert_array_equal(results.labels(0), [[1, 1, 0, 3, 255]])
        np.testing.assert_array_equal(results.labels(1), [[2, 3]])
        project.delete_class(0)  # road
        np.testing.assert_array_equal(results.labels(0), [[0, 0, 2, 2, 255]])
        np.testing.assert_array_equal(results.labels(1), [[1, 2]])
        assert results.keys() == {0: "then", 1: "now"}
        with Project.open(project.path, write=False) as reader:
            np.testing.assert_array_equal(
                FilmResults(tmp_path / "film", 3, reader).labels(0), results.labels(0)
            )


WRITER = """
import sys, itertools
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from spml_core.engine.film_results import FilmResults
results = FilmResults(Path(sys.argv[1]), 40)
print("ready", flush=True)
for i in itertools.count(int(sys.argv[2])):
    labels = np.full((40, 60), i % 200, np.uint8)
    result = SimpleNamespace(index=i % 40, labels=labels, confidence=0.5, source="both", final=True, is_cut=False)
    results.put(result, str(i % 200))
    print(i, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_writers_leave_rows_that_fit_their_pngs_while_others_read(tmp_path):
    rng = random.Random(1)
    put = 0
    reader = FilmResults(tmp_path / "film", 40)
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "film"), str(put)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            child.stdout.readline()
            end = time.monotonic() + rng.uniform(0.02, 0.2)
            while time.monotonic() < end:
                assert all(
                    label is None or len(np.unique(label)) == 1 for label in map(reader.labels, range(40))
                )
            os.kill(child.pid, signal.SIGKILL)
            lines = child.stdout.read().split()
        done = [int(line) for line in lines]
        keys = reader.keys()
        for index, key in keys.items():
            assert (reader.labels(index) == int(key)).all()
        if done:
            # Only the one at work may be missing.
            recent = {i % 40: str(i % 200) for i in done[-39:]}
            assert recent.items() <= keys.items()
            put = done[-1] + 1
    assert put
    reader.close()
