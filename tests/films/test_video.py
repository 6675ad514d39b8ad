import random
import shutil
from fractions import Fraction

import numpy as np
import pytest

from spml_core.films import film_hash, is_film, open_film
from spml_core.films.video import VideoFilm

X264_OPEN = {"x264-params": "open-gop=1:scenecut=0"}
X265_OPEN = {"x265-params": "log-level=none:open-gop=1:keyint=8:min-keyint=8"}
X264_REFRESH = {"x264-params": "intra-refresh=1:scenecut=0:keyint=8"}
ALT_REF = {"auto-alt-ref": "1", "lag-in-frames": "16"}
FILMS = {
    "closed.mp4": {},
    "open.mp4": {"options": X264_OPEN},
    "open.mkv": {"options": X264_OPEN},
    "open.mov": {"options": X264_OPEN},
    "stream.mpg": {"options": X264_OPEN, "format": "mpegts"},
    "hevc.mp4": {"codec": "libx265", "options": X265_OPEN},
    "b_frames.avi": {"codec": "mpeg4"},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "motion_jpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "b_frames": 0},
    "lossless.mkv": {"codec": "ffv1", "pix_fmt": "bgr0", "b_frames": 0},
    "vp8.webm": {"codec": "libvpx", "b_frames": 0, "options": ALT_REF},
    "vp9.webm": {"codec": "libvpx-vp9", "b_frames": 0, "options": ALT_REF},
    "refresh.mp4": {"options": X264_REFRESH},
    "one_key.mp4": {"gop": 1000, "options": {"x264-params": "scenecut=0"}},
    "ten_bits.mp4": {"pix_fmt": "yuv420p10le"},
    "single.mp4": {"count": 1},
}


@pytest.fixture(scope="module", params=FILMS)
def film_file(request, make, tmp_path_factory):
    options = dict(FILMS[request.param])
    frames = make.pictures(options.pop("count", 40))
    return make.encode(tmp_path_factory.mktemp("films") / request.param, frames, **options)


def test_reading_in_order_gives_every_frame_and_never_seeks(film_file, make):
    wanted = make.decode(film_file)
    with open_film(film_file) as film:
        assert is_film(film_file)
        assert film.kind == "video"
        assert film.path == film_file
        assert film.count == len(wanted)
        assert film.size == wanted[0].shape[:2]
        assert film.frame_rate == 25
        assert not film.variable_rate
        slow = [words for words in film.warnings if "going back is slow" in words]
        assert list(film.warnings) == slow and bool(slow) == (film_file.name == "refresh.mp4")
        np.testing.assert_allclose(film.times, np.arange(film.count) / 25, atol=6e-4)
        for i, rgb in film.frames():
            assert rgb.dtype == np.uint8
            assert rgb.flags.c_contiguous and rgb.flags.writeable
            assert np.array_equal(rgb, wanted[i])
        assert film._decoder.seeks == 0


def test_any_frame_at_any_time_is_the_one_that_decoding_from_the_start_gives(film_file, make):
    wanted = make.decode(film_file)
    order = list(range(len(wanted))) * 2
    random.Random(0).shuffle(order)
    with open_film(film_file) as film:
        for i in order:
            assert np.array_equal(film.frame(i), wanted[i]), i


def test_backward_with_room_for_all_and_for_three_frames(film_file, make, monkeypatch):
    wanted = make.decode(film_file)
    with open_film(film_file) as film:
        read = list(film.frames(film.count - 1, -1, -1))
        assert [i for i, _ in read] == list(range(film.count))[::-1]
        assert all(np.array_equal(rgb, wanted[i]) for i, rgb in read)
        assert (
            film._decoder.seeks <= film.count // 2
        )  # whole groups of pictures at once, not each frame alone
    monkeypatch.setattr("spml_core.films.video.KEPT_BYTES", 3 * wanted[0].nbytes)
    with open_film(film_file) as film:
        for i, rgb in film.frames(film.count - 1, -1, -1):
            assert np.array_equal(rgb, wanted[i])
            assert len(film._kept) <= 3
        for i, rgb in film.frames(film.count - 1, -1, -2):
            assert np.array_equal(rgb, wanted[i])


def test_a_frame_that_is_written_to_stays_whole_in_the_film(make, tmp_path):
    path = make.encode(tmp_path / "a.mp4", make.pictures(12))
    with open_film(path) as film:
        for _, rgb in film.frames(11, -1, -1):
            rgb[:] = 7
        assert all(np.array_equal(film.frame(i), wanted) for i, wanted in enumerate(make.decode(path)))


