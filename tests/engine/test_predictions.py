"""Stored predictions: what is written is read, in today's classes, whatever a kill left."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.engine.predictions import PictureSummary, PredictionStore
from spml_core.errors import MarkError, ProjectError, StorageError
from spml_core.io import read_index_png
from spml_core.project import Project

NAMES = ("sky", "tree", "road")
LABELS = np.arange(20 * 24).reshape(20, 24).astype(np.uint8) % 3
SUMMARY = PictureSummary(0.25, (0.5, -1.25), (0.25, 0.25, 0.5))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.zeros((20, 24), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    with Project.create(tmp_path / "p.spml", tmp_path / "images", ClassTable.from_names(NAMES)) as opened:
        yield opened


@pytest.fixture
def run(project):
    return project.new_run({})


@pytest.fixture
def store(project, run):
    made = PredictionStore(project)
    made.begin(run, "model 1")
    return made


def test_round_trip(project, run, store):
    a, b = project.pictures
    path = store.store(run, "a", LABELS, SUMMARY, NAMES)
    assert store.names(run) == {"a"}
    assert (store.load(run, a) == LABELS).all() and (read_index_png(path) == LABELS).all()
    assert store.load(run, b) is None
    assert store.summaries(run) == {"a": SUMMARY}
    assert store.names(project.new_run({})) == frozenset()


def test_later_prediction_of_a_picture_replaces_the_first(project, run, store):
    store.store(run, "a", LABELS, SUMMARY, NAMES)
    store.store(run, "b", LABELS, SUMMARY, NAMES)
    other = dataclasses.replace(SUMMARY, uncertainty=0.75)
    store.store(run, "a", 2 - LABELS, other, NAMES)
    assert store.summaries(run) == {"a": other, "b": SUMMARY}
    assert (store.load(run, project.picture("a")) == 2 - LABELS).all()


def test_what_is_read_has_the_classes_of_today(project, run, store, monkeypatch):
    """Sky was deleted, tree and road became the second of four classes."""
    store.store(run, "a", LABELS, SUMMARY, NAMES)
    for name in ("water",):
        project.add_class(name)
    codes = np.full(256, 4, np.uint8)
    codes[[1, 2, 255]] = 1, 1, 255
    monkeypatch.setattr(project, "codes_of_run", lambda asked: codes)
    assert (store.load(run, project.picture("a")) == np.where(LABELS == 0, 4, 1)).all()
    assert store.summaries(run)["a"].shares == (0, 0.75, 0, 0)


@pytest.mark.parametrize(
    "left", [b"", b'{"picture": "b", "uncert', b"\x00\xff\xfe", b"[1]\n", b'{"picture": "b"}\n']
)
def test_torn_lines_are_skipped_and_end_before_the_next(project, run, store, left):
    store.store(run, "a", LABELS, SUMMARY, NAMES)
    summary = project.predictions_folder / run.id / "summary.jsonl"
    with summary.open("ab") as file:
        file.write(left)
    assert store.summaries(run) == {"a": SUMMARY}
    store.store(run, "b", LABELS, SUMMARY, NAMES)
    assert store.summaries(run) == {"a": SUMMARY, "b": SUMMARY}


def test_neither_a_png_nor_a_line_alone_is_a_prediction(project, run, store):
    first = store.store(run, "a", LABELS, SUMMARY, NAMES)
    first.with_name("b.png").write_bytes(first.read_bytes())
    assert store.names(run) == {"a"}
    first.unlink()
    assert store.names(run) == frozenset() and store.summaries(run) == {}


def test_predictions_of_an_earlier_model_of_the_run_go(project, run, store):
    store.store(run, "a", LABELS, SUMMARY, NAMES)
    store.begin(run, "model 1")
    assert store.names(run) == {"a"}
    store.begin(run, "model 2")
    assert store.names(run) == frozenset() and store.load(run, project.picture("a")) is None


def test_damaged_and_wrong_files_are_named(project, run, store):
    path = store.store(run, "a", LABELS, SUMMARY, NAMES)
    store.store(run, "b", LABELS[:10], SUMMARY, NAMES)
    with pytest.raises(ProjectError, match=r"b\.png is 10 x 24 pixels, its picture 20 x 24"):
        store.load(run, project.picture("b"))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MarkError, match=r"a\.png"):
        store.load(run, project.picture("a"))


@pytest.mark.parametrize("name", ["../b", "/etc/b", "", "..", "x/y"])
def test_a_name_leads_nowhere_else(project, run, store, name):
    with pytest.raises(ProjectError, match="no name"):
        store.store(run, name, LABELS, SUMMARY, NAMES)


def test_a_folder_that_cannot_be_made_is_one_clear_error(project, run):
    target = project.predictions_folder
    if target.exists():
        target.rmdir()
    target.write_text("in the way")
    with pytest.raises(StorageError, match="predictions"):
        PredictionStore(project).begin(run, "model")
