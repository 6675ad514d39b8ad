import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.errors import PictureError
from spml_core.images import Picture
from spml_core.io.exports import LabelledPicture


def test_classes_are_blended_in_and_have_a_contour(export, labelled, classes):
    labels = np.zeros((40, 50), np.uint8)
    labels[10:30, 10:40] = 1
    labels[0:5, 0:5] = 255
    pixels = np.full((40, 50, 3), 100, np.uint8)
    _, (path,) = export("overlay", [labelled(labels, pixels=pixels)], opacity=0.4)
    assert path.suffix == ".png"
    shown = np.array(Image.open(path)).astype(int)
    color = np.array(classes.classes[1].color)
    inside = np.zeros(labels.shape, bool)
    inside[11:29, 11:39] = True
    np.testing.assert_array_equal(shown[labels != 1], 100)
    assert np.abs(shown[inside] - (0.6 * 100 + 0.4 * color)).max() <= 1
    np.testing.assert_array_equal(shown[(labels == 1) & ~inside], np.broadcast_to(color, (96, 3)))


def test_bands_leave_no_seam(export, labelled, monkeypatch):
    from spml_core.io.exports import overlay

    labels = np.zeros((64, 20), np.uint8)
    labels[3:31, 4:] = 1
    labels[31:50] = 2
    whole = np.array(Image.open(export("overlay", [labelled(labels)])[1][0]))
    monkeypatch.setattr(overlay, "_ROWS", 7)
    np.testing.assert_array_equal(np.array(Image.open(export("overlay", [labelled(labels)])[1][0])), whole)


def test_a_16_bit_picture_shows_as_the_program_sees_it(export, tmp_path):
    path = tmp_path / "deep.tif"
    samples = (np.arange(32 * 48, dtype=np.uint16) * 40 + 1000).reshape(32, 48)
    tifffile.imwrite(path, samples)
    labels = np.zeros((32, 48), np.uint8)
    labels[8:12] = 1
    item = LabelledPicture("deep", path, "deep.tif", labels, Picture(path).rgb)
    _, (written,) = export("overlay", [item])
    shown = np.array(Image.open(written))
    rgb = Picture(path).rgb()
    assert rgb.min() == 0
    assert rgb.max() == 255
    np.testing.assert_array_equal(shown[labels == 0], rgb[labels == 0])
    assert (shown[labels == 1] != rgb[labels == 1]).any()


def test_jpeg(export, labelled):
    labels = np.zeros((37, 53), np.uint8)
    labels[8:20, 8:30] = 1
    item = labelled(labels, pixels=np.full((37, 53, 3), 90, np.uint8))
    _, (path,) = export("overlay", [item], overlay_file="jpg", opacity=0)
    with Image.open(path) as image:
        assert image.format == "JPEG"
        assert image.size == (53, 37)
        assert abs(np.array(image).astype(int)[30:, 40:] - 90).max() <= 3


def test_what_no_jpeg_can_hold(export, tmp_path):
    labels = np.zeros((1, 65_536), np.uint8)
    item = LabelledPicture("long", tmp_path / "long.tif", "long.tif", labels, lambda: None)
    with pytest.raises(PictureError, match=r"long\.tif is 1 x 65536.*PNG"):
        export("overlay", [item], overlay_file="jpg")
