import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from spml_core.errors import FilmError
from spml_core.films import film_from_array, film_hash, is_film, open_film
from spml_core.films.sequence import natural_key

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 20, 24), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 20, 24, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (6, 20, 24, 4), dtype=np.uint8)
DEEP = RNG.integers(100, 4000, (6, 20, 24)).astype(np.uint16)


def all_frames(film):
    return np.stack([rgb for _, rgb in film.frames()])


def as_seen(array):
    return all_frames(film_from_array(array))


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures, frame0.png to frame11.png, whose first pixel is the number."""
    path = tmp_path / "frames"
    path.mkdir()
    for i in range(12):
        picture = RGB[i % 6].copy()
        picture[0, 0] = i
        Image.fromarray(picture).save(path / f"frame{i}.png")
    (path / "notes.txt").write_text("")
    (path / ".hidden.png").write_text("")
    return path


def test_natural_order():
    names = [
        "b.png",
        "frame10.png",
        "Frame2.png",
        "frame1.png",
        "10.png",
        "9.png",
        "frame1b.png",
        "frame01.png",
    ]
    ordered = sorted(names, key=natural_key)
    assert ordered[:2] == ["9.png", "10.png"]
    assert ordered.index("Frame2.png") < ordered.index("frame10.png")
    for start in range(len(names)):
        assert ordered == sorted(names[start:] + names[:start], key=natural_key)


def test_a_folder_of_pictures(folder):
    with open_film(folder, frame_rate=12) as film:
        assert (film.kind, film.path, film.count, film.size) == ("sequence", folder, 12, (20, 24))
        assert [int(rgb[0, 0, 0]) for _, rgb in film.frames()] == list(range(12))
        assert [int(rgb[0, 0, 0]) for _, rgb in film.frames(11, -1, -1)] == list(range(12))[::-1]
        assert film.stem(2) == "frame2" and film.stem(10) == "frame10"
        np.testing.assert_allclose(film.times, np.arange(12) / 12)
    assert not is_film(folder)
    assert is_film(folder, sequences=True)


def test_the_hash_of_a_folder_knows_names_and_contents(folder):
    before = film_hash(folder)
    (folder / "notes.txt").write_text("other")
    assert film_hash(folder) == before
    (folder / "frame3.png").rename(folder / "frame33.png")
    renamed = film_hash(folder)
    assert renamed != before
    (folder / "frame33.png").rename(folder / "frame3.png")
    assert film_hash(folder) == before
    Image.fromarray(RGB[0]).save(folder / "frame3.png")
    assert film_hash(folder) not in (before, renamed)


def test_the_first_odd_picture_is_named(folder):
    Image.fromarray(RGB[0, :18]).save(folder / "frame10.png")
    Image.fromarray(RGB[0, :17]).save(folder / "frame11.png")
    with pytest.raises(FilmError, match=r"frame10\.png is 18 x 24 pixels, frame0\.png is 20 x 24"):
        open_film(folder)


def test_bad_folders(folder, tmp_path):
    (tmp_path / "none").mkdir()
    for read in (open_film, film_hash):
        with pytest.raises(FilmError, match="no picture"):
            read(tmp_path / "none")
    Image.fromarray(RGB[0]).save(folder / "frame5.tif")
    with pytest.raises(FilmError, match=r"frame5\.png and frame5\.tif"):
        open_film(folder)
    (folder / "frame5.tif").unlink()
    (folder / "frame7.png").write_bytes(b"nonsense")
    with pytest.raises(FilmError, match=r"frame7\.png can't be read"):
        open_film(folder)
    assert not is_film(tmp_path / "none", sequences=True)


def test_frames_that_change_or_vanish_after_opening(folder):
    film = open_film(folder)
    (folder / "frame3.png").unlink()
    data = (folder / "frame4.png").read_bytes()
    (folder / "frame4.png").write_bytes(data[: len(data) // 2])
    Image.fromarray(RGB[0, :17]).save(folder / "frame5.png")
    for i, words in ((3, "no picture"), (4, "truncated"), (5, "17 x 24 pixels now")):
        with pytest.raises(FilmError, match=words) as caught:
            film.frame(i)
        assert f"frame{i}.png" in str(caught.value)
    assert film.frame(6)[0, 0, 0] == 6


def test_deep_sequences_do_not_flicker(tmp_path):
    samples = DEEP.copy()
    samples[::2] //= 2
    for i, page in enumerate(samples):
        tifffile.imwrite(tmp_path / f"{i}.tif", page)
    with open_film(tmp_path) as film:
        assert np.array_equal(all_frames(film), as_seen(samples))
    tifffile.imwrite(tmp_path / "5.tif", samples[5].astype(np.float32))
    with open_film(tmp_path) as film, pytest.raises(FilmError, match=r"5\.tif holds 1 channels of float32"):
        film.frame(5)


@pytest.mark.parametrize(
    ("stored", "options"),
    [
        (GREY, {}),
        (GREY, {"photometric": "minisblack", "compression": "zlib"}),
        (GREY, {"metadata": None}),
        (GREY, {"byteorder": ">", "bigtiff": True}),
        (DEEP, {}),
        (DEEP, {"byteorder": ">"}),
        (DEEP, {"imagej": True, "metadata": {"axes": "TYX"}}),
        (DEEP, {"ome": True, "metadata": {"axes": "TYX"}}),
        (DEEP, {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib", "tile": (16, 16)}),
        (DEEP.astype(np.float32) / 7, {"compression": "zlib"}),
        (RGB, {"photometric": "rgb"}),
        (RGB, {"photometric": "rgb", "compression": "zlib", "metadata": None}),
        (RGB, {"imagej": True, "metadata": {"axes": "TYXS"}}),
        (RGBA, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (np.full_like(DEEP, 7), {}),
    ],
)
def test_stacks(tmp_path, stored, options):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stored, **options)
    assert is_film(path)
    with open_film(path) as film:
        assert (film.kind, film.path, film.count, film.size) == ("stack", path, 6, (20, 24))
        wanted = as_seen(stored)
        assert np.array_equal(all_frames(film), wanted)
        for i in (5, 0, 3):
            rgb = film.frame(i)
            assert np.array_equal(rgb, wanted[i])
            assert rgb.flags.c_contiguous and rgb.flags.writeable


def test_channels_on_pages_of_their_own_are_gathered(tmp_path):
    planes = RGB.transpose(0, 3, 1, 2)
    path = tmp_path / "stack.tif"
    for options in (
        {"imagej": True, "metadata": {"axes": "TCYX"}},
        {"ome": True, "metadata": {"axes": "TCYX"}},
    ):
        tifffile.imwrite(path, planes, photometric="minisblack", **options)
        with open_film(path) as film:
            assert np.array_equal(all_frames(film), RGB)
    tifffile.imwrite(
        path, planes.transpose(1, 0, 2, 3), ome=True, photometric="minisblack", metadata={"axes": "CTYX"}
    )
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), RGB)


def test_pages_written_one_by_one(tmp_path):
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as tiff:
        for page in GREY:
            tiff.write(page, contiguous=False)
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), as_seen(GREY))
    Image.fromarray(GREY[0]).save(
        path, save_all=True, append_images=[Image.fromarray(page) for page in GREY[1:]]
    )
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), as_seen(GREY))


def test_palettes_negatives_and_masks(tmp_path):
    path = tmp_path / "stack.tif"
    colors = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    tifffile.imwrite(path, GREY, photometric="palette", colormap=colors * 257)
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), colors.astype(np.uint8).T[GREY])
    tifffile.imwrite(path, GREY, photometric="miniswhite")
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), as_seen(~GREY))
    tifffile.imwrite(path, GREY > 99, photometric="minisblack")
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), as_seen(GREY > 99))


def test_many_channels_are_a_film_only_if_asked_for(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, DEEP, imagej=True)  # ImageJ files without axes take the first for channels
    assert not is_film(path)
    with open_film(path) as film:
        assert np.array_equal(all_frames(film), as_seen(DEEP))


def test_imagej_knows_the_time(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, GREY, imagej=True, metadata={"axes": "TYX", "finterval": 0.25})
    with open_film(path) as film:
        assert film.frame_rate == 4
        np.testing.assert_allclose(film.times, np.arange(6) / 4)
    with open_film(path, frame_rate=10) as film:
        assert film.frame_rate == 10


def test_stacks_that_make_no_film(tmp_path):
    single = tmp_path / "single.tif"
    tifffile.imwrite(single, GREY[0])
    assert not is_film(single)
    with pytest.raises(FilmError, match="single picture"):
        open_film(single)
    channels = tmp_path / "channels.tif"
    tifffile.imwrite(channels, GREY[:4], ome=True, metadata={"axes": "CYX"})
    assert not is_film(channels)
    both = tmp_path / "both.tif"
    tifffile.imwrite(both, GREY.reshape(2, 3, 20, 24), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(FilmError, match="T = 2, Z = 3"):
        open_film(both)
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, GREY[:, :10])
    with pytest.raises(FilmError, match="10 x 24"):
        open_film(small)
    for name, content, words in (
        ("empty.tif", b"", "can't be read"),
        ("text.tif", b"hello" * 20, "can't be read"),
    ):
        (tmp_path / name).write_bytes(content)
        assert not is_film(tmp_path / name)
        with pytest.raises(FilmError, match=words):
            open_film(tmp_path / name)
    with pytest.raises(FilmError, match="There is no film"):
        open_film(tmp_path / "gone.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"metadata": None}])
def test_a_stack_cut_off(tmp_path, options):
    path = tmp_path / "stack.tif"
    frames = RNG.integers(0, 256, (20, 64, 64), dtype=np.uint8)
    tifffile.imwrite(path, frames, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    try:
        film = open_film(path)
    except FilmError:
        return
    with film:
        assert np.array_equal(film.frame(0)[..., 0], frames[0])
        with pytest.raises(FilmError, match="Frame 19"):
            film.frame(film.count - 1) if film.count == 20 else film.frame(19)


def test_only_the_asked_for_pages_are_decoded(tmp_path, monkeypatch):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((200, 32, 32), np.uint16), compression="zlib")
    film = open_film(path)
    decoded = []
    original = zarr.Array.__getitem__

    def counted(self, place):
        decoded.append(place[0])
        return original(self, place)

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    film.frame(150)
    assert decoded[0] == 150
    assert len(decoded) <= 1 + 8  # the survey of brightness, once
    film.frame(151)
    assert decoded[-1] == 151 and len(decoded) <= 2 + 8
