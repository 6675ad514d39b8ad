"""Small films that say they are huge are refused in one line and little memory."""

import json
import tracemalloc

import numpy as np
import pytest
import tifffile

from spml_core.errors import FilmError
from spml_core.films import open_film


def zarr_of(path, shape, chunks, dtype="u1"):
    path.mkdir()
    facts = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": np.dtype(dtype).str,
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (path / ".zarray").write_text(json.dumps(facts))
    return path


def ome_zarr_of(path, shape, chunks):
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    axes = [{"name": axis} for axis in "tcyx"]
    (path / ".zattrs").write_text(json.dumps({"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}))
    zarr_of(path / "0", shape, chunks)
    return path


ABSURD = {
    "frames": ([10**15, 64, 64], [1, 64, 64], "frames; 10000000 are the most"),
    "frames in one chunk": ([10**15, 64, 64], [10**15, 64, 64], "are the most"),
    "chunk of frames": ([10, 64, 64], [10**12, 64, 64], "GB have to be decoded at once"),
    "chunk of pixels": ([10, 64, 64], [1, 10**6, 10**6], "GB have to be decoded at once"),
    "pixels": ([10, 10**7, 10**7], [1, 64, 64], "10000000 x 10000000 pixels"),
    "pixels of a bomb": ([10, 30_000, 30_000, 3], [1, 64, 64, 3], "30000 x 30000 pixels"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_zarr_of_absurd_shape(tmp_path, name):
    shape, chunks, words = ABSURD[name]
    path = zarr_of(tmp_path / "a.zarr", shape, chunks)
    refused(path, words)


def test_ome_zarr_of_absurd_shape(tmp_path):
    refused(ome_zarr_of(tmp_path / "a.zarr", [10**15, 1, 64, 64], [1, 1, 64, 64]), "are the most")
    refused(ome_zarr_of(tmp_path / "b.zarr", [5, 1, 64, 64], [1, 1, 10**8, 64]), "at once")
    refused(ome_zarr_of(tmp_path / "c.zarr", [5, 10**9, 64, 64], [1, 1, 64, 64]), "at once")


def test_a_frame_of_too_many_bytes(tmp_path):
    refused(zarr_of(tmp_path / "a.zarr", [5, 20_000, 20_000, 4], [1, 64, 64, 4], "f8"), "at once")


def test_a_stack_of_absurd_pages(tmp_path):
    path = tmp_path / "a.tif"
    stack = np.zeros((3, 64, 64), np.uint8)
    tifffile.imwrite(path, stack, compression="zlib", metadata=None, photometric="minisblack")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            for tag in (256, 257):
                at, kind = page.tags[tag].valueoffset, page.tags[tag].dtype
                size = 2 if kind == 3 else 4
                data[at : at + size] = (60_000).to_bytes(size, "little")
    path.write_bytes(data)
    refused(path, "60000 x 60000 pixels")


def refused(path, words):
    tracemalloc.start()
    try:
        with pytest.raises(FilmError, match=words) as caught:
            open_film(path)
        assert tracemalloc.get_traced_memory()[1] < 60e6  # most of it the modules that read zarr
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_long_film_is_no_burden(tmp_path):
    path = zarr_of(tmp_path / "a.zarr", [2_000_000, 16, 16], [1, 16, 16])
    with open_film(path) as film:
        assert film.count == 2_000_000 and not film.frame(1_999_999).any()