def test_a_lossless_film_gives_back_the_very_pixels(make, tmp_path):
    frames = make.pictures(9, 33, 47)
    with open_film(make.encode(tmp_path / "a.mkv", frames, **make.LOSSLESS)) as film:
        assert np.array_equal(np.stack([rgb for _, rgb in film.frames()]), frames)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_films_lying_on_their_side_are_turned_upright(make, tmp_path, degrees, mirrored):
    scene = np.zeros((48, 64, 3), np.uint8)
    scene[:16, :32] = 255
    scene[:16, 32:48] = 120
    upright = np.rot90(scene, degrees // 90)
    upright = upright[:, ::-1] if mirrored else upright
    path = make.encode(tmp_path / "a.mp4", [scene] * 3, rotation=(degrees, mirrored))
    with open_film(path) as film:
        assert film.size == upright.shape[:2]
        assert np.abs(film.frame(2).astype(int) - upright).mean() < 3


def test_variable_frame_rate_keeps_its_times(make, tmp_path):
    ticks = np.cumsum([0, 1, 1, 5, 1, 9, 2, 1, 1, 3])
    with open_film(make.encode(tmp_path / "a.mkv", make.pictures(10), pts=ticks.tolist())) as film:
        assert film.variable_rate
        np.testing.assert_allclose(film.times, ticks / 25, atol=6e-4)
        assert film.frame_rate == pytest.approx(9 / (ticks[-1] / 25), rel=1e-3)
        assert [i for i, _ in film.frames()] == list(range(10))


def test_a_mean_rate_is_exact_where_the_container_rounds(make, tmp_path):
    path = make.encode(tmp_path / "a.mkv", make.pictures(30), rate=Fraction(30000, 1001))
    with open_film(path, frame_rate=7) as film:  # the film's own times come first
        assert film.frame_rate == pytest.approx(30000 / 1001, rel=1e-6)
        assert not film.variable_rate


def test_edit_lists_hide_frames(make, tmp_path):
    path = make.encode(tmp_path / "a.mp4", make.pictures(20), pts=range(-5, 15))
    wanted = make.decode(path)
    with open_film(path) as film:
        assert film.count == len(wanted) == 15
        assert film.warnings == ()
        for i in reversed(range(film.count)):
            assert np.array_equal(film.frame(i), wanted[i])
        assert film.times[0] == 0


def test_the_index_is_kept_and_used(make, tmp_path, monkeypatch):
    path = make.encode(tmp_path / "a.mp4", make.pictures(20))
    folder = tmp_path / "cache" / "index"
    with open_film(path, index_folder=folder) as film:
        times, wanted = film.times, [rgb for _, rgb in film.frames()]
    (file,) = folder.iterdir()

    def forbidden(_):
        raise AssertionError("the film was read again")

    monkeypatch.setattr("spml_core.films.index_file.build_index", forbidden)
    with open_film(path, index_folder=folder) as film:
        assert np.array_equal(film.times, times)
        for i in reversed(range(20)):
            assert np.array_equal(film.frame(i), wanted[i])
    monkeypatch.undo()

    file.write_bytes(file.read_bytes()[:100])  # damaged: made anew
    with open_film(path, index_folder=folder) as film:
        assert film.count == 20
    with np.load(file) as arrays:
        assert len(arrays["times"]) == 20

    other = make.encode(tmp_path / "b.mp4", make.pictures(31, seed=1))
    shutil.copyfile(other, path)  # replaced
    with open_film(path, index_folder=folder) as film:
        assert film.count == 31


def test_an_index_folder_that_cannot_be_is_no_error(make, tmp_path):
    path = make.encode(tmp_path / "a.mp4", make.pictures(5))
    (tmp_path / "file").write_text("")
    with open_film(path, index_folder=tmp_path / "file") as film:
        assert film.count == 5


def test_memory_stays_bounded_in_a_long_film(make, tmp_path, monkeypatch):
    path = make.encode(tmp_path / "a.mp4", make.pictures(600, 32, 32), gop=300)
    frame_bytes = 32 * 32 * 3
    monkeypatch.setattr("spml_core.films.video.KEPT_BYTES", 10 * frame_bytes)
    with open_film(path) as film:

        def kept():
            return sum(rgb.nbytes for rgb in film._kept.values())

        for _ in film.frames():
            assert kept() == 0
        for _ in film.frames(599, 400, -1):
            assert kept() <= 10 * frame_bytes
        for i in (5, 500, 77):
            film.frame(i)
            assert kept() <= 10 * frame_bytes
        film.close()
        assert kept() == 0


def test_the_hash_is_of_the_content(make, tmp_path):
    path = make.encode(tmp_path / "a.mp4", make.pictures(5))
    copy = shutil.copyfile(path, tmp_path / "b.mp4")
    assert film_hash(path) == film_hash(copy)
    assert len(film_hash(path)) == 40
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert film_hash(path) != film_hash(copy)


def test_a_name_with_a_colon_is_a_file(make, tmp_path):
    made = make.encode(tmp_path / "a.mp4", make.pictures(3))
    path = made.rename(tmp_path / "http:a%03d.mp4")
    assert isinstance(open_film(path), VideoFilm)
