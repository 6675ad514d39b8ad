"""Decoding pictures for the canvas."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.errors import PictureError, ProjectError
from spml_core.images import Picture
from spml_core.project import Project
from spml_napari.layers import kept_pictures, picture_loader, pyramid
from spml_napari.layers.picture_loader import PictureLoader
from spml_napari.layers.pyramid import build_levels, levels_in_memory, open_levels, quick_version


def smooth(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([y % 256, x % 256, (y + x) % 256], -1).astype(np.uint8)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, smooth(1501, 2304), photometric="rgb")
    return Picture(path)


def test_levels_are_halved_until_they_are_small(tmp_path, picture):
    levels = build_levels(tmp_path / "levels", picture)
    assert [level.shape for level in levels] == [(1501, 2304, 3), (750, 1152, 3), (375, 576, 3)]
    np.testing.assert_array_equal(levels[0], picture.rgb())
    blocks = levels[0][:1500].astype(float).reshape(750, 2, 1152, 2, 3).mean((1, 3))
    assert np.abs(levels[1] - blocks).max() <= 0.5
    in_memory = levels_in_memory(picture)
    for one, other in zip(levels, in_memory, strict=True):
        np.testing.assert_array_equal(one, other)


def test_levels_are_found_again_and_damaged_ones_are_not(tmp_path, picture):
    folder = tmp_path / "levels"
    assert open_levels(folder, picture) is None
    built = build_levels(folder, picture)
    found = open_levels(folder, picture)
    np.testing.assert_array_equal(found[2], built[2])
    assert not found[0].flags.writeable
    del built, found
    file = folder / "level-1.npy"
    file.write_bytes(file.read_bytes()[:-100])
    assert open_levels(folder, picture) is None
    build_levels(folder, picture)
    assert open_levels(folder, picture) is not None
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["levels"], "nothing else is left"


def test_levels_that_are_not_wanted_any_more_leave_nothing(tmp_path, picture):
    answers = iter([True, False])
    assert build_levels(tmp_path / "cache" / "levels", picture, lambda: next(answers)) is None
    assert list((tmp_path / "cache").iterdir()) == []


def test_quick_version_of_jpeg_is_upright_and_of_plain_tiff_strided(tmp_path, monkeypatch, picture):
    monkeypatch.setattr(pyramid, "_QUICK_SIDE", 512)
    np.testing.assert_array_equal(quick_version(picture), picture.rgb()[::4, ::4])
    pixels = smooth(800, 1600)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    turned = Picture(tmp_path / "turned.jpg")
    quick = quick_version(turned)
    height, width = turned.size
    assert height / quick.shape[0] == pytest.approx(width / quick.shape[1]) and quick.shape[0] < height
    step = height // quick.shape[0]
    difference = np.abs(quick.astype(int) - turned.rgb()[step // 2 :: step, step // 2 :: step])
    assert np.median(difference) < 8
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    assert quick_version(Picture(tmp_path / "plain.png")) is None


@pytest.fixture
def loader(executor):
    loader = PictureLoader(executor)
    yield loader
    loader.forget()


@pytest.fixture
def large_project(tmp_path, monkeypatch):
    """Two plain pictures and one that counts as large."""
    monkeypatch.setattr(pyramid, "LARGE", 100_000)
    folder = tmp_path / "images"
    folder.mkdir()
    tifffile.imwrite(folder / "huge.tif", smooth(1100, 1200), photometric="rgb")
    for name in ("a", "b"):
        Image.fromarray(smooth(40, 50)).save(folder / f"{name}.png")
    with Project.create(tmp_path / "p.spml", folder, ClassTable.from_names(["x", "y"])) as project:
        yield project


def arrivals(loader):
    seen = []
    loader.arrived.connect(seen.append)
    return seen


def test_kept_pictures_arrive_at_once_and_neighbors_are_fetched_ahead(loader, large_project, qtbot):
    project, seen = large_project, arrivals(loader)
    a, b = project.picture("a"), project.picture("b")
    with qtbot.waitSignal(loader.arrived):
        loader.want(project, a)
    assert [picture.record for picture in seen] == [a]
    np.testing.assert_array_equal(seen[0].levels[0], smooth(40, 50))
    loader.prefetch(project, [b])
    qtbot.waitUntil(lambda: loader.is_kept(b))
    assert len(seen) == 1, "a picture that nobody wants isn't shown"
    loader.want(project, b)
    assert [picture.record for picture in seen] == [a, b], "without any waiting"


def test_a_picture_that_comes_too_late_is_not_shown(loader, large_project, qtbot):
    project, seen = large_project, arrivals(loader)
    loader.want(project, project.picture("a"))
    with qtbot.waitSignal(loader.arrived):
        loader.want(project, project.picture("b"))
    qtbot.wait(50)
    assert [picture.record.name for picture in seen] == ["b"]


def test_large_pictures_come_coarse_first_then_by_levels(loader, large_project, qtbot, monkeypatch):
    monkeypatch.setattr(pyramid, "_QUICK_SIDE", 300)
    project, seen = large_project, arrivals(loader)
    huge = project.picture("huge")
    loader.want(project, huge)
    qtbot.waitUntil(lambda: loader.is_kept(huge), timeout=20_000)
    assert [picture.is_final for picture in seen] == [False, True]
    assert len(seen[0].levels) == 1 and len(seen[1].levels) == 2
    assert seen[1].bytes_in_memory == 0
    folder = project.cache_folder / "pyramids" / huge.content_hash
    assert folder.is_dir()


def test_large_pictures_show_where_no_file_can_be_written(loader, large_project, qtbot):
    project, seen = large_project, arrivals(loader)
    (project.cache_folder / "pyramids").write_text("in the way")
    huge = project.picture("huge")
    loader.want(project, huge)
    qtbot.waitUntil(lambda: loader.is_kept(huge), timeout=20_000)
    np.testing.assert_array_equal(seen[-1].levels[0], smooth(1100, 1200))


def test_memory_is_bounded_but_the_wanted_picture_stays(loader, large_project, qtbot, monkeypatch):
    monkeypatch.setattr(kept_pictures, "KEPT_BYTES", 40 * 50 * 3)
    project = large_project
    a, b = project.picture("a"), project.picture("b")
    with qtbot.waitSignal(loader.arrived):
        loader.want(project, a)
    loader.prefetch(project, [b])
    qtbot.waitUntil(lambda: not loader._running)
    assert loader.is_kept(a)
    with qtbot.waitSignal(loader.arrived):
        loader.want(project, b)
    qtbot.waitUntil(lambda: not loader.is_kept(a))


@pytest.mark.parametrize(("damage", "error"), [("gone", ProjectError), ("broken", PictureError)])
def test_a_picture_that_cannot_be_read_is_told_and_tried_again(loader, large_project, qtbot, damage, error):
    project, told = large_project, []
    loader.failed.connect(told.append)
    a = project.picture("a")
    whole = a.path.read_bytes()
    if damage == "gone":
        a.path.unlink()
    else:
        a.path.write_bytes(whole[: len(whole) // 2])
    with qtbot.waitSignal(loader.failed):
        loader.want(project, a)
    assert isinstance(told[0], error)
    a.path.write_bytes(whole)
    with qtbot.waitSignal(loader.arrived):
        loader.want(project, a)


@pytest.mark.parametrize("name", ["a", "huge"])
def test_what_no_reader_foresaw_is_told_and_the_picture_may_be_asked_for_again(
    loader, large_project, qtbot, monkeypatch, name
):
    """By the plain way and by that of large pictures, whose quick version breaks as well."""
    project, record, seen = large_project, large_project.picture(name), arrivals(loader)

    def broken(*_):
        raise RuntimeError("a decoder's own words")

    with monkeypatch.context() as patch:
        for method in ("rgb", "rgb_window"):
            patch.setattr(Picture, method, broken)
        patch.setattr(picture_loader, "quick_version", broken)
        for _ in range(2):
            with qtbot.waitSignal(loader.failed, timeout=20_000) as failed:
                loader.want(project, record)
            assert "a decoder's own words" in str(failed.args[0])
    assert seen == []
    loader.want(project, record)
    qtbot.waitUntil(lambda: loader.is_kept(record), timeout=20_000)
    assert seen[-1].record == record and seen[-1].is_final
