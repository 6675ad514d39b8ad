"""What of a picture's samples can't be shown is said; whatever can be shown is."""

import io
import resource
import subprocess
import sys
import tracemalloc

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.errors import FilmError, PictureError
from spml_core.films import film_from_array, is_film, open_film
from spml_core.images import Picture

RNG = np.random.default_rng(0)
RGB8 = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)


def sparse(dtype, background=0, spot=4000, size=256, spots=54):
    grey = np.full((size, size), background, dtype)
    places = np.random.default_rng(1).choice(size * size, spots, replace=False)
    grey.flat[places] = spot
    return grey, grey == dtype(spot)


def shows(shown, spots):
    return shown[spots].min() > 200 and shown[~spots].max() < 50


SPARSE = [
    (np.uint16, 0, 4000),
    (np.int16, -7, 300),
    (np.uint32, 10, 4_000_000_000),
    (np.int32, -2_000_000_000, 2_000_000_000),
    (np.int8, -100, 100),
    (np.float32, 0, 1),
    (np.float64, -1e308, 1e308),
    (np.float16, 0.5, 0.75),
]


@pytest.mark.parametrize(("dtype", "background", "spot"), SPARSE)
def test_a_dark_picture_shows_its_few_spots(tmp_path, dtype, background, spot):
    grey, spots = sparse(dtype, background, spot)
    path = tmp_path / "s.tif"
    for compression in (None, "zlib"):
        tifffile.imwrite(path, grey, compression=compression)
        assert shows(Picture(path).rgb()[..., 0], spots)
        assert shows(Picture(path).rgb_window(10, 20, 200, 100)[..., 0], spots[10:210, 20:120])


@pytest.mark.parametrize(("dtype", "background", "spot"), SPARSE)
def test_a_dark_film_shows_its_few_spots(tmp_path, dtype, background, spot):
    grey, spots = sparse(dtype, background, spot)
    film = film_from_array(np.stack([grey] * 3))
    assert shows(film.frame(1)[..., 0], spots)
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, np.stack([grey] * 3), photometric="minisblack", metadata={"axes": "TYX"})
    with open_film(path) as stack:
        assert shows(stack.frame(2)[..., 0], spots)


def test_a_dark_png_shows_its_few_spots(tmp_path):
    grey, spots = sparse(np.uint16)
    path = tmp_path / "s.png"
    Image.fromarray(grey).save(path)
    assert shows(Picture(path).rgb()[..., 0], spots)
    rgb = np.stack([grey, grey // 2, grey * 0], 2)
    path.write_bytes(imagecodecs.png_encode(rgb))
    assert Picture(path).rgb()[spots].tolist() == [[255, 128, 0]] * spots.sum()


def test_spots_between_the_pixels_of_the_surveyed_grid_are_seen(tmp_path):
    grey = np.zeros((3000, 3000), np.uint16)
    grey[1::3, 1::3].flat[:40] = 4000  # of every third pixel the grid sees none
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey)
    assert shows(Picture(path).rgb()[..., 0], grey > 0)


@pytest.mark.parametrize(("dtype", "spot"), [(np.uint16, 4000), (np.int32, 100_000), (np.float32, 9e4)])
def test_a_background_that_flickers_by_a_step_is_no_range(tmp_path, dtype, spot):
    grey, spots = sparse(dtype, 1000, spot)
    step = 1 if np.dtype(dtype).kind != "f" else 1e-4
    grey += (RNG.integers(0, 2, grey.shape) * step).astype(dtype) * ~spots
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey)
    assert shows(Picture(path).rgb()[..., 0], spots)


def test_the_percentiles_stay_where_they_tell_something(tmp_path):
    mask = RNG.integers(0, 3, (200, 200)).astype(np.uint16)
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, mask)
    assert np.unique(Picture(path).rgb()).tolist() == [0, 128, 255]
    hot = RNG.integers(100, 200, (300, 300)).astype(np.uint16)
    hot[7, 7] = 65535
    tifffile.imwrite(path, hot)
    assert Picture(path).rgb()[9:].mean() > 100


