"""Videos of more than 8 bits: nothing is cut off before it is shown."""

import gc
import weakref

import av
import numpy as np
import pytest

from spml_core.films import film_from_array, open_film

RNG = np.random.default_rng(0)
DEEP = RNG.integers(100, 4000, (12, 40, 56)).astype(np.uint16)


def write(path, frames, pix_fmt, given, codec="ffv1"):
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
        for i, samples in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(samples), format=given)
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_grey_of_16_bits_is_scaled_as_a_stack_is(tmp_path):
    path = write(tmp_path / "g.mkv", DEEP, "gray16le", "gray16le")
    wanted = film_from_array(DEEP)
    with open_film(path) as film:
        assert film.count == 12
        for index in (5, 6, 7, 11, 0, 4, 3, 2):  # on, at random and back
            assert np.array_equal(film.frame(index), wanted.frame(index))
        backward = [rgb for _, rgb in film.frames(11, -1, -1)]
        assert all(np.array_equal(rgb, wanted.frame(11 - i)) for i, rgb in enumerate(backward))


@pytest.mark.parametrize("bits", [10, 12])
def test_grey_of_10_and_12_bits(tmp_path, bits):
    dark = (DEEP >> 6).astype(np.uint16)  # up to 62 of 1023 or 4095
    path = write(tmp_path / "g.mkv", dark, f"gray{bits}le", f"gray{bits}le")
    with open_film(path) as film:
        shown = film.frame(3)[..., 0]
        assert shown.max() == 255 and shown.min() == 0
        order = np.argsort(dark[3].reshape(-1), kind="stable")
        assert (np.diff(shown.reshape(-1)[order].astype(int)) >= 0).all()
        assert len(np.unique(shown)) > 40


def test_sparse_grey_video(tmp_path):
    frames = np.zeros((5, 64, 64), np.uint16)
    frames[:, 10, 3:5] = 4000
    with open_film(write(tmp_path / "g.mkv", frames, "gray16le", "gray16le")) as film:
        assert film.frame(2)[10, 3:5].min() == 255 and film.frame(2)[11:].max() == 0


def test_rgb_of_16_bits(tmp_path):
    rgb = np.stack([DEEP, DEEP // 2, DEEP // 3], -1)
    path = write(tmp_path / "r.mkv", rgb, "gbrp16le", "rgb48le")
    with open_film(path) as film:
        wanted = film_from_array(rgb)
        assert np.array_equal(film.frame(7), wanted.frame(7))


def test_yuv_of_10_bits_looks_as_in_a_player(tmp_path):
    rgb = RNG.integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)
    path = write(tmp_path / "y.mkv", rgb, "yuv444p10le", "rgb24")
    with open_film(path) as film:
        assert np.abs(film.frame(2).astype(int) - rgb[2]).max() < 6


def test_a_dropped_deep_film_lets_go_of_its_file(tmp_path):
    film = open_film(write(tmp_path / "g.mkv", DEEP, "gray16le", "gray16le"))
    film.frame(3)
    gone = weakref.ref(film)
    gc.disable()
    try:
        del film
        assert gone() is None
    finally:
        gc.enable()
