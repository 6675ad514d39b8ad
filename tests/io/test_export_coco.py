import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from spml_core.classes import ClassTable
from spml_core.errors import ClassError, ConfigError, PictureError
from spml_core.io.exports import ExportOptions, open_exporter

# pycocotools 2.0.11 with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def read(path):
    with contextlib.redirect_stdout(io.StringIO()):  # it talks
        return COCO(path)


def decoded(coco, number):
    """The label map of a picture as pycocotools sees it, categories as codes."""
    about = coco.imgs[number]
    labels = np.zeros((about["height"], about["width"]), np.uint8)
    for annotation in coco.loadAnns(coco.getAnnIds([number])):
        mask = coco.annToMask(annotation).astype(bool)
        assert not labels[mask].any()
        assert annotation["area"] == mask.sum()
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        left, top, width, height = annotation["bbox"]
        assert (left, left + width, top, top + height) == (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1)
        assert annotation["iscrowd"] == 0
        labels[mask] = annotation["category_id"]
    return labels


@pytest.mark.parametrize("masks", ["auto", "polygons", "rle"])
def test_pycocotools_gives_back_the_label_maps(export, three, classes, masks):
    out, paths = export("coco", three, masks=masks)
    assert paths == [out / "annotations.json"] * 3
    coco = read(out / "annotations.json")
    about = [(image["file_name"], image["height"], image["width"]) for image in coco.imgs.values()]
    assert about == [("sub/a.png", 37, 53), ("sub/b.jpg", 64, 17), ("sub/c.png", 19, 20)]
    assert [(c["id"], c["name"]) for c in coco.cats.values()] == [(1, "cell"), (2, classes.names[2])]
    for number, item in enumerate(three, 1):
        np.testing.assert_array_equal(decoded(coco, number), np.where(item.labels == 255, 0, item.labels))
    kinds = {type(annotation["segmentation"]) for annotation in coco.anns.values()}
    assert kinds == {"auto": {list, dict}, "polygons": {list}, "rle": {dict}}[masks]
    assert not list(out.glob("images"))


def test_holes_are_run_lengths_and_the_rest_polygons(export, labelled):
    labels = np.zeros((16, 16), np.uint8)
    labels[2:7, 2:7] = 1
    labels[4, 4] = 0
    labels[10:13, 10:14] = 2
    labels[0:16, 15] = 1
    out, _ = export("coco", [labelled(labels)])
    ring, line, block = json.loads((out / "annotations.json").read_text())["annotations"]
    if isinstance(line["segmentation"], dict):
        ring, line = line, ring
    assert set(ring["segmentation"]) == {"size", "counts"}
    assert ring["segmentation"]["size"] == [16, 16]
    assert line["segmentation"] == [[15, 0, 16, 0, 16, 16, 15, 16]]
    assert block["segmentation"] == [[10, 10, 14, 10, 14, 13, 10, 13]]


def test_run_lengths_across_whole_columns(export, labelled):
    labels = np.ones((16, 17), np.uint8)
    out, _ = export("coco", [labelled(labels)], masks="rle")
    (annotation,) = json.loads((out / "annotations.json").read_text())["annotations"]
    assert annotation["segmentation"]["counts"] == [0, 16 * 17]


def test_another_background_or_none(export, labelled):
    labels = np.zeros((16, 16), np.uint8)
    labels[:, 8:] = 1
    table = ClassTable.from_names(["left", "right"])
    out, _ = export("coco", [labelled(labels)], table)
    coco = read(out / "annotations.json")
    np.testing.assert_array_equal(decoded(coco, 1), labels + 1)
    export("coco", [labelled(labels)], table, background=1)
    coco = read(out / "annotations.json")
    assert [c["name"] for c in coco.cats.values()] == ["left"]
    np.testing.assert_array_equal(decoded(coco, 1), 1 - labels)


def test_small_pieces_can_be_left_out(export, labelled):
    labels = np.zeros((16, 16), np.uint8)
    labels[3, 3] = labels[5:7, 8:10] = 1
    out, _ = export("coco", [labelled(labels)], min_area=4)
    assert [a["area"] for a in json.loads((out / "annotations.json").read_text())["annotations"]] == [4]


def test_pictures_can_come_along(export, three):
    out, _ = export("coco", three, copy_images=True)
    for item, image in zip(three, json.loads((out / "annotations.json").read_text())["images"], strict=True):
        assert (out / "images" / image["file_name"]).read_bytes() == item.path.read_bytes()


def test_a_cancelled_export_leaves_nothing(tmp_path, three, classes):
    out = tmp_path / "out"
    with open_exporter("coco", out, classes, ExportOptions()) as exporter:
        exporter.add(three[0])
    assert list(out.iterdir()) == []


def test_a_missing_picture_is_named_when_it_should_come_along(tmp_path, three, classes):
    three[0].path.unlink()
    with (
        open_exporter("coco", tmp_path / "out", classes, ExportOptions(copy_images=True)) as exporter,
        pytest.raises(PictureError, match=r"a\.png"),
    ):
        exporter.add(three[0])


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"masks": "mesh"}, "mesh.*auto, polygons, rle"),
        ({"palette": "rainbow"}, "rainbow.*voc, project"),
        ({"overlay_file": "gif"}, "gif.*png, jpg"),
        ({"min_area": 0}, "min_area is 0"),
        ({"opacity": 1.5}, r"opacity is 1\.5"),
        ({"opacity": float("nan")}, "opacity is nan"),
    ],
)
def test_wrong_options(choice, words):
    with pytest.raises(ConfigError, match=words):
        ExportOptions(**choice)


def test_a_background_that_is_no_class():
    table = ClassTable.from_names(["background"])
    with pytest.raises(ClassError, match="no class 1"):
        ExportOptions(background=1).object_classes(table)
    with pytest.raises(ClassError, match="only class"):
        ExportOptions().object_classes(table)


def test_an_unknown_format_lists_those_known(tmp_path, classes):
    with pytest.raises(ConfigError, match=r"'bmp'.*index-png, coco, yolo-seg, tiff, ome-zarr, overlay"):
        open_exporter("bmp", tmp_path, classes, ExportOptions())
