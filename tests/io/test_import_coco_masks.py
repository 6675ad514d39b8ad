"""Masks from COCO JSON: outlines, run lengths, crowds; what this program exports comes back."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from spml_core.annotations import Box, KeyPoint, Patch
from spml_core.classes import ClassTable
from spml_core.errors import ClassError, MarkError
from spml_core.io import ImportWarnings, read_boxes, read_key_points, read_masks
from spml_core.io.exports import ExportOptions, LabelledPicture, open_exporter

CLASSES = ClassTable.from_names(["background", "cell", "dog"])
SIZE = (40, 60)


def labels_with_holes(seed=0):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 3, (8, 12)), np.ones((5, 5))).astype(np.uint8)
    labels[12:20, 12:30] = 1
    labels[14:17, 15:25] = 2  # a hole in the other
    return labels


def coco(folder, *annotations, ids=(3, 7)):
    image, category = ids
    content = {
        "images": [{"id": image, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": category, "name": "cell"}, {"id": "other", "name": "dog"}],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, **fields}
            for number, fields in enumerate(annotations, 1)
        ],
    }
    path = folder / "c.json"
    path.write_text(json.dumps(content))
    return path


def read(path, reader=read_masks):
    warnings = ImportWarnings()
    return reader(path, {"a": SIZE}, CLASSES, warnings), warnings.lines


def mask_of(marks):
    ((patch,),) = marks.values()
    assert isinstance(patch, Patch) and patch.labels.shape == SIZE
    return patch.labels


SQUARE = [[10, 5, 20, 5, 20, 15, 10, 15]]


def square(code=1):
    labels = np.zeros(SIZE, np.uint8)
    labels[5:15, 10:20] = code
    return labels


@pytest.mark.parametrize("masks", ["auto", "rle", "polygons"])
def test_what_was_exported_comes_back_as_masks(tmp_path, masks):
    labels = labels_with_holes()
    rgb = np.zeros((*SIZE, 3), np.uint8)
    with open_exporter("coco", tmp_path / "out", CLASSES, ExportOptions(masks=masks)) as exporter:
        exporter.add(LabelledPicture("a", tmp_path / "a.png", "a.png", labels, lambda: rgb))
        exporter.finish()
    for path in (tmp_path / "out", tmp_path / "out" / "annotations.json"):
        found, lines = read(path)
        assert lines == ()
        np.testing.assert_array_equal(mask_of(found), labels)


@pytest.mark.parametrize("compressed", [False, True])
def test_run_lengths_as_pycocotools_writes_them(tmp_path, compressed):
    rng = np.random.default_rng(1)
    inside = np.asfortranarray(rng.random(SIZE) > 0.6)
    value = coco_mask.encode(inside.astype(np.uint8, order="F"))
    counts = value["counts"].decode()
    if not compressed:
        flat = inside.T.ravel()
        changes = np.flatnonzero(np.diff(np.r_[False, flat, not flat[-1]])) if len(flat) else []
        counts = np.diff(np.r_[0, changes]).tolist()
    segmentation = {"size": list(SIZE), "counts": counts}
    found, _ = read(coco(tmp_path, {"segmentation": segmentation}))
    np.testing.assert_array_equal(mask_of(found), inside.astype(np.uint8))


def test_a_crowd_is_void_in_masks_and_beside_boxes(tmp_path):
    crowd = np.zeros(SIZE, np.uint8, order="F")
    crowd[20:30, 40:55] = 1
    counts = coco_mask.encode(crowd)["counts"].decode()
    path = coco(
        tmp_path,
        {"segmentation": SQUARE, "bbox": [10, 5, 10, 10]},
        {"segmentation": {"size": list(SIZE), "counts": counts}, "iscrowd": 1, "bbox": [40, 20, 15, 10]},
        {"iscrowd": 1, "bbox": [0, 0, 4, 3]},
    )
    expected = square()
    expected[20:30, 40:55] = expected[0:3, 0:4] = 255
    np.testing.assert_array_equal(mask_of(read(path)[0]), expected)
    marks, lines = read(path, read_boxes)
    patches = [mark for mark in marks["a"] if isinstance(mark, Patch)]
    assert [(p.top, p.left, *p.labels.shape) for p in patches] == [(20, 40, 10, 15), (0, 0, 3, 4)]
    assert all((p.labels == 255).all() for p in patches)
    assert Box(1, 5, 10, 15, 20) in marks["a"]
    assert any("Crowds (iscrowd) are void" in line and "and 1 more" in line for line in lines)


def test_outlines_that_boxes_leave_out_are_told_of(tmp_path):
    path = coco(tmp_path, {"segmentation": [[10, 5, 20, 5, 15, 15]], "bbox": [10, 5, 10, 10]})
    marks, (line,) = read(path, read_boxes)
    assert marks == {"a": [Box(1, 5, 10, 15, 20)]}
    assert "Outlines were left out" in line and "as masks" in line
    of_boxes = coco(tmp_path, {"segmentation": SQUARE, "bbox": [10, 5, 10, 10]})
    assert read(of_boxes, read_boxes)[1] == ()  # nothing is lost


@pytest.mark.parametrize("ids", [("image one", "cell"), ("12", 7), (3.0, "7"), (0, 0)])
def test_ids_may_be_texts(tmp_path, ids):
    found, _ = read(coco(tmp_path, {"segmentation": SQUARE}, ids=ids))
    np.testing.assert_array_equal(mask_of(found), square())


@pytest.mark.parametrize("outline", [None, [], [[]], [[1, 2, 3, 4]], {}])
def test_the_box_of_an_annotation_without_outline_is_void(tmp_path, outline):
    empty = {"bbox": [1, 1, 2, 2]} | ({} if outline is None else {"segmentation": outline})
    found, (line,) = read(coco(tmp_path, empty, {"segmentation": SQUARE}))
    expected = square()
    expected[1:3, 1:3] = 255  # it is there somewhere, so this isn't background
    np.testing.assert_array_equal(mask_of(found), expected)
    assert "without an outline" in line and "annotation 1 on 'a'" in line


def test_an_outline_that_is_not_in_a_list(tmp_path):
    np.testing.assert_array_equal(mask_of(read(coco(tmp_path, {"segmentation": SQUARE[0]}))[0]), square())


def test_images_without_annotations(tmp_path):
    path = coco(tmp_path, {"segmentation": SQUARE})
    content = json.loads(path.read_text())
    content["images"].append({"id": 99, "file_name": "b.png"})
    sizes = {"a": SIZE, "b": (16, 16)}
    for info, wanted in (({}, {"a"}), ({"description": "Exported by spml-napari"}, {"a", "b"})):
        path.write_text(json.dumps({**content, "info": info}))
        warnings = ImportWarnings()
        found = read_masks(path, sizes, CLASSES, warnings)
        assert set(found) == wanted
        assert len(warnings.lines) == ("b" not in wanted)
        assert all("Images without annotations were left out" in line for line in warnings.lines)
    np.testing.assert_array_equal(found["b"][0].labels, np.zeros((16, 16)))


def test_boxes_lie_over_the_box_of_a_crowd_and_under_its_outline(tmp_path):
    crowd = {"iscrowd": 1, "bbox": [5, 5, 30, 20]}
    outlined = crowd | {"segmentation": [[5, 5, 35, 5, 35, 25, 5, 25]]}
    for fields, count in ((crowd, 30 * 20 - 10 * 10), (outlined, 30 * 20)):
        marks, _ = read(coco(tmp_path, {"bbox": [10, 5, 10, 10]}, fields), read_boxes)
        box, void = marks["a"]
        assert box == Box(1, 5, 10, 15, 20)
        assert ((void.top, void.left), (void.labels == 255).sum()) == ((5, 5), count)


def test_a_crowd_is_void_beside_key_points(tmp_path):
    path = coco(tmp_path, {"keypoints": [12, 7, 2], "area": 16}, {"iscrowd": 1, "bbox": [30, 20, 10, 5]})
    content = json.loads(path.read_text())
    content["categories"][0]["keypoints"] = ["dog"]
    path.write_text(json.dumps(content))
    marks, _ = read(path, read_key_points)
    point, void = marks["a"]
    assert point == KeyPoint(2, 7, 12, 4)
    assert void == Patch(20, 30, np.full((5, 10), 255, np.uint8))


@pytest.mark.slow
def test_a_million_categories(tmp_path):
    path = coco(tmp_path, {"segmentation": SQUARE})
    content = json.loads(path.read_text())
    content["categories"] += [{"id": f"x{i}", "name": f"x{i}"} for i in range(10**6)]
    path.write_text(json.dumps(content))
    np.testing.assert_array_equal(mask_of(read(path)[0]), square())


@pytest.mark.parametrize(
    "segmentation",
    [
        "text",
        [[1, 2, 3]],
        [[1, 2, 3, 4, 5]],
        [["a", 2, 3, 4, 5, 6]],
        [[1e400, 2, 3, 4, 5, 6]],
        {"size": [4, 4], "counts": [16]},
        {"size": list(SIZE), "counts": [5]},
        {"size": list(SIZE), "counts": [-1, SIZE[0] * SIZE[1] + 1]},
        {"size": list(SIZE), "counts": "\u00ff\u0100"},
        {"size": list(SIZE), "counts": "o" * 1000},
        {"size": list(SIZE)},
    ],
)
def test_what_makes_no_mask_is_refused(tmp_path, segmentation):
    path = coco(tmp_path, {"segmentation": segmentation, "iscrowd": 0})
    with pytest.raises(MarkError):
        read(path)


@pytest.mark.parametrize("identity", [None, [], {}, True, 1.5, ""])
def test_ids_that_are_none(tmp_path, identity):
    with pytest.raises((MarkError, ClassError)):
        read(coco(tmp_path, {"segmentation": SQUARE}, ids=(identity, 7)))
