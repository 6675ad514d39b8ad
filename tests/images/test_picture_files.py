"""Damaged files and very large ones."""

import io
import tracemalloc

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.errors import PictureError
from spml_core.images import Picture

RGB8 = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def encoded(suffix, samples):
    buffer = io.BytesIO()
    if suffix == "zlib.tif":
        tifffile.imwrite(buffer, samples, photometric="rgb", compression="zlib", rowsperstrip=4)
    elif suffix == "plain.tif":
        tifffile.imwrite(buffer, samples, photometric="rgb")
    elif suffix == "tiled.tif":
        tifffile.imwrite(buffer, samples, photometric="rgb", tile=(16, 16))
    elif suffix == "cmyk.tif":
        Image.fromarray(samples).convert("CMYK").save(buffer, format="tiff", compression="tiff_lzw")
    elif suffix == "16.png":
        return imagecodecs.png_encode(samples.astype(np.uint16) * 257)
    else:
        kwargs = {"progressive": True} if suffix == "progressive.jpg" else {}
        Image.fromarray(samples).save(buffer, format="png" if "png" in suffix else "jpeg", **kwargs)
    return buffer.getvalue()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.6, 0.97])
@pytest.mark.parametrize(
    "suffix",
    ["a.png", "16.png", "a.jpg", "progressive.jpg", "plain.tif", "zlib.tif", "tiled.tif", "cmyk.tif"],
)
def test_truncated_files_are_refused_quietly_by_name(tmp_path, capfd, suffix, share):
    path = tmp_path / f"cut.{suffix}"
    data = encoded(suffix, RGB8)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError, match=r"cut\."):
        Picture(path).rgb()
    with pytest.raises(PictureError, match=r"cut\."):
        Picture(path).rgb_window(0, 0, 40, 56)
    assert capfd.readouterr() == ("", "")


def test_a_truncated_jpeg_with_a_whole_thumbnail_is_refused(tmp_path):
    path = tmp_path / "cut.jpg"
    thumbnail = encoded("a.jpg", RGB8[:16, :16])
    data = encoded("a.jpg", RGB8)
    app = b"Exif\0\0" + thumbnail
    data = data[:2] + b"\xff\xe1" + (len(app) + 2).to_bytes(2, "big") + app + data[2:]
    path.write_bytes(data)
    assert Picture(path).rgb().shape == (40, 56, 3)
    path.write_bytes(data[: len(data) - 900])
    with pytest.raises(PictureError, match=r"cut\.jpg"):
        Picture(path).rgb()


def test_a_size_needs_only_the_header(tmp_path):
    for suffix in ("png", "jpg"):
        path = tmp_path / f"a.{suffix}"
        data = encoded(path.name, RGB8)
        path.write_bytes(data[: len(data) // 2])
        assert Picture(path).size == (40, 56)


def test_a_colour_picture_takes_no_more_than_its_own_memory(tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((3000, 3000, 3), np.uint8)).save(path, compress_level=1)
    tracemalloc.start()
    try:
        rgb = Picture(path).rgb()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * rgb.nbytes
    assert rgb.flags.writeable
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_100_megapixels_are_read_without_complaint_and_twice_the_memory(tmp_path, suffix):
    path = tmp_path / f"large.{suffix}"
    shape = (10_000, 10_000)
    if suffix == "png":
        Image.fromarray(np.zeros(shape, np.uint8)).save(path, compress_level=1)
    elif suffix == "jpg":
        Image.fromarray(np.zeros(shape, np.uint8)).save(path)
    else:
        tifffile.imwrite(path, np.zeros(shape, np.uint8), compression="zlib", tile=(1024, 1024))
    picture = Picture(path)
    assert picture.size == shape
    tracemalloc.start()
    try:
        assert picture.rgb().shape == (*shape, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 480e6  # 300 MB for the RGB array, 100 MB for the decoded grey one


def test_a_window_of_a_large_tiff_does_not_read_the_picture(tmp_path):
    for kwargs in ({}, {"tile": (512, 512), "compression": "zlib"}):
        path = tmp_path / "large.tif"
        tifffile.imwrite(path, np.zeros((8192, 8192), np.uint8), **kwargs)
        tracemalloc.start()
        try:
            assert Picture(path).rgb_window(4000, 4000, 100, 100).shape == (100, 100, 3)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 6e6  # the picture has 67 MB
