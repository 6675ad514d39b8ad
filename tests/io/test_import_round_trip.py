"""Label maps that were exported, and those of PASCAL VOC, come back pixel for pixel."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import rasterize
from spml_core.io import read_classes, read_masks, read_scribbles

DATA = Path(os.environ.get("SPML_DATA", "data")) / "voc_format_fixture"


def test_exported_label_maps_come_back_as_masks(export, three, classes):
    out, _ = export("index-png", three)
    marks = read_masks(out, {item.name: item.labels.shape for item in three}, classes)
    assert set(marks) == {"a", "b", "c"}
    for item in three:
        labels = rasterize(marks[item.name], item.labels.shape, len(classes))
        np.testing.assert_array_equal(labels, item.labels)


def test_exported_label_maps_come_back_as_scribbles(export, three, classes):
    out, _ = export("index-png", three)
    marks = read_scribbles(out, {item.name: item.labels.shape for item in three}, classes)
    for item in three:
        labels = rasterize(marks[item.name], item.labels.shape, len(classes))
        np.testing.assert_array_equal(labels, np.where(item.labels == 255, len(classes), item.labels))


@pytest.mark.skipif(not DATA.is_dir(), reason="set SPML_DATA to the folder of the data sets")
@pytest.mark.parametrize(
    ("folder", "reader", "rest"), [("scribbles", read_scribbles, 21), ("labels", read_masks, 255)]
)
def test_label_maps_of_pascal_voc(folder, reader, rest):
    classes = read_classes(DATA / "classes.json")
    files = {path.stem: np.array(Image.open(path)) for path in (DATA / folder).glob("*.png")}
    marks = reader(DATA / folder, {stem: codes.shape for stem, codes in files.items()}, classes)
    assert set(marks) == set(files) and len(files) == 2
    for stem, codes in files.items():
        labels = rasterize(marks[stem], codes.shape, 21)
        np.testing.assert_array_equal(labels, np.where(codes == 255, rest, codes))
