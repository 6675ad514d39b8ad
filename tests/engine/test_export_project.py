"""What of a project is exported, and what an export never does."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Erasure, Patch, Scribble
from spml_core.classes import ClassTable
from spml_core.engine.export import ExportOptions, export_project, finished_labels
from spml_core.engine.predictions import PictureSummary, PredictionStore
from spml_core.errors import ClassError, ConfigError, MarkError, PictureError, ProjectError, StorageError
from spml_core.project import Project

NAMES = ("background", "cell", "wall")
SUMMARY = PictureSummary(0.5, (1.0, 2.0), (0.5, 0.25, 0.25))


@pytest.fixture
def project(tmp_path):
    """Pictures a (16 x 20), b (18 x 17), c (24 x 16)."""
    rng = np.random.default_rng(0)
    for name, size in {"a.png": (16, 20), "deep/b.png": (18, 17), "deep/er/c.jpg": (24, 16)}.items():
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    with Project.create(tmp_path / "p.spml", tmp_path / "images", ClassTable.from_names(NAMES)) as opened:
        yield opened


def predicted(record):
    """Some labels of a picture: all classes."""
    return (np.indices((record.height, record.width)).sum(0) // 5 % 3).astype(np.uint8)


@pytest.fixture
def run(project):
    """A current run whose predictions of a and b are stored."""
    run = project.new_run({})
    project.set_current_run(run.id)
    store = PredictionStore(project)
    store.begin(run, "model")
    for record in project.pictures[:2]:
        store.store(run, record.name, predicted(record), SUMMARY, NAMES)
    return run


def accept(project, name, code):
    """Accept a mask of one class as reviewed."""
    record = project.picture(name)
    labels = np.full((record.height, record.width), code, np.uint8)
    project.add_marks({record.id: [Patch(0, 0, labels, accepted="picture")]}, "Accept")
    return record


def read(out, name):
    with Image.open(out / f"{name}.png") as image:
        return np.array(image)


def test_reviewed_masks_first_then_predictions_and_the_rest_is_counted(project, run, tmp_path):
    record = accept(project, "a", 2)
    project.add_marks({record.id: [Scribble(1, ((3, 2), (3, 12)), 3)]}, "Draw")
    out = tmp_path / "new" / "out"
    steps = list(export_project(project, out, "index-png"))
    assert [(s.name, s.done, s.total, s.path) for s in steps] == [
        ("a", 1, 3, out / "a.png"),
        ("b", 2, 3, out / "b.png"),
        ("c", 3, 3, None),
    ]
    np.testing.assert_array_equal(read(out, "a"), project.weak_labels(record))
    assert {1, 2} == set(read(out, "a").flat)
    np.testing.assert_array_equal(read(out, "b"), predicted(project.picture("b")))
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "classes.json"]


def test_what_was_erased_from_a_reviewed_mask_is_as_predicted_or_nothing(project, run, tmp_path):
    for name in "ac":
        record = accept(project, name, 2)
        project.add_marks({record.id: [Erasure(((8, 2), (8, 14)), 5)]}, "Erase")
    list(export_project(project, tmp_path / "out", "index-png"))
    for name, rest in (("a", predicted(project.picture("a"))), ("c", np.uint8(255))):
        labels = project.weak_labels(project.picture(name))
        assert (labels == 3).any()
        np.testing.assert_array_equal(read(tmp_path / "out", name), np.where(labels == 3, rest, labels))


def test_only_reviewed_pictures(project, run, tmp_path):
    with pytest.raises(ProjectError, match=r"No picture .* reviewed yet.*Accept"):
        list(export_project(project, tmp_path / "out", "tiff", only_reviewed=True))
    assert not (tmp_path / "out").exists()
    accept(project, "c", 1)
    (step,) = export_project(project, tmp_path / "out", "tiff", only_reviewed=True)
    assert (step.name, step.done, step.total, step.path) == ("c", 1, 1, tmp_path / "out" / "c.tif")


def test_classes_may_have_changed_since_the_prediction(project, run, tmp_path):
    project.delete_class(1)
    list(export_project(project, tmp_path / "out", "index-png"))
    before = predicted(project.picture("a"))
    np.testing.assert_array_equal(read(tmp_path / "out", "a"), np.array([0, 255, 1], np.uint8)[before])


def test_another_run(project, run, tmp_path):
    other = project.new_run({})
    store = PredictionStore(project)
    store.begin(other, "model")
    record = project.picture("c")
    store.store(other, "c", predicted(record), SUMMARY, NAMES)
    labels_of = finished_labels(project, other.id)
    assert labels_of(project.picture("a")) is None
    np.testing.assert_array_equal(labels_of(record), predicted(record))
    with pytest.raises(ProjectError, match="run-0009"):
        finished_labels(project, "run-0009")


def test_missing_predictions_can_be_made_on_the_way(project, run):
    asked = []

    def predict(record):
        asked.append(record.name)
        return np.ones((record.height, record.width), np.uint8)

    labels_of = finished_labels(project, predict=predict)
    assert [int(labels_of(record).max()) for record in project.pictures] == [2, 2, 1]
    assert asked == ["c"]


@pytest.mark.parametrize("format", ["index-png", "coco", "yolo-seg", "tiff", "ome-zarr", "overlay"])
def test_a_cancelled_export_leaves_whole_files_only(project, run, tmp_path, format):
    out = tmp_path / "out"
    steps = export_project(project, out, format)
    first = next(steps)
    steps.close()
    assert not list(out.glob("*.json"))
    assert not list(out.glob("*.yaml"))
    assert not list(out.rglob(".*"))
    assert first.path.exists() == (format != "coco")
    again = [step.path for step in export_project(project, out, format) if step.path is not None]
    assert all(path.exists() for path in again)


def test_nothing_to_export_makes_no_folder(project, tmp_path):
    with pytest.raises(ProjectError, match=r"None of the 3 pictures .* has a prediction.*Train first"):
        list(export_project(project, tmp_path / "out", "coco"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("format", "options", "error", "words"),
    [
        ("bmp", ExportOptions(), ConfigError, "'bmp'.*index-png, coco"),
        ("coco", ExportOptions(background=7), ClassError, "no class 7"),
    ],
)
def test_wrong_wishes_are_told_first(project, tmp_path, format, options, error, words):
    with pytest.raises(error, match=words):
        next(export_project(project, tmp_path / "out", format, options=options))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["index-png", "tiff", "overlay"])
def test_pictures_are_never_replaced(project, run, tmp_path, format):
    picture = tmp_path / "images" / "deep" / "b.png"
    before = picture.read_bytes()
    for folder in (picture.parent, tmp_path / "images" / "deep" / ".." / "deep"):
        with pytest.raises(StorageError, match=r"holds pictures of the project.*another folder"):
            list(export_project(project, folder, format))
    assert picture.read_bytes() == before
    assert sorted(path.name for path in picture.parent.iterdir()) == ["b.png", "er"]


def test_nothing_is_written_into_the_project(project, run):
    for folder in (project.path, project.predictions_folder / run.id):
        with pytest.raises(StorageError, match="lies in the project"):
            list(export_project(project, folder, "index-png"))


def test_a_folder_that_is_a_file(project, run, tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(StorageError, match="out can't be written"):
        list(export_project(project, tmp_path / "out", "index-png"))


@pytest.mark.parametrize("format", ["index-png", "coco", "yolo-seg", "tiff", "ome-zarr", "overlay"])
def test_a_full_disk_leaves_whole_files_only(project, run, tmp_path, format):
    resource = pytest.importorskip("resource")
    out = tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    steps = export_project(project, out, format)
    # Writing past this size of a file fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"no room to write .*out.*Free some disk space"):
            list(steps)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_a_picture_that_is_gone_matters_only_where_it_is_needed(project, run, tmp_path):
    (tmp_path / "images" / "deep" / "b.png").unlink()
    assert len(list(export_project(project, tmp_path / "coco", "coco"))) == 3
    with pytest.raises(ProjectError, match=r"'b'.*Relink"):
        list(export_project(project, tmp_path / "overlay", "overlay"))
    assert [path.name for path in (tmp_path / "overlay").iterdir()] == ["a.png"]
    with pytest.raises(PictureError, match=r"b\.png"):
        list(export_project(project, tmp_path / "yolo", "yolo-seg"))
    assert not (tmp_path / "yolo" / "data.yaml").exists()


def test_labels_of_another_size(project, tmp_path):
    with pytest.raises(MarkError, match=r"'a' have the shape \(4, 4\).*16 x 20"):
        next(export_project(project, tmp_path, "coco", labels_of=lambda record: np.zeros((4, 4), np.uint8)))


def test_file_names_tell_folders(project, tmp_path):
    zeros = lambda record: np.zeros((record.height, record.width), np.uint8)  # noqa: E731
    list(export_project(project, tmp_path / "out", "coco", labels_of=zeros))
    images = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["a.png", "deep/b.png", "deep/er/c.jpg"]


def test_the_window_can_export_without_torch(project, run, tmp_path):
    script = """
import sys
from pathlib import Path
from spml_core.engine.export import FORMATS, export_project
from spml_core.project import Project
heavy = {"torch", "cv2", "zarr"} & set(sys.modules)
assert not heavy, heavy
with Project.open(sys.argv[1], write=False) as project:
    for name in FORMATS:
        assert len(list(export_project(project, Path(sys.argv[2], name), name))) == 3
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, str(project.path), str(tmp_path / "out")], check=True)
    assert len(list((tmp_path / "out").iterdir())) == 6
