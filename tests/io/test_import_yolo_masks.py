"""Masks from YOLO's outlines: what this program exports comes back, and what segmenters write."""

import numpy as np
import pytest

from spml_core.annotations import Patch
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import ImportWarnings, read_masks

CLASSES = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (20, 40), "b": (16, 16)}
SQUARE = "0.25 0.1 0.75 0.1 0.75 0.5 0.25 0.5"


def square(code=1):
    labels = np.zeros((20, 40), np.uint8)
    labels[2:10, 10:30] = code
    return labels


def dataset(folder, lines, yaml="names: [cell, dog]\n"):
    (folder / "labels").mkdir(parents=True)
    (folder / "labels/a.txt").write_text("\n".join(lines))
    (folder / "data.yaml").write_text(yaml)
    return folder


def read(path, sizes=SIZES, classes=CLASSES):
    warnings = ImportWarnings()
    marks = read_masks(path, sizes, classes, warnings)
    assert all(len(its) == 1 and isinstance(its[0], Patch) for its in marks.values())
    return {name: patch.labels for name, (patch,) in marks.items()}, warnings.lines


@pytest.mark.parametrize("copies", [False, True])
def test_what_was_exported_comes_back_as_masks(export, three, classes, copies):
    """The pictures lie beside the labels, as PNGs some of them, and are no masks. Void isn't exported."""
    out, _ = export("yolo-seg", three, copy_images=copies)
    assert bool(list(out.rglob("*.png"))) == copies
    for place in (out, out / "labels"):
        found, lines = read(place, {item.name: item.labels.shape for item in three}, classes)
        assert lines == ()
        assert set(found) == {"a", "b", "c"}
        for item in three:
            np.testing.assert_array_equal(found[item.name], np.where(item.labels == 255, 0, item.labels))


def test_a_coco_export_with_its_pictures_comes_back_as_masks(export, three, classes):
    out, _ = export("coco", three, copy_images=True)
    found, _ = read(out, {item.name: item.labels.shape for item in three}, classes)
    for item in three:
        np.testing.assert_array_equal(found[item.name], np.where(item.labels == 255, 0, item.labels))


@pytest.mark.parametrize("tail", ["", " 0.9", " 0.9 12"])
def test_outlines_as_segmenters_write_them(tmp_path, tail):
    found, lines = read(dataset(tmp_path, [f"0 {SQUARE}{tail}"]))
    np.testing.assert_array_equal(found["a"], square())
    assert lines == ()


def test_a_triangle_of_three_corners_is_an_outline_here(tmp_path):
    found, _ = read(dataset(tmp_path, ["1 0.5 0.5 0.25 0.25 0.9 1"]))
    assert 0 < (found["a"] == 2).sum() < 400


def test_a_box_among_outlines_is_void(tmp_path):
    found, (line,) = read(dataset(tmp_path, [f"0 {SQUARE}", "1 0.9 0.8 0.1 0.2"]))
    expected = square()
    expected[14:18, 34:38] = 255
    np.testing.assert_array_equal(found["a"], expected)
    assert "void" in line and "line 2" in line


@pytest.mark.parametrize(
    ("line", "yaml"),
    [
        ("0 0.5 0.5 0.2 0.2", ""),
        ("0 0.5 0.5 0.2 0.2 0.45 0.45 0.55 0.55", "kpt_shape: [2, 2]\n"),
    ],
)
def test_boxes_are_no_masks(tmp_path, line, yaml):
    with pytest.raises(MarkError, match=r"holds boxes, no outlines: .*a\.txt, line 1") as caught:
        read(dataset(tmp_path, [line], f"names: [cell, dog]\n{yaml}"))
    assert caught.value.remedy == "Import it as boxes."
