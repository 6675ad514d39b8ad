import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from spml_core.errors import FilmError
from spml_core.films import film_from_array, film_hash, is_film, open_film, write_zarr_film

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 20, 24), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)


class Lazy:
    """What dask arrays look like; counts what is computed."""

    def __init__(self, array, chunks=None):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.asked = []
        if chunks is not None:
            self.chunks = (chunks, *((n,) for n in array.shape[1:]))

    def __getitem__(self, index):
        self.asked.append(index)
        return Lazy(self._array[index])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._array, dtype)


def grey_to_rgb(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


def same_scale(samples, frames, joint):
    """Percentiles of the chosen frames, written out: (T, H, W, C) of any type to uint8."""
    out = np.zeros(samples.shape, np.uint8)
    for c in range(samples.shape[-1]):
        group = samples[frames] if joint else samples[frames][..., c]
        low, high = np.percentile(group.astype(np.float64), [0.1, 99.9])
        if high > low:
            scaled = (samples[..., c].astype(np.float64) - low) / (high - low)
            out[..., c] = np.rint(np.clip(scaled, 0, 1) * 255)
    return out


def all_frames(film):
    return np.stack([rgb for _, rgb in film.frames()])


@pytest.mark.parametrize("wrap", [np.asarray, Lazy, lambda a: zarr.array(a, chunks=(2, *a.shape[1:]))])
def test_arrays_of_any_make(wrap):
    for array, wanted in ((GREY, grey_to_rgb(GREY)), (RGB, RGB), (GREY[..., None], grey_to_rgb(GREY))):
        with film_from_array(wrap(array), frame_rate=10, name="layer") as film:
            assert (film.kind, film.path, film.count, film.size) == ("array", None, 6, (20, 24))
            assert (film.frame_rate, film.variable_rate, film.stem(0)) == (10, False, None)
            np.testing.assert_allclose(film.times, np.arange(6) / 10)
            assert np.array_equal(all_frames(film), wanted)
            backward = list(film.frames(5, -1, -2))
            assert [i for i, _ in backward] == [5, 3, 1]
            assert all(np.array_equal(rgb, wanted[i]) for i, rgb in backward)


def test_dask_arrays():
    dask = pytest.importorskip("dask.array")
    array = dask.from_array(RGB, chunks=(4, 20, 12, 3))
    assert np.array_equal(all_frames(film_from_array(array)), RGB)


def test_a_dropped_film_lets_go_of_its_file(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, RGB, photometric="rgb")
    film = open_film(path)
    held = film._let_go.__self__.filehandle
    film.frame(0)
    assert not held.closed
    del film  # no ResourceWarning, no waiting for the garbage collector
    assert held.closed


def test_frames_are_computed_only_when_asked():
    lazy = Lazy(RGB)
    film = film_from_array(lazy)
    assert lazy.asked == []
    film.frame(4)
    assert lazy.asked == [(4,)]


def test_a_chunk_of_several_frames_is_computed_once():
    lazy = Lazy(RGB, chunks=(4, 2))
    film = film_from_array(lazy)
    assert np.array_equal(all_frames(film), RGB)
    assert lazy.asked == [(slice(0, 4),), (slice(4, 6),)]


def test_a_chunk_too_large_to_keep_is_read_by_frames(monkeypatch):
    monkeypatch.setattr("spml_core.films.arrays._KEPT_BYTES", 3 * RGB[0].nbytes)
    lazy = Lazy(RGB, chunks=(4, 2))
    film = film_from_array(lazy)
    assert np.array_equal(film.frame(1), RGB[1])
    assert lazy.asked == [(1,)]


def test_writing_to_a_frame_leaves_the_array_alone():
    array = RGB.copy()
    film_from_array(array).frame(0)[:] = 0
    assert np.array_equal(array, RGB)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64, np.int8])
def test_other_types_share_one_scale(dtype):
    samples = RNG.normal(60, 15, (30, 20, 24, 3)).clip(0, 120).astype(dtype)
    samples[::2] //= 2  # every other frame darker: single scaling would hide it
    chosen = np.round(np.linspace(0, 29, 8)).astype(int)
    film = film_from_array(samples)
    assert np.array_equal(all_frames(film), same_scale(samples, chosen, joint=True))
    grey = film_from_array(samples[..., 0])
    assert np.array_equal(all_frames(grey)[..., :1], same_scale(samples[..., :1], chosen, joint=False))
    assert all_frames(film)[0].mean() < 0.8 * all_frames(film)[1].mean()


def test_constant_films_and_booleans():
    assert not all_frames(film_from_array(np.full((3, 16, 16), 700, np.uint16))).any()
    masks = GREY > 100
    assert np.array_equal(all_frames(film_from_array(masks)), grey_to_rgb(masks * np.uint8(255)))


def test_not_a_number():
    samples = RNG.normal(size=(4, 20, 24)).astype(np.float32)
    samples[2, 3, 3] = np.nan
    film = film_from_array(samples, name="layer")
    assert film.frame(1).any()
    with pytest.raises(FilmError, match="Frame 2 of layer holds 1 NaN"):
        film.frame(2)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((20, 24), np.uint8), r"shape \(20, 24\)"),
        (np.zeros((3, 20, 24, 7), np.uint8), "makes no film"),
        (np.zeros((20, 24, 3), np.uint8), "24 x 3 pixels"),
        (np.zeros((0, 20, 24), np.uint8), "no frame"),
        (np.zeros((3, 20, 24), complex), "complex128"),
        ([1, 2], "not an array"),
    ],
)
def test_arrays_that_make_no_film(array, words):
    with pytest.raises(FilmError, match=words) as caught:
        film_from_array(array, name="layer")
    assert "layer" in str(caught.value) and caught.value.remedy