def test_what_isnt_in_the_surveyed_frames_is_shown_and_steadily():
    films = np.zeros((400, 20, 24), np.uint16)
    films[11, 3:6] = 4000
    films[12, 3:6] = 2000
    film = film_from_array(films)
    assert film.frame(5).max() == 0
    bright = film.frame(11)
    assert bright[3:6].min() == 255 and bright[6:].max() == 0
    # Whichever frame is asked for first.
    assert np.array_equal(film.frame(12), film_from_array(films).frame(12))


@pytest.mark.parametrize("first", [3, 4])
def test_the_brightest_three_of_many_channels(tmp_path, first):
    channels = np.full((5, 40, 56), 20, np.uint16)
    channels[0, :9], channels[2, 9:20], channels[first, 20:] = 900, 800, 4000
    path = tmp_path / "c.tif"
    tifffile.imwrite(path, channels, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    shown = Picture(path).rgb()
    assert [shown[2, 2].tolist(), shown[12, 2].tolist(), shown[30, 2].tolist()] == [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
    ]
    assert Picture(path).notes == ("has 5 channels: the brightest three are shown, the others left out",)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_bright_fourth_channel_inside_the_pixels(tmp_path, planar, dtype):
    samples = np.zeros((40, 56, 4), dtype)
    samples[10:20, :, 3] = 200
    path = tmp_path / "c.tif"
    stored = np.moveaxis(samples, 2, 0) if planar == "separate" else samples
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig=planar)
    shown = Picture(path).rgb()
    assert shown[10:20].max() >= 200 and not shown[:10].any()
    assert "4 channels" in Picture(path).notes[0]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_of_stacks_and_zarr(tmp_path, compression):
    import zarr

    samples = np.zeros((3, 4, 20, 24), np.uint16)
    samples[:, 3, 5:9], samples[:, 0, :5] = 3000, 100
    path = tmp_path / "c.tif"
    tifffile.imwrite(path, samples, imagej=True, metadata={"axes": "TCYX"}, compression=compression)
    folder = tmp_path / "c.zarr"
    group = zarr.open_group(folder, mode="w")
    group.create_array("0", data=samples, chunks=(1, 1, 20, 24))
    axes = [{"name": axis} for axis in "tcyx"]
    group.attrs.update({"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]})
    plain = tmp_path / "plain.zarr"
    zarr.create_array(plain, data=samples.transpose(0, 2, 3, 1), chunks=(1, 20, 24, 4))
    for each in (path, folder, plain):
        with open_film(each) as film:
            assert film.warnings == (
                f"{each} has 4 channels: the brightest three are shown, the others left out.",
            )
            assert film.frame(1)[6].max() == 255 and film.frame(1)[2].max() == 255
            assert not film.frame(1)[10:].any()


def test_transparency_is_no_channel(tmp_path):
    alpha = np.full((40, 56, 1), 255, np.uint8)
    path = tmp_path / "a.tif"
    for samples, photometric in ((np.concatenate([RGB8, alpha], 2), "rgb"),):
        tifffile.imwrite(path, samples, photometric=photometric, extrasamples=["unassalpha"])
        assert np.array_equal(Picture(path).rgb(), RGB8)
        assert Picture(path).notes == ()
    grey = np.concatenate([RGB8[..., :1], alpha], 2)
    tifffile.imwrite(path, grey, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    assert np.array_equal(Picture(path).rgb(), np.repeat(RGB8[..., :1], 3, 2))
    Image.fromarray(RGB8).convert("CMYK").save(path)
    assert Picture(path).notes == ()
    for name in ("a.png", "a.webp"):
        Image.fromarray(np.concatenate([RGB8, alpha], 2)).save(tmp_path / name, lossless=True)
        assert np.array_equal(Picture(tmp_path / name).rgb(), RGB8)


def test_two_channels_are_both_shown(tmp_path):
    two = RGB8[..., :2]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, two, photometric="minisblack", planarconfig="contig")
    shown = Picture(path).rgb()
    assert np.array_equal(shown[..., :2], two)
    assert Picture(path).notes == ()


def test_colours_with_a_fourth_channel_say_what_is_left_out(tmp_path):
    path = tmp_path / "a.tif"
    four = np.concatenate([RGB8, RGB8[..., :1]], 2)
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=["unspecified"])
    assert np.array_equal(Picture(path).rgb(), RGB8)
    assert Picture(path).notes == ("has 4 channels: red, green and blue are shown, the others left out",)


def test_pages_of_other_sizes_are_told_of(tmp_path):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(RGB8, photometric="rgb")
        writer.write(RGB8[:30], photometric="rgb")
        writer.write(RGB8[:20, :30], photometric="rgb")
    assert np.array_equal(Picture(path).rgb(), RGB8)
    assert Picture(path).notes == (
        "holds 2 more pages of another size or kind (30 x 56 x 3, 20 x 30 x 3), left out",
    )
    with tifffile.TiffWriter(path) as writer:
        for size in (40, 40, 30):
            writer.write(RGB8[:size], photometric="rgb", contiguous=False)
    with open_film(path) as film:
        assert film.count == 2
        assert film.warnings == (
            f"{path} holds 1 more page of another size or kind (30 x 56 x 3), left out.",
        )
    image = Image.fromarray(RGB8)
    image.save(path, save_all=True, append_images=[image, image.crop((0, 0, 30, 30))])
    with open_film(path) as film:
        assert film.count == 2 and len(film.warnings) == 1


def jpeg(samples=RGB8, **options):
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, format="jpeg", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_what_lies_behind_the_end_of_a_jpeg_is_no_matter(tmp_path, options):
    path = tmp_path / "m.jpg"
    path.write_bytes(jpeg(**options))
    wanted = Picture(path).rgb()
    for behind in (
        b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x08" * 9,
        b"\xff\xda",
        b"\xff",
        b"abc" * 50,
        jpeg()[:90],
    ):
        path.write_bytes(jpeg(**options) + behind)
        assert np.array_equal(Picture(path).rgb(), wanted)
    for missing in (2, 3, 50, 400):
        path.write_bytes(jpeg(**options)[:-missing])
        with pytest.raises(PictureError, match="truncated"):
            Picture(path).rgb()


def test_the_first_picture_of_an_mpo(tmp_path):
    path = tmp_path / "m.mpo"
    image = Image.fromarray(RGB8)
    image.save(path, save_all=True, append_images=[image.rotate(180)])
    with Image.open(path) as opened:
        assert opened.n_frames == 2
    assert np.array_equal(Picture(path).rgb(), imagecodecs.jpeg8_decode(jpeg()))


def test_a_palette_without_colours(tmp_path):
    path = tmp_path / "p.tif"
    tifffile.imwrite(path, RGB8[..., 0], photometric="palette", colormap=np.zeros((3, 256), np.uint16))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        at = tiff.pages[0].tags[320].offset
    data = bytearray(path.read_bytes())
    data[at : at + 2] = (0xFFF0).to_bytes(2, "little")  # another tag, unknown to all
    path.write_bytes(data)
    with pytest.raises(PictureError, match="no table of colours"):
        Picture(path).rgb()


@pytest.mark.parametrize("form", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_that_go_round_in_a_circle(tmp_path, form):
    path = tmp_path / "c.tif"
    tifffile.imwrite(path, RGB8, photometric="rgb", **form)
    wanted = Picture(path).rgb()
    assert np.array_equal(wanted, RGB8)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        at, order = tiff.pages[0].offset, tiff.byteorder
        size = 20 if tiff.is_bigtiff else 12
        head = 8 if tiff.is_bigtiff else 2
        end = at + head + size * len(tiff.pages[0].tags)
    data[end : end + (8 if size == 20 else 4)] = at.to_bytes(
        8 if size == 20 else 4, "little" if order == "<" else "big"
    )
    path.write_bytes(data)
    assert not is_film(path)
    with pytest.raises(PictureError, match="list of pages has no end"):
        Picture(path).rgb()
    with pytest.raises(FilmError, match="list of pages has no end"):
        open_film(path)


@pytest.mark.parametrize("name", ["a.bmp", "a.gif", "a.webp", "a.jfif", "a.jpe"])
def test_other_stills(tmp_path, name):
    path = tmp_path / name
    image = Image.fromarray(RGB8)
    image.save(path, format={"a.jfif": "jpeg", "a.jpe": "jpeg"}.get(name))
    with Image.open(path) as opened:
        wanted = np.asarray(opened.convert("RGB"))
    assert Picture(path).size == (40, 56)
    assert np.array_equal(Picture(path).rgb(), wanted)
    assert np.array_equal(Picture(path).rgb_window(3, 4, 5, 6), wanted[3:8, 4:10])
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(PictureError, match=name):
        Picture(path).rgb()


def test_an_animation_as_a_still_says_so(tmp_path):
    frames = [Image.fromarray(np.roll(RGB8, i, 0)) for i in range(4)]
    for name in ("a.gif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert Picture(tmp_path / name).notes == ("is an animation, of which the first frame is shown",)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_pictures_of_other_formats_are_called_by_their_names(tmp_path, start, words):
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(start + bytes(100))
    with pytest.raises(PictureError, match=rf"IMG_1\.jpg is an? {words}.*Convert"):
        Picture(path).rgb()


def test_jpeg_2000_as_ycbcr_inside_tiff(tmp_path):
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, RGB8, photometric="ycbcr", compression="jpeg2000")
    with pytest.raises(PictureError, match=r"JPEG 2000 in the colours YCBCR.*RGB TIFF"):
        Picture(path).rgb()


def huge_jpeg(path):
    data = bytearray(jpeg(np.zeros((16, 16), np.uint8)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (65500).to_bytes(2, "big") * 2
    path.write_bytes(data)


def huge_png(path):
    data = bytearray(io_png())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    path.write_bytes(data)


def io_png():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), bool)).save(buffer, format="png")
    return buffer.getvalue()


def huge_tiff(path):
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for tag in (256, 257, 278):
            at = tiff.pages[0].tags[tag].valueoffset
            size = tiff.pages[0].tags[tag].dtype
            data[at : at + (2 if size == 3 else 4)] = (60_000).to_bytes(2 if size == 3 else 4, "little")
    path.write_bytes(data)


def huge_tiles(path):
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", tile=(64, 64))
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for tag in (322, 323):
            at = tiff.pages[0].tags[tag].valueoffset
            size = tiff.pages[0].tags[tag].dtype
            data[at : at + (2 if size == 3 else 4)] = (65_520).to_bytes(2 if size == 3 else 4, "little")
    path.write_bytes(data)


def huge_gif(path):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(buffer, format="gif")
    data = bytearray(buffer.getvalue())
    data[6:10] = (65_500).to_bytes(2, "little") * 2
    path.write_bytes(data)


def huge_bmp(path):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(buffer, format="bmp")
    data = bytearray(buffer.getvalue())
    data[18:26] = (1_000_000).to_bytes(4, "little") * 2
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("h.jpg", huge_jpeg),
        ("h.png", huge_png),
        ("h.tif", huge_tiff),
        ("tiles.tif", huge_tiles),
        ("h.gif", huge_gif),
        ("h.bmp", huge_bmp),
    ],
)
def test_small_files_that_say_they_are_huge_are_refused_in_little_memory(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=rf"{name}.*(billion pixels|GB at once)"):
            Picture(path).rgb()
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_whole_jpeg_of_4_gigapixels_is_refused_by_the_command_line(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    huge_jpeg(folder / "h.jpg")

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

    command = [
        sys.executable,
        "-m",
        "spml_core.cli",
        "new",
        str(tmp_path / "p.spml"),
        "--images",
        str(folder),
    ]
    done = subprocess.run(
        [*command, "--class", "a", "--class", "b"], capture_output=True, text=True, preexec_fn=limited
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "h.jpg" in done.stderr
