import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.io import read_classes
from spml_core.io.exports.label_maps import palette_of, voc_color


def test_the_voc_palette():
    # From the development kit's documentation: aeroplane, bicycle, bird, boat, bottle, tv monitor, void.
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 5: (128, 0, 128)}
    known |= {20: (0, 64, 128), 255: (224, 224, 192)}
    assert {code: voc_color(code) for code in known} == known
    assert len({voc_color(code) for code in range(256)}) == 256


@pytest.mark.parametrize("palette", ["voc", "project"])
def test_index_png_keeps_codes_and_shows_colours(export, three, classes, palette):
    out, paths = export("index-png", three, palette=palette)
    assert paths == [out / f"{name}.png" for name in "abc"]
    for item, path in zip(three, paths, strict=True):
        with Image.open(path) as image:
            assert image.mode == "P"
            np.testing.assert_array_equal(np.array(image), item.labels)
            colors = np.array(palette_of(classes, palette))
            np.testing.assert_array_equal(np.array(image.convert("RGB")), colors[item.labels])
        # Another decoder that knows palettes only as a table of its own.
        assert imagecodecs.png_decode(path.read_bytes()).shape[:2] == item.labels.shape
    assert read_classes(out / "classes.json").names == classes.names
    expected = (128, 0, 0) if palette == "voc" else (230, 159, 0)
    assert palette_of(classes, palette)[1] == expected


def test_tiff_keeps_codes_and_names(export, three, classes):
    out, paths = export("tiff", three)
    assert paths == [out / f"{name}.tif" for name in "abc"]
    for item, path in zip(three, paths, strict=True):
        with tifffile.TiffFile(path) as file:
            (page,) = file.pages
            assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            assert page.dtype == np.uint8
            np.testing.assert_array_equal(page.asarray(), item.labels)
            assert file.shaped_metadata[0]["classes"] == {
                str(i): name for i, name in enumerate(classes.names)
            }
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.array(image), item.labels)
    assert read_classes(out / "classes.json").names == classes.names


@pytest.mark.parametrize("format", ["index-png", "tiff", "overlay", "coco", "yolo-seg", "ome-zarr"])
def test_one_class_without_a_background(export, labelled, format):
    labels = np.zeros((16, 16), np.uint8)
    out, (path,) = export(format, [labelled(labels)], ClassTable.from_names(["leaf"]))
    assert path.exists()
    assert path.is_relative_to(out)