def test_a_lazy_frame_that_fails_says_so():
    class Failing(Lazy):
        def __getitem__(self, index):
            raise ValueError("no such chunk")

    with pytest.raises(FilmError, match="Frame 2 of array can't be read: no such chunk"):
        film_from_array(Failing(RGB)).frame(2)


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("array", [GREY, RGB, GREY.astype(np.uint16) * 9])
def test_zarr_folders(tmp_path, array, form):
    path = tmp_path / "film.zarr"
    store = zarr.create_array(
        path, shape=array.shape, dtype=array.dtype, chunks=(1, 8, *array.shape[2:]), zarr_format=form
    )
    store[:] = array
    assert is_film(path)
    with open_film(path) as film, film_from_array(array) as wanted:
        assert (film.kind, film.path, film.count, film.frame_rate) == ("array", path, 6, None)
        assert np.array_equal(film.times, np.arange(6))
        assert np.array_equal(all_frames(film), all_frames(wanted))


@pytest.mark.parametrize(
    ("shape", "axes", "wanted"),
    [
        ((6, 1, 1, 20, 24), "tczyx", grey_to_rgb(GREY)),
        ((6, 3, 1, 20, 24), "tczyx", RGB),
        ((6, 20, 24), "tyx", grey_to_rgb(GREY)),
        ((6, 20, 24), "zyx", grey_to_rgb(GREY)),
    ],
)
@pytest.mark.parametrize("form", [2, 3])
def test_ome_zarr(tmp_path, shape, axes, wanted, form):
    path = tmp_path / "image.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=form)
    data = (RGB.transpose(0, 3, 1, 2)[:, :, None] if shape[1] == 3 else GREY).reshape(shape)
    group.create_array("0", data=data, chunks=(1, *shape[1:]))
    described = [{"name": axis, "unit": "millisecond"} if axis == "t" else {"name": axis} for axis in axes]
    scale = [{"type": "scale", "scale": [50.0] + [1.0] * (len(shape) - 1)}]
    images = [{"axes": described, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
    group.attrs.update(
        {"multiscales": images} if form == 2 else {"ome": {"version": "0.5", "multiscales": images}}
    )
    with open_film(path) as film:
        assert film.count == 6
        assert film.frame_rate == (20 if "t" in axes else None)
        assert np.array_equal(all_frames(film), wanted)
    with open_film(path, frame_rate=3) as film:
        assert film.frame_rate == 3


def test_zarr_folders_that_make_no_film(tmp_path):
    volume = tmp_path / "volume.zarr"
    group = zarr.open_group(volume, mode="w")
    group.create_array("0", data=np.zeros((4, 1, 5, 20, 24), np.uint8))
    with pytest.raises(FilmError, match="z = 5"):
        open_film(volume)
    empty = tmp_path / "empty.zarr"
    zarr.open_group(empty, mode="w")
    with pytest.raises(FilmError, match="without the array '0'"):
        open_film(empty)
    broken = tmp_path / "broken.zarr"
    broken.mkdir()
    (broken / "zarr.json").write_text("{")
    with pytest.raises(FilmError, match="can't be read as zarr"):
        open_film(broken)


@pytest.mark.parametrize("array", [GREY, RGB, RNG.normal(size=(6, 20, 24)).astype(np.float32)])
def test_a_lazy_layer_is_kept_frame_by_frame(tmp_path, array):
    lazy = Lazy(array)
    done = []
    path = write_zarr_film(lazy, tmp_path / "kept" / "film.zarr", 12.5, lambda *step: done.append(step))
    assert lazy.asked == [(i,) for i in range(6)]
    assert done == [(i, 6) for i in range(1, 7)]
    stored = zarr.open_array(path, mode="r")
    assert stored.chunks == (1, *array.shape[1:])
    assert np.array_equal(stored[:], array)
    with open_film(path) as film, film_from_array(array) as wanted:
        assert film.frame_rate == 12.5
        assert np.array_equal(all_frames(film), all_frames(wanted))
    assert [p.name for p in path.parent.iterdir()] == ["film.zarr"]


def test_a_film_is_kept_as_it_is_seen(tmp_path):
    with film_from_array(RGB, frame_rate=5) as film:
        path = write_zarr_film(film, tmp_path / "film.zarr")
    with open_film(path) as film:
        assert film.frame_rate == 5
        assert np.array_equal(all_frames(film), RGB)


def test_keeping_fails_without_a_trace(tmp_path):
    class Failing(Lazy):
        def __getitem__(self, index):
            if index == (3,):
                raise ValueError("lost")
            return super().__getitem__(index)

    path = tmp_path / "film.zarr"
    with pytest.raises(FilmError, match="Frame 3 of The array can't be read: lost"):
        write_zarr_film(Failing(RGB), path)
    assert list(tmp_path.iterdir()) == []
    path.mkdir()
    with pytest.raises(FilmError, match="already there"):
        write_zarr_film(RGB, path)


def test_the_hash_of_a_zarr_folder(tmp_path):
    one = write_zarr_film(RGB, tmp_path / "a.zarr")
    two = write_zarr_film(RGB, tmp_path / "b.zarr")
    assert film_hash(one) == film_hash(two)
    other = RGB.copy()
    other[3, 0, 0, 0] ^= 1
    assert film_hash(write_zarr_film(other, tmp_path / "c.zarr")) != film_hash(one)


def test_films_load_no_torch_and_no_window():
    script = "import json, sys, spml_core.films; print(json.dumps([n.split('.')[0] for n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "torchvision", "napari", "qtpy", "PyQt5", "PyQt6", "zarr", "dask"}
