"""What of a film is exported, and what an export never does."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from spml_core.annotations import Erasure, Scribble
from spml_core.engine.export import export_project
from spml_core.engine.film_export import FILM_FORMATS, ExportOptions, export_film
from spml_core.errors import ClassError, ConfigError, ProjectError, StorageError

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from small_films import (
    COUNT,
    SIZE,
    accept,
    labels_of,
    make_project,
    pixels_of,
    put,
    write_sequence,
    write_video,
)


@pytest.fixture
def project(tmp_path):
    """A still, a sequence "shots" and a video "clip" whose frames are shown for different times."""
    films = [write_sequence(tmp_path / "films" / "shots"), write_video(tmp_path / "videos" / "clip.mp4")]
    with make_project(tmp_path, films) as opened:
        yield opened


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def stems(out, suffix=".png"):
    return sorted(path.stem for path in out.iterdir() if path.suffix == suffix)


def test_accepted_frames_first_then_propagated_ones_and_the_rest_is_counted(project, tmp_path):
    film = project.film("clip")
    put(project, film, [0, 1, 2])
    record = accept(project, film, 1, 2)
    project.add_marks({record.id: [Scribble(1, ((3, 2), (3, 12)), 3)]}, "Draw")
    out = tmp_path / "new" / "out"
    steps = list(export_film(project, film, out, "index-png"))
    assert [(step.done, step.total) for step in steps] == [(i + 1, COUNT) for i in range(COUNT)]
    assert [step.name for step in steps] == [f"clip_{i:06d}" for i in range(COUNT)]
    assert [step.path for step in steps] == [out / f"clip_{i:06d}.png" for i in range(3)] + [None] * 3
    assert stems(out) == ["clip_000000", "clip_000001", "clip_000002"]
    np.testing.assert_array_equal(read(out / "clip_000000.png"), labels_of(0))
    np.testing.assert_array_equal(read(out / "clip_000001.png"), project.weak_labels(record))
    assert set(read(out / "clip_000001.png").flat) == {1, 2}
    assert json.loads((out / "classes.json").read_text())["1"]


def test_frames_of_a_sequence_are_called_like_their_files(project, tmp_path):
    film = project.film("shots")
    put(project, film, [0, 3])
    list(export_film(project, film, tmp_path / "out", "index-png"))
    assert stems(tmp_path / "out") == ["shot007", "shot010"]
    np.testing.assert_array_equal(read(tmp_path / "out" / "shot010.png"), labels_of(3))
    list(export_film(project, film, tmp_path / "coco", "coco"))
    images = json.loads((tmp_path / "coco" / "annotations.json").read_text())["images"]
    assert [(i["file_name"], i["film"], i["frame"]) for i in images] == [
        ("shot007.png", "shots", 0), ("shot010.png", "shots", 3)
    ]  # fmt: skip


def test_what_was_erased_is_as_propagated_or_nothing(project, tmp_path):
    film = project.film("clip")
    put(project, film, [0])
    for index in (0, 1):
        record = accept(project, film, index, 2)
        project.add_marks({record.id: [Erasure(((15, 2), (15, 40)), 5)]}, "Erase")
    list(export_film(project, film, tmp_path / "out", "index-png"))
    for index, rest in ((0, labels_of(0)), (1, np.uint8(255))):
        marks = project.weak_labels(project.frame(film, index))
        assert (marks == 3).any()
        np.testing.assert_array_equal(
            read(tmp_path / "out" / f"clip_{index:06d}.png"), np.where(marks == 3, rest, marks)
        )


def test_only_reviewed_frames(project, tmp_path):
    film = project.film("clip")
    put(project, film, range(COUNT))
    with pytest.raises(ProjectError, match=r"No frame of the film 'clip' was reviewed.*Accept"):
        list(export_film(project, film, tmp_path / "out", "tiff", only_reviewed=True))
    assert not (tmp_path / "out").exists()
    accept(project, film, 4, 2)
    (step,) = export_film(project, film, tmp_path / "out", "index-png", only_reviewed=True)
    assert (step.name, step.total) == ("clip_000004", 1)
    steps = list(export_film(project, film, tmp_path / "out", "tiff", only_reviewed=True))
    assert [step.path is not None for step in steps] == [False] * 4 + [True, False]
    stack = tifffile.imread(tmp_path / "out" / "clip.tif")
    np.testing.assert_array_equal(stack[:4], 255)
    np.testing.assert_array_equal(stack[4], 2)


def test_a_film_of_varying_rate_keeps_its_times(project, tmp_path):
    film = project.film("clip")
    put(project, film, range(COUNT))
    out = tmp_path / "out"
    for format in ("overlay-mp4", "coco", "ome-zarr", "tiff"):
        list(export_film(project, film, out, format))
    expected = np.cumsum([0, 1, 1, 3, 1, 2]) / 25
    with av.open(str(out / "clip.mp4")) as container:
        shown = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    np.testing.assert_allclose([time for time, _ in shown], expected, atol=1e-4)
    assert shown[0][1].shape == (*SIZE, 3)
    times = [image["time"] for image in json.loads((out / "annotations.json").read_text())["images"]]
    np.testing.assert_allclose(times, expected, atol=1e-5)
    root = zarr.open_group(out / "clip.ome.zarr", mode="r")
    np.testing.assert_allclose(root.attrs["spml"]["times"], expected, atol=1e-5)
    for index in range(COUNT):
        np.testing.assert_array_equal(root["labels/classes/0"][index], labels_of(index))
        pixels = np.moveaxis(root["0"][index], 0, -1)
        np.testing.assert_array_equal(pixels, project.open_film(film).frame(index))
        assert np.abs(pixels.astype(int) - pixels_of(index)).mean() < 25
    with tifffile.TiffFile(out / "clip.tif") as tiff:
        assert tiff.imagej_metadata["fps"] == pytest.approx(film.frame_rate)


def test_classes_may_have_changed_since(project, tmp_path):
    film = project.film("clip")
    put(project, film, [0], labels=lambda index: np.indices(SIZE).sum(0).astype(np.uint8) % 3)
    before = np.indices(SIZE).sum(0) % 3
    project.delete_class(1)
    list(export_film(project, film, tmp_path / "out", "index-png"))
    np.testing.assert_array_equal(
        read(tmp_path / "out" / "clip_000000.png"), np.array([0, 255, 1], np.uint8)[before]
    )


@pytest.mark.parametrize("format", FILM_FORMATS)
def test_a_cancelled_export_leaves_whole_files_only(project, tmp_path, format):
    film = project.film("shots")
    put(project, film, range(COUNT))
    out = tmp_path / "out"
    steps = export_film(project, film, out, format)
    assert next(steps).name == "shots_shot007"
    steps.close()
    left = [path.name for path in out.rglob("*")]
    assert left == (["shot007.png"] if format == "index-png" else [])
    assert all(step.path.exists() for step in list(export_film(project, film, out, format)))


@pytest.mark.parametrize("format", FILM_FORMATS)
def test_a_full_disk_leaves_whole_files_only(project, tmp_path, format):
    resource = pytest.importorskip("resource")
    film = project.film("shots")
    put(project, film, range(COUNT))
    project.frame_states(film)  # so that SQLite has nothing to write
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    steps = export_film(project, film, tmp_path / "out", format)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"no room to write .*out.*Free some disk space"):
            list(steps)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_nothing_was_propagated(project, tmp_path):
    film = project.film("clip")
    with pytest.raises(
        ProjectError, match=r"None of the 6 frames of the film 'clip'.*spml propagate .* clip"
    ):
        list(export_film(project, film, tmp_path / "out", "tiff"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("format", "options", "error", "words"),
    [
        ("yolo-seg", ExportOptions(), ConfigError, "'yolo-seg' for films.*index-png, overlay-mp4"),
        ("coco", ExportOptions(background=7), ClassError, "no class 7"),
    ],
)
def test_wrong_wishes_are_told_first(project, tmp_path, format, options, error, words):
    with pytest.raises(error, match=words):
        next(export_film(project, project.film("clip"), tmp_path / "out", format, options=options))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", FILM_FORMATS)
def test_films_and_pictures_are_never_replaced(project, tmp_path, format):
    film = project.film("shots")
    put(project, film, range(COUNT))
    before = {path: path.read_bytes() for path in film.path.iterdir()}
    for folder in (film.path, film.path / "export", tmp_path / "videos" / ".." / "films" / "shots"):
        with pytest.raises(StorageError, match=r"lies in the film .*another folder"):
            list(export_film(project, film, folder, format))
    assert {path: path.read_bytes() for path in film.path.iterdir()} == before
    for folder in (project.path, project.film_folder(film)):
        with pytest.raises(StorageError, match="lies in the project"):
            list(export_film(project, film, folder, format))
    for folder, what in ((tmp_path / "videos", "films"), (tmp_path / "images", "pictures")):
        if format == "coco":
            list(export_film(project, film, folder, format))
        else:
            with pytest.raises(StorageError, match=f"holds {what}"):
                list(export_film(project, film, folder, format))
    assert len(list((tmp_path / "videos").iterdir())) == 1 + (format == "coco")


def test_frames_beside_coco_never_replace_a_picture(project, tmp_path):
    film = project.film("clip")
    put(project, film, [0])
    with pytest.raises(StorageError, match="images holds pictures"):
        list(export_film(project, film, tmp_path, "coco", options=ExportOptions(copy_images=True)))
    list(export_film(project, film, tmp_path / "out", "coco", options=ExportOptions(copy_images=True)))
    np.testing.assert_array_equal(
        read(tmp_path / "out" / "images" / "clip_000000.png"), project.open_film(film).frame(0)
    )


def test_a_film_that_is_gone_matters_only_where_it_is_needed(project, tmp_path):
    film = project.film("clip")
    put(project, film, range(COUNT))
    film.path.unlink()
    for format in ("index-png", "tiff"):
        assert len(list(export_film(project, film, tmp_path / format, format))) == COUNT
    for format in ("overlay-mp4", "ome-zarr", "coco"):
        with pytest.raises(ProjectError, match=r"'clip'.*Relink"):
            list(export_film(project, film, tmp_path / format, format))
        assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".clip")]


def test_pictures_are_exported_without_frames(project, tmp_path):
    accept(project, project.film("clip"), 2, 1)
    still = project.pictures[0]
    zeros = lambda record: np.zeros((record.height, record.width), np.uint8)  # noqa: E731
    steps = list(export_project(project, tmp_path / "out", "coco", labels_of=zeros))
    assert [step.name for step in steps] == [still.name]
    with pytest.raises(ProjectError, match=r"No picture .* reviewed"):
        list(export_project(project, tmp_path / "out", "coco", labels_of=zeros, only_reviewed=True))
    with pytest.raises(StorageError, match="lies in the film"):
        list(export_project(project, tmp_path / "films" / "shots", "index-png", labels_of=zeros))


def test_the_window_can_export_without_torch(project, tmp_path):
    film = project.film("clip")
    put(project, film, range(COUNT))
    script = """
import sys
from pathlib import Path
from spml_core.engine.film_export import FILM_FORMATS, export_film
from spml_core.project import Project
heavy = {"torch", "zarr"} & set(sys.modules)
assert not heavy, heavy
with Project.open(sys.argv[1], write=False) as project:
    for name in FILM_FORMATS:
        assert len(list(export_film(project, project.films[0], Path(sys.argv[2], name), name))) == 6
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, str(project.path), str(tmp_path / "out")], check=True)
    assert len(list((tmp_path / "out").iterdir())) == len(FILM_FORMATS)
