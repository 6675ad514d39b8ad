"""``spml export``: what it writes, what it says, and what it refuses in one line."""

import json

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Patch
from spml_core.engine.predictions import PictureSummary, PredictionStore
from spml_core.project import Project

FORMATS = ("index-png", "coco", "yolo-seg", "tiff", "ome-zarr", "overlay")


@pytest.fixture
def predicted(project, data):
    """The project with stored predictions, which are the masks, of a current run without a model."""
    with Project.open(project) as opened:
        run = opened.new_run({})
        store = PredictionStore(opened)
        store.begin(run, "model")
        for record in opened.pictures:
            with Image.open(data / "masks" / f"{record.name}.png") as image:
                labels = np.array(image)
            store.store(run, record.name, labels, PictureSummary(0, (), (0.5, 0.5)), opened.classes.names)
        opened.set_run_state(run.id, "finished")
        opened.set_current_run(run.id)
    return project


@pytest.fixture
def reviewed(project):
    """The project, its picture b accepted as all of class 1, nothing trained."""
    with Project.open(project) as opened:
        record = opened.picture("b")
        mask = Patch(0, 0, np.ones((record.height, record.width), np.uint8), accepted="picture")
        opened.add_marks({record.id: [mask]}, "Accept")
    return project


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_says_what_it_wrote(predicted, data, spml, format):
    result = spml("export", predicted, "--format", format, "--out", data / "out", "--json")
    assert result.code == 0, result.err
    *steps, summary = result.events
    assert [(step["event"], step["name"]) for step in steps] == [("exported", name) for name in "abcd"]
    assert summary == {"event": "summary", "pictures": 4, "skipped": 0, "out": str(data / "out")}
    for step in steps:
        assert (data / "out" / step["path"]).exists()


def test_masks_that_come_back_by_import(predicted, data, spml):
    result = spml("export", predicted, "--format", "index-png", "--out", data / "out")
    assert (result.code, result.out) == (0, f"Exported 4 pictures to {data / 'out'}.\n")
    for name in "abcd":
        exported, mask = (
            np.array(Image.open(folder / f"{name}.png")) for folder in (data / "out", data / "masks")
        )
        np.testing.assert_array_equal(exported, mask)
    again = data / "again.spml"
    made = spml("new", again, "--images", data / "images", "--classes", data / "out" / "classes.json")
    assert made.code == 0, made.err
    assert spml("import", again, "--masks", data / "out").code == 0
    with Project.open(again, write=False) as opened:
        labels = opened.weak_labels(opened.picture("c"))
    np.testing.assert_array_equal(labels, np.array(Image.open(data / "masks" / "c.png")))


def test_options_reach_the_formats(predicted, data, spml):
    out = data / "out"
    words = ["--background", "left", "--masks", "rle", "--copy-images", "--min-area", "2"]
    assert spml("export", predicted, "--format", "coco", "--out", out, *words).code == 0
    coco = json.loads((out / "annotations.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["right"]
    assert all("counts" in annotation["segmentation"] for annotation in coco["annotations"])
    assert (out / "images" / "d.png").is_file()
    assert spml("export", predicted, "--format", "yolo-seg", "--out", out / "y", "--no-copy-images").code == 0
    assert not (out / "y" / "images").exists()
    assert (
        spml("export", predicted, "--format", "overlay", "--out", out, "--jpeg", "--opacity", "1").code == 0
    )
    assert (out / "a.jpg").is_file()
    assert spml("export", predicted, "--format", "index-png", "--out", out, "--palette", "project").code == 0
    with Image.open(out / "a.png") as image:
        assert image.getpalette()[3:6] == [230, 159, 0]


def test_reviewed_masks_need_no_training(reviewed, data, spml):
    result = spml("export", reviewed, "--format", "tiff", "--out", data / "out", "--reviewed")
    assert (result.code, result.out) == (0, f"Exported 1 pictures to {data / 'out'}.\n")
    result = spml("export", reviewed, "--format", "tiff", "--out", data / "out")
    assert result.code == 0
    assert f"3 of 4 pictures have no prediction: run spml train {reviewed}" in result.out
    assert sorted(path.name for path in (data / "out").iterdir()) == ["b.tif", "classes.json"]


def test_what_is_missing_is_predicted(marked, data, spml):
    assert spml("train", marked, "--preset", "quick", "--max-seconds", 3).code == 0
    assert spml("export", marked, "--format", "index-png", "--out", data / "out").code == 0
    assert spml("predict", marked, "--out", data / "predicted").code == 0
    for name in "abcd":
        exported, own = (
            np.array(Image.open(data / folder / f"{name}.png")) for folder in ("out", "predicted")
        )
        np.testing.assert_array_equal(exported, own)
    assert spml("export", marked, "--format", "coco", "--out", data / "o", "--run", "run-0001").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "bmp"], ("'bmp'", "index-png, coco, yolo-seg, tiff, ome-zarr, overlay")),
        (["--format", "coco", "--masks", "mesh"], ("'mesh'", "auto, polygons, rle")),
        (["--format", "coco", "--background", "sky"], ("'sky'", "0 left, 1 right")),
        (["--format", "coco", "--min-area", "0"], ("min_area is 0",)),
        (["--format", "index-png", "--palette", "pink"], ("'pink'", "voc, project")),
        (["--format", "overlay", "--opacity", "2"], ("opacity is 2.0", "from 0 to 1")),
        (["--format", "tiff", "--run", "run-0007"], ("run-0007",)),
        (["--format", "tiff", "--reviewed"], ("reviewed yet", "Accept")),
    ],
)
def test_bad_wishes_change_nothing(predicted, data, spml, state, words, said):
    before = state(predicted)
    line = spml("export", predicted, "--out", data / "out", *words).complaint()
    for word in said:
        assert word in line
    assert not (data / "out").exists()
    assert state(predicted) == before


def test_bad_folders(predicted, data, spml):
    (data / "file").write_text("in the way")
    for folder, said in (("file", "can't be written"), ("images", "holds pictures"), ("p.spml/x", "lies in")):
        line = spml("export", predicted, "--format", "index-png", "--out", data / folder).complaint()
        assert said in line
        assert str(data / folder) in line


def test_before_training(project, data, spml):
    line = spml("export", project, "--format", "coco", "--out", data / "out").complaint()
    assert "None of the 4 pictures" in line
    assert "Train first" in line
    assert not (data / "out").exists()
