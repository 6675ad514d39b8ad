import cv2
import numpy as np
import yaml

from spml_core.classes import ClassTable


def polygons(path, shape):
    """Classes and polygons (N, 2) in pixels from a label file."""
    for line in path.read_text().splitlines():
        code, *shares = line.split()
        assert all(0 <= float(share) <= 1 for share in shares)
        yield int(code), np.array(shares, float).reshape(-1, 2) * shape[::-1]


def painted(path, shape):
    """The label map, 0 for nothing: filled at twice the size, where pixel centres have odd coordinates."""
    labels = np.zeros(shape, np.uint8)
    for code, polygon in polygons(path, shape):
        assert np.abs(polygon - polygon.round()).max() < 1e-3
        canvas = np.zeros((2 * shape[0] + 1, 2 * shape[1] + 1), np.uint8)
        cv2.fillPoly(canvas, [(2 * polygon.round()).astype(np.int32)], 1)
        mask = canvas[1::2, 1::2].astype(bool)
        assert not labels[mask].any()
        labels[mask] = code + 1
    return labels


def test_labels_come_back(export, three):
    out, paths = export("yolo-seg", three)
    assert paths == [out / "labels" / f"{name}.txt" for name in "abc"]
    for item, path in zip(three, paths, strict=True):
        expected = np.where(item.labels == 255, 0, item.labels)
        np.testing.assert_array_equal(painted(path, item.labels.shape), expected)
        assert (out / "images" / item.path.name).read_bytes() == item.path.read_bytes()
    assert paths[2].read_text() == ""


def test_trainers_that_fill_between_pixel_centres_are_off_by_a_pixel_at_most(export, labelled):
    labels = np.zeros((60, 90), np.uint8)
    cv2.ellipse(labels, (40, 30), (30, 22), 20, 0, 360, 1, -1)
    cv2.circle(labels, (45, 28), 9, 0, -1)
    cv2.circle(labels, (25, 22), 5, 0, -1)
    _, (path,) = export("yolo-seg", [labelled(labels)])
    ((code, polygon),) = polygons(path, labels.shape)
    assert code == 0
    filled = np.zeros_like(labels)
    cv2.fillPoly(filled, [polygon.astype(np.int32)], 1)
    square = np.ones((3, 3), np.uint8)
    assert (cv2.erode(labels, square) <= filled).all()
    assert (filled <= cv2.dilate(labels, square)).all()
    assert not filled[28, 45]


def test_the_description_is_yaml(export, three, classes):
    out, _ = export("yolo-seg", three)
    about = yaml.safe_load((out / "data.yaml").read_text())
    assert about == {"train": "images", "val": "images", "names": {0: "cell", 1: classes.names[2]}}


def test_pictures_can_stay_where_they_are(export, three):
    out, _ = export("yolo-seg", three, copy_images=False)
    assert not (out / "images").exists()
    about = yaml.safe_load((out / "data.yaml").read_text())
    assert about["train"] == about["val"] == "train.txt"
    assert (out / "train.txt").read_text().splitlines() == [str(item.path) for item in three]


def test_without_a_background_every_class_counts(export, labelled):
    labels = np.zeros((16, 20), np.uint8)
    labels[:, 10:] = 1
    out, (path,) = export("yolo-seg", [labelled(labels)], ClassTable.from_names(["left", "right"]))
    np.testing.assert_array_equal(painted(path, labels.shape), labels + 1)
    assert list(yaml.safe_load((out / "data.yaml").read_text())["names"].values()) == ["left", "right"]


def test_exporting_beside_the_pictures_leaves_them_alone(export, labelled, tmp_path):
    item = labelled(np.ones((16, 16), np.uint8))
    images = tmp_path / "out" / "images"
    images.parent.mkdir()
    item.path.parent.rename(images)
    moved = images / item.path.name
    before = moved.read_bytes(), moved.stat().st_ino
    export("yolo-seg", [type(item)(item.name, moved, moved.name, item.labels, item.read_rgb)])
    assert (moved.read_bytes(), moved.stat().st_ino) == before
