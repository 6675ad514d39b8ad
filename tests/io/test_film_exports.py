"""Exports of a film, read back with other programs' readers."""

import errno
import importlib.util
import json
import os
from dataclasses import replace

import av
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from spml_core.errors import ConfigError, StorageError
from spml_core.io.exports import ExportOptions
from spml_core.io.exports.films import FILM_FORMATS, FilmHead, LabelledFrame, open_film_exporter
from spml_core.io.exports.films import label_maps as film_label_maps
from spml_core.io.exports.films import overlay as film_overlay

SIZE = (37, 53)


def pixels_of(index, size=SIZE):
    """A smooth picture, which lossy codecs keep; another one for every frame."""
    y, x = np.indices(size)
    return (
        np.stack([y * 3 + index * 10, x * 2 + 40, np.full(size, 100 + index)], -1)
        .clip(0, 255)
        .astype(np.uint8)
    )


def labels_of(index, size=SIZE):
    """A block of class 1 that moves on, with a hole; a block of class 2; some void."""
    labels = np.zeros(size, np.uint8)
    labels[4:20, 3 + index : 19 + index] = 1
    labels[8:11, 7 + index : 10 + index] = 0
    labels[25:33, 30:45] = 2
    labels[-1, :4] = 255
    return labels


def film(times, rate=25.0, size=SIZE, **more):
    return FilmHead("walk", size, np.asarray(times, np.float64), rate, **more)


@pytest.fixture
def export(tmp_path, classes):
    """Export frames of a film, some without labels; the folder."""

    def run(format, head, blank=(), **options):
        out = tmp_path / "out"
        with open_film_exporter(format, out, classes, ExportOptions(**options), head) as exporter:
            for frame in frames_of(head, blank):
                if frame.labels is not None or exporter.takes_all_frames:
                    exporter.add(frame)
            exporter.finish()
        assert not list(out.rglob(".*"))
        return out

    return run


def frames_of(head, blank=()):
    for index in range(head.count):
        name = f"walk_{index:06d}"
        labels = None if index in blank else labels_of(index, head.size)
        yield LabelledFrame(
            index, name, f"{name}.png", labels, lambda index=index: pixels_of(index, head.size)
        )


def test_index_pngs_of_the_frames_that_have_labels(export):
    out = export("index-png", film(np.arange(5) / 25), blank={1, 3})
    assert sorted(path.name for path in out.iterdir()) == [
        "classes.json", "walk_000000.png", "walk_000002.png", "walk_000004.png",
    ]  # fmt: skip
    for index in (0, 2, 4):
        with Image.open(out / f"walk_{index:06d}.png") as image:
            assert image.mode == "P"
            np.testing.assert_array_equal(np.array(image), labels_of(index))


@pytest.mark.parametrize("limit", [2**32, 4000])
def test_a_tiff_stack_with_its_frame_rate(export, classes, monkeypatch, limit):
    monkeypatch.setattr(film_label_maps, "_CLASSIC_LIMIT", limit)
    out = export("tiff", film(np.arange(6) / 12.5, rate=12.5), blank={2})
    with tifffile.TiffFile(out / "walk.tif") as tiff:
        assert tiff.is_bigtiff == (limit < 2**32)
        assert len(tiff.pages) == 6
        assert tiff.series[0].axes == "TYX"
        stack = tiff.series[0].asarray()
        about = tiff.imagej_metadata
        assert tiff.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert about["finterval"] == pytest.approx(0.08)
    assert about["fps"] == pytest.approx(12.5)
    assert about["frames"] == 6
    names = {str(code): name for code, name in enumerate(classes.names)}
    assert json.loads(about["classes"]) == names
    for index in range(6):
        np.testing.assert_array_equal(stack[index], 255 if index == 2 else labels_of(index))
    assert (out / "classes.json").is_file()


def test_a_stack_of_one_frame_and_of_no_known_rate(export):
    out = export("tiff", film([0.0], rate=None))
    with tifffile.TiffFile(out / "walk.tif") as tiff:
        assert "finterval" not in tiff.imagej_metadata
        np.testing.assert_array_equal(tiff.asarray().reshape(SIZE), labels_of(0))


