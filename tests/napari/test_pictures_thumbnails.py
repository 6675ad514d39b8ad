import threading

import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.errors import PictureError
from spml_core.images import content_hash
from spml_napari import thumbnails
from spml_napari.docks.thumbnail_loader import ThumbnailLoader
from spml_napari.thumbnails import SIDE, ThumbnailSource, load_thumbnail, make_thumbnail


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def halves(tmp_path):
    """A picture of 300 x 600 pixels, its left half red and its right half blue."""
    pixels = np.zeros((300, 600, 3), np.uint8)
    pixels[:, :300, 0] = pixels[:, 300:, 2] = 200
    return save(tmp_path / "halves.png", pixels)


def source(path, folder):
    return ThumbnailSource(path, content_hash(path), folder / "thumbnails")


def test_a_thumbnail_keeps_proportions_and_colours(halves):
    small = make_thumbnail(halves)
    assert small.shape == (SIDE // 2, SIDE, 3)
    assert tuple(small[32, 20]) == (200, 0, 0)
    assert tuple(small[32, 100]) == (0, 0, 200)


def test_small_pictures_stay_and_long_ones_keep_a_row(tmp_path):
    tiny = save(tmp_path / "tiny.png", np.full((20, 16, 3), 7, np.uint8))
    assert make_thumbnail(tiny).shape == (20, 16, 3)
    long = save(tmp_path / "long.png", np.full((16, 5000, 3), 7, np.uint8))
    assert make_thumbnail(long).shape == (1, SIDE, 3)


def test_bands_give_what_the_whole_gives(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 65535, (512, 384), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "large.tif", pixels, tile=(64, 64))
    whole = make_thumbnail(tmp_path / "large.tif")
    monkeypatch.setattr(thumbnails, "_WHOLE_PIXELS", 1000)
    monkeypatch.setattr(thumbnails, "_ROWS_TOGETHER", 384 * 100)
    np.testing.assert_array_equal(make_thumbnail(tmp_path / "large.tif"), whole)
    with pytest.raises(PictureError):
        make_thumbnail(tmp_path / "nothing.tif")


def test_a_kept_thumbnail_is_not_made_again(halves, tmp_path, monkeypatch):
    first = load_thumbnail(source(halves, tmp_path))
    assert first.problem == ""
    monkeypatch.setattr(thumbnails, "make_thumbnail", None)
    again = load_thumbnail(source(halves, tmp_path))
    assert again.pixels.shape == first.pixels.shape
    assert np.abs(again.pixels.astype(int) - first.pixels).mean() < 3


def test_a_damaged_kept_thumbnail_is_made_again(halves, tmp_path):
    load_thumbnail(source(halves, tmp_path))
    (kept,) = (tmp_path / "thumbnails").iterdir()
    for content in (b"", b"no jpeg"):
        kept.write_bytes(content)
        assert load_thumbnail(source(halves, tmp_path)).pixels.shape == (SIDE // 2, SIDE, 3)
        assert len(kept.read_bytes()) > 100


def test_a_picture_that_is_gone_still_shows_with_what_is_wrong(halves, tmp_path):
    wanted = source(halves, tmp_path)
    load_thumbnail(wanted)
    halves.unlink()
    gone = load_thumbnail(wanted)
    assert str(halves) in gone.problem
    assert gone.pixels is not None
    never_seen = ThumbnailSource(halves, "0" * 40, tmp_path / "thumbnails")
    assert load_thumbnail(never_seen).pixels is None


def test_an_unreadable_picture_says_why(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    broken = load_thumbnail(source(path, tmp_path))
    assert broken.pixels is None
    assert "broken.png" in broken.problem


def test_a_cache_that_cannot_be_a_folder_is_no_cache(halves, tmp_path):
    (tmp_path / "thumbnails").touch()
    assert load_thumbnail(source(halves, tmp_path)).pixels is not None


def test_several_threads_make_the_same_one(halves, tmp_path):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(load_thumbnail(source(halves, tmp_path))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(list((tmp_path / "thumbnails").iterdir())) == 1  # and no temporary files


def test_a_thumbnail_that_breaks_is_told_and_the_others_come(executor, halves, tmp_path, monkeypatch, qtbot):
    """Two are made at a time: what is lost there would hold up all others for good."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    make = thumbnails.make_thumbnail

    def sometimes(path):
        if "bad" in path.name:
            raise IndexError("a decoder's own words")
        return make(path)

    monkeypatch.setattr(thumbnails, "make_thumbnail", sometimes)
    names = ["bad0", "bad1", "good0", "bad2", "good1"]
    sources = {}
    for name in names:
        path = tmp_path / f"{name}.png"
        path.write_bytes(halves.read_bytes())
        sources[name] = ThumbnailSource(path, name, tmp_path / "cache")
    loader, loaded = ThumbnailLoader(executor.submit), []
    loader.loaded.connect(loaded.append)
    for source_ in sources.values():
        loader.get(source_)
    qtbot.waitUntil(lambda: sorted(loaded) == sorted(names), timeout=10_000)
    for name, source_ in sources.items():
        shown = loader.get(source_)
        assert (shown.pixmap is None) == name.startswith("bad")
        assert ("a decoder's own words" in shown.problem) == name.startswith("bad")
