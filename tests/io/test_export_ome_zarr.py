import errno
import importlib.util
import os

import numpy as np
import pytest
import zarr

from spml_core.errors import StorageError
from spml_core.io.exports import ExportOptions, open_exporter


def test_picture_and_labels_come_back(export, three, classes):
    out, paths = export("ome-zarr", three)
    assert paths == [out / f"{name}.ome.zarr" for name in "abc"]
    for item, path in zip(three, paths, strict=True):
        root = zarr.open_group(path, mode="r")
        ome = root.attrs["ome"]
        assert ome["version"] == "0.5"
        assert [axis["name"] for axis in ome["multiscales"][0]["axes"]] == ["c", "y", "x"]
        np.testing.assert_array_equal(np.moveaxis(root["0"][:], 0, -1), item.read_rgb())
        assert root["labels"].attrs["ome"]["labels"] == ["classes"]
        group = root["labels/classes"]
        assert group["0"].dtype == np.uint8
        np.testing.assert_array_equal(group["0"][:], item.labels)
        about = group.attrs["ome"]["image-label"]
        colors = {entry["label-value"]: entry["rgba"] for entry in about["colors"]}
        assert colors == {0: [0, 0, 0, 0], 1: [230, 159, 0, 255], 2: [1, 2, 3, 255], 255: [0, 0, 0, 0]}
        names = {entry["label-value"]: entry["class"] for entry in about["properties"]}
        assert names == dict(enumerate(classes.names)) | {255: "void"}


def test_sizes_halve_down_to_a_chunk(export, labelled):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (17, 1301)).astype(np.uint8)
    pixels = rng.integers(0, 256, (17, 1301), dtype=np.uint8)
    _, (path,) = export("ome-zarr", [labelled(labels, pixels=pixels)])
    root = zarr.open_group(path, mode="r")
    (scales,) = root.attrs["ome"]["multiscales"]
    steps = [dataset["coordinateTransformations"] for dataset in scales["datasets"]]
    assert [step[0]["scale"] for step in steps] == [[1, 1, 1], [1, 2, 2], [1, 4, 4]]
    assert [step[1]["translation"] for step in steps[1:]] == [[0, 0.5, 0.5], [0, 1.5, 1.5]]
    assert [root[dataset["path"]].shape for dataset in scales["datasets"]] == [
        (1, 17, 1301), (1, 9, 651), (1, 5, 326)
    ]  # fmt: skip
    expected = pixels[:16, :1300].reshape(8, 2, 650, 2).mean((1, 3))
    assert np.abs(root["1"][0, :8, :650] - expected).max() <= 0.5
    assert root["0"].chunks == (1, 17, 512)
    group = root["labels/classes"]
    for level in range(3):
        np.testing.assert_array_equal(group[str(level)][:], labels[:: 2**level, :: 2**level])


def test_another_export_takes_the_place_of_the_first(export, labelled):
    for code in (1, 2):
        _, (path,) = export("ome-zarr", [labelled(np.full((16, 16), code, np.uint8))])
        assert (zarr.open_group(path, mode="r")["labels/classes/0"][:] == code).all()


def test_a_failing_disk_leaves_the_old_one(export, labelled, tmp_path, classes, monkeypatch):
    from spml_core.io.exports import ome_zarr

    _, (path,) = export("ome-zarr", [labelled(np.ones((16, 16), np.uint8))])
    other = labelled(np.full((16, 16), 2, np.uint8))
    whole = ome_zarr._write_sizes

    def fails(group, *arguments, **options):
        whole(group, *arguments, **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ome_zarr, "_write_sizes", fails)
    with (
        open_exporter("ome-zarr", tmp_path / "out", classes, ExportOptions()) as exporter,
        pytest.raises(StorageError, match=r"no room to write .*a\.ome\.zarr"),
    ):
        exporter.add(other)
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["a.ome.zarr"]
    assert (zarr.open_group(path, mode="r")["labels/classes/0"][:] == 1).all()


@pytest.mark.skipif(importlib.util.find_spec("ome_zarr") is None, reason="needs ome-zarr")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_the_reference_reader_opens_it(export, three):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
    from ome_zarr_models.v05 import Image

    _, paths = export("ome-zarr", three)
    for item, path in zip(three, paths, strict=True):
        Image.from_zarr(zarr.open_group(path, mode="r"))
        image, _, labels = Reader(parse_url(path))()
        np.testing.assert_array_equal(np.moveaxis(np.asarray(image.data[0]), 0, -1), item.read_rgb())
        assert image.metadata["channel_names"] == ["red", "green", "blue"]
        np.testing.assert_array_equal(np.asarray(labels.data[0]), item.labels)
        assert labels.metadata["color"][1] == [230 / 255, 159 / 255, 0, 1]
        assert labels.metadata["properties"][1] == {"class": "cell"}