def test_the_size_that_needs_a_bigtiff(classes, tmp_path):
    for count, is_big in ((4000, False), (4300, True)):
        head = film(np.arange(count), size=(1000, 1000))
        with open_film_exporter("tiff", tmp_path, classes, ExportOptions(), head) as exporter:
            exporter.add(next(frames_of(head)))
            start = next(tmp_path.glob(".walk*")).read_bytes()[:4]
        assert (start[2:4] == b"+\0") == is_big


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_overlay_shows_its_frames_when_the_film_did(export, classes, monkeypatch, codec):
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"{codec} isn't there")
    options = film_overlay._ENCODERS[codec]
    monkeypatch.setattr(film_overlay, "_ENCODERS", {codec: options})
    times = np.cumsum([0, 0.04, 0.04, 0.5, 0.02, 1.1, 1 / 3])
    size = (96, 128)
    head = film(times, rate=6 / times[-1], size=size, variable_rate=True)
    out = export("overlay-mp4", head, blank={2}, opacity=0.5)
    with av.open(str(out / "walk.mp4")) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == {"libx264": "h264"}.get(codec, codec)
        shown = list(container.decode(video=0))
    assert [frame.time for frame in shown] == pytest.approx(times.tolist(), abs=1e-4)
    for index, frame in enumerate(shown):
        got = frame.to_ndarray(format="rgb24").astype(int)
        assert got.shape == (*size, 3)
        plain = pixels_of(index, size).astype(int)
        labels = labels_of(index, size)
        outside = np.zeros(size, bool)
        outside[40:, 60:] = True
        assert np.abs(got - plain)[outside].mean() < 6
        inside = np.zeros(size, bool)
        inside[13:18, 6 + index : 16 + index] = True
        assert (labels[inside] == 1).all()
        color = np.array(classes.classes[1].color)
        expected = plain if index == 2 else (plain + color) / 2
        # Colour is stored at half the size: near borders it runs.
        assert np.abs(got - expected)[inside].mean() < 12


def test_odd_sizes_get_a_pixel_more(export):
    out = export("overlay-mp4", film(np.arange(3) / 25), blank=range(3))
    with av.open(str(out / "walk.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in shown] == [(38, 54, 3)] * 3
    assert np.abs(shown[1][:37, :53].astype(int) - pixels_of(1)).mean() < 8


def test_ticks_ascend_however_close_the_times():
    ticks = film_overlay.ticks_of(np.array([0.0, 0.0, 1e-7, 1.0, 1.0]))
    assert (np.diff(ticks) > 0).all()
    assert ticks.tolist() == [0, 1, 2, 60000, 60001, 60002]
    assert film_overlay.ticks_of(np.array([0.0])).tolist() == [0, 60000]


def test_an_ome_zarr_of_the_film_and_its_labels(export, classes):
    size = (17, 1301)
    times = [0.0, 0.5, 2.0, 2.5]
    out = export("ome-zarr", film(times, rate=3 / 2.5, size=size, variable_rate=True), blank={3})
    root = zarr.open_group(out / "walk.ome.zarr", mode="r")
    (scales,) = root.attrs["ome"]["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == ["t", "c", "y", "x"]
    assert scales["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    steps = [dataset["coordinateTransformations"][0]["scale"] for dataset in scales["datasets"]]
    assert np.allclose(steps, [[2.5 / 3, 1, factor, factor] for factor in (1, 2, 4)])
    assert root.attrs["spml"]["times"] == times
    assert [root[str(level)].shape for level in range(3)] == [
        (4, 3, 17, 1301), (4, 3, 9, 651), (4, 3, 5, 326)
    ]  # fmt: skip
    labels = root["labels/classes"]
    assert [axis["name"] for axis in labels.attrs["ome"]["multiscales"][0]["axes"]] == ["t", "y", "x"]
    names = {
        entry["label-value"]: entry["class"] for entry in labels.attrs["ome"]["image-label"]["properties"]
    }
    assert names == dict(enumerate(classes.names)) | {255: "void"}
    for index in range(4):
        np.testing.assert_array_equal(np.moveaxis(root["0"][index], 0, -1), pixels_of(index, size))
        expected = np.full(size, 255) if index == 3 else labels_of(index, size)
        for level in range(3):
            np.testing.assert_array_equal(labels[str(level)][index], expected[:: 2**level, :: 2**level])


@pytest.mark.skipif(importlib.util.find_spec("ome_zarr") is None, reason="needs ome-zarr")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_the_reference_reader_opens_the_ome_zarr(export):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    out = export("ome-zarr", film(np.arange(3) / 25))
    image, _, labels = Reader(parse_url(out / "walk.ome.zarr"))()
    assert image.data[0].shape == (3, 3, *SIZE)
    np.testing.assert_array_equal(np.moveaxis(np.asarray(image.data[0][2]), 0, -1), pixels_of(2))
    np.testing.assert_array_equal(np.asarray(labels.data[0][1]), labels_of(1))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize("masks", ["auto", "rle"])
def test_coco_gives_the_frames_back(export, masks, capsys):
    from pycocotools.coco import COCO

    out = export("coco", film([0.0, 0.04, 0.5, 0.54]), blank={1}, masks=masks)
    assert sorted(path.name for path in out.iterdir()) == ["annotations.json"]
    coco = COCO(out / "annotations.json")
    images = coco.loadImgs(coco.getImgIds())
    assert [(i["id"], i["film"], i["frame"], i["time"]) for i in images] == [
        (1, "walk", 0, 0.0), (3, "walk", 2, 0.5), (4, "walk", 3, 0.54)
    ]  # fmt: skip
    assert images[1]["file_name"] == "walk_000002.png"
    for image in images:
        found = np.zeros(SIZE, np.uint8)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            mask = coco.annToMask(annotation).astype(bool)
            assert mask.sum() == annotation["area"]
            found[mask] = annotation["category_id"]
        expected = labels_of(image["frame"])
        np.testing.assert_array_equal(found, np.where(expected == 255, 0, expected))
    capsys.readouterr()


def test_coco_with_its_frames(export):
    out = export("coco", film(np.arange(2) / 25), copy_images=True)
    for entry in json.loads((out / "annotations.json").read_text())["images"]:
        np.testing.assert_array_equal(
            np.array(Image.open(out / "images" / entry["file_name"])), pixels_of(entry["frame"])
        )


@pytest.mark.parametrize("format", FILM_FORMATS)
@pytest.mark.parametrize("finished", [False, True])
def test_what_was_there_stays_until_all_is_written(export, tmp_path, classes, format, finished):
    head = film(np.arange(3) / 25)
    whole = {"overlay-mp4": "walk.mp4", "tiff": "walk.tif", "coco": "annotations.json"}.get(format)
    out = export(format, head)
    before = (out / whole).read_bytes() if whole else b""
    with open_film_exporter(format, out, classes, ExportOptions(min_area=200), head) as exporter:
        for frame in frames_of(head, blank={0, 1} if exporter.takes_all_frames else ()):
            exporter.add(frame)
        if finished:
            exporter.finish()
        elif whole:
            assert (out / whole).read_bytes() == before
    assert not list(out.rglob(".*"))
    if whole:
        assert ((out / whole).read_bytes() == before) != finished
    if format == "ome-zarr":
        (labels,) = [zarr.open_group(out / "walk.ome.zarr", mode="r")["labels/classes/0"]]
        np.testing.assert_array_equal(labels[0], 255 if finished else labels_of(0))


@pytest.mark.parametrize("format", FILM_FORMATS)
def test_a_full_disk_leaves_whole_files_only(export, tmp_path, classes, format):
    resource = pytest.importorskip("resource")
    head = film(np.arange(8) / 25)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writing past this size of a file fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"no room to write .*out.*Free some disk space"):
            export(format, head)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_disk_that_fails_at_the_last_moment(export, classes, monkeypatch):
    head = film(np.arange(3) / 25)
    out = export("tiff", head)
    before = (out / "walk.tif").read_bytes()

    def fails(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fails)
    for format in ("tiff", "overlay-mp4"):
        with pytest.raises(StorageError, match="no room"):
            export(format, head, blank={1})
        assert not list(out.rglob(".*"))
    assert (out / "walk.tif").read_bytes() == before
    assert not (out / "walk.mp4").exists()


def test_no_such_format(tmp_path, classes):
    with pytest.raises(ConfigError, match=r"'gif' for films.*index-png, overlay-mp4"):
        open_film_exporter("gif", tmp_path, classes, ExportOptions(), film([0.0]))


@pytest.mark.parametrize("rate", [None, 4.0])
def test_a_film_that_knows_no_rate_is_shown_at_the_one_asked_for(export, rate):
    head = replace(film(np.arange(6.0)), frame_rate=None)
    out = export("overlay-mp4", head, **({} if rate is None else {"frame_rate": rate}))
    with av.open(out / "walk.mp4") as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, np.arange(6) / (rate or 10.0), atol=1e-3)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), 1e9])
def test_a_rate_that_makes_no_film(rate):
    with pytest.raises(ConfigError, match="frame_rate is"):
        ExportOptions(frame_rate=rate)
