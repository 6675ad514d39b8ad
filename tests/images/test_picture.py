import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from spml_core.errors import PictureError
from spml_core.images import Picture

RNG = np.random.default_rng(0)
RGB8 = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)
RGB16 = RNG.integers(100, 4000, (40, 56, 3)).astype(np.uint16)


def expected_scaling(samples, joint):
    """The percentiles written out: (H, W, C) of any type to uint8."""
    out = np.zeros(samples.shape, np.uint8)
    for c in range(samples.shape[2]):
        group = samples if joint else samples[..., c]
        low, high = np.percentile(group.astype(np.float64), [0.1, 99.9])
        if high > low:
            out[..., c] = np.rint(
                np.clip((samples[..., c].astype(np.float64) - low) / (high - low), 0, 1) * 255
            )
    return out


def check_windows(picture):
    whole = picture.rgb()
    for top, left, height, width in [(0, 0, 40, 56), (3, 5, 20, 30), (39, 55, 1, 1), (17, 0, 23, 56)]:
        part = Picture(picture.path).rgb_window(top, left, height, width)
        assert np.array_equal(part, whole[top : top + height, left : left + width])
    return whole


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_8_bit_png_is_shown_as_it_is(tmp_path, mode):
    path = tmp_path / "a.png"
    image = Image.fromarray(RGB8).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(RGB8[..., 0]))
    image.save(path)
    picture = Picture(path)
    assert picture.name == "a"
    assert picture.size == (40, 56)
    whole = check_windows(picture)
    assert whole.dtype == np.uint8
    # Alpha is dropped, not multiplied in.
    shown = image.getchannel(0) if mode == "LA" else image
    if mode == "RGBA":
        shown = Image.merge("RGB", image.split()[:3])
    shown = shown.convert("RGB")
    assert np.array_equal(whole, np.asarray(shown))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_with_few_bits_and_transparency(tmp_path, bits):
    path = tmp_path / "p.png"
    image = Image.fromarray(RGB8).quantize(2**bits if bits < 8 else 200)
    image.save(path, bits=bits, transparency=0)
    assert np.array_equal(check_windows(Picture(path)), np.asarray(image.convert("RGB")))


def test_16_bit_rgb_png_keeps_its_precision(tmp_path):
    path = tmp_path / "a.png"
    low = RGB16 % 200  # nothing but zeros would be left of these in 8 bits
    cv2.imwrite(str(path), low[..., ::-1])
    whole = check_windows(Picture(path))
    assert len(np.unique(whole)) > 150
    assert np.array_equal(whole, expected_scaling(low, joint=True))


def test_16_bit_png_with_alpha_is_scaled_without_it(tmp_path):
    path = tmp_path / "a.png"
    alpha = np.full((40, 56, 1), 65535, np.uint16)
    path.write_bytes(imagecodecs.png_encode(np.concatenate([RGB16, alpha], 2)))
    assert np.array_equal(Picture(path).rgb(), expected_scaling(RGB16, joint=True))
    path.write_bytes(imagecodecs.png_encode(np.concatenate([RGB16[..., :1], alpha], 2)))
    grey = expected_scaling(RGB16[..., :1], joint=True)
    assert np.array_equal(Picture(path).rgb(), np.repeat(grey, 3, 2))


def test_16_bit_grey_png(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB16[..., 0]).save(path)
    grey = expected_scaling(RGB16[..., :1], joint=True)
    assert np.array_equal(check_windows(Picture(path)), np.repeat(grey, 3, 2))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(tmp_path, mode, progressive):
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB8).convert(mode).save(path, quality=95, progressive=progressive)
    with Image.open(path) as image:
        shown = np.asarray(image.convert("RGB"))
    whole = check_windows(Picture(path))
    assert np.abs(whole.astype(int) - shown).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_is_turned_as_a_person_sees_it(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = cv2.GaussianBlur(RGB8, (0, 0), 3)
    Image.fromarray(smooth).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    picture = Picture(path)
    assert picture.size == shown.shape[:2]
    assert np.array_equal(picture.rgb(), shown)
    assert np.array_equal(picture.rgb_window(2, 3, 20, 25), shown[2:22, 3:28])


def test_damaged_exif_is_no_obstacle(tmp_path, capfd):
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB8).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert Picture(path).rgb().shape == (40, 56, 3)
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_without_its_end_marker_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB8).save(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(PictureError, match=r"a\.jpg can't be read: the file is truncated"):
        Picture(path).rgb()


TIFF_LAYOUTS = {
    "plain": {},
    "strips": {"rowsperstrip": 7},
    "deflated": {"compression": "zlib", "rowsperstrip": 7},
    "tiled": {"tile": (16, 32)},
    "tiled and deflated": {"tile": (32, 16), "compression": "zlib", "predictor": True},
    "planar": {"planarconfig": "separate", "photometric": "rgb"},
    "planar tiles": {
        "planarconfig": "separate",
        "photometric": "rgb",
        "tile": (16, 16),
        "compression": "zlib",
    },
    "big endian": {"byteorder": ">"},
    "big endian, deflated": {"byteorder": ">", "compression": "zlib"},
}


@pytest.mark.parametrize("layout", TIFF_LAYOUTS)
@pytest.mark.parametrize(
    "samples", [RGB8, RGB16, RGB16.astype(np.float32) / 7], ids=["uint8", "uint16", "float32"]
)
def test_rgb_tiff_in_every_layout(tmp_path, layout, samples):
    path = tmp_path / "a.tif"
    stored = np.moveaxis(samples, 2, 0) if "planar" in layout else samples
    tifffile.imwrite(path, stored, **{"photometric": "rgb"} | TIFF_LAYOUTS[layout])
    picture = Picture(path)
    assert picture.size == (40, 56)
    wanted = samples if samples.dtype == np.uint8 else expected_scaling(samples, joint=True)
    assert np.array_equal(check_windows(picture), wanted)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float16", "float32", "float64"])
def test_grey_tiff(tmp_path, compression, dtype):
    path = tmp_path / "a.tif"
    grey = (RGB16[..., 0] % 250).astype(dtype) - (50 if dtype == "int16" else 0)
    tifffile.imwrite(path, grey.astype(dtype), compression=compression)
    wanted = grey[..., None] if dtype == "uint8" else expected_scaling(grey[..., None], joint=True)
    assert np.array_equal(check_windows(Picture(path)), np.repeat(wanted, 3, 2))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_channels_are_scaled_each_by_itself(tmp_path, count, compression):
    path = tmp_path / "a.tif"
    channels = np.stack([RGB16[..., c % 3].astype(np.uint16) * (c + 1) for c in range(count)])
    named = {"ome": True, "metadata": {"axes": "CYX"}}
    tifffile.imwrite(path, channels, photometric="minisblack", compression=compression, **named)
    scaled = expected_scaling(np.moveaxis(channels, 0, 2), joint=False)
    if count == 2:
        mean = (scaled[..., :1].astype(int) + scaled[..., 1:] + 1) // 2
        scaled = np.concatenate([scaled, mean.astype(np.uint8)], 2)
    # Of five the last three are the brightest.
    assert np.array_equal(check_windows(Picture(path)), scaled[..., -3:])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_last_of_8_bits_are_not_scaled(tmp_path, compression):
    path = tmp_path / "a.tif"
    five = np.concatenate([RGB8, RGB8[..., :2]], 2)
    tifffile.imwrite(path, five, photometric="minisblack", planarconfig="contig", compression=compression)
    assert np.array_equal(check_windows(Picture(path)), RGB8)
    four = np.concatenate([RGB8, RGB8[..., :1]], 2)
    tifffile.imwrite(path, four, photometric="rgb", compression=compression)
    assert np.array_equal(check_windows(Picture(path)), RGB8)


def test_palette_bilevel_and_negative_tiff(tmp_path):
    path = tmp_path / "a.tif"
    image = Image.fromarray(RGB8).quantize(100)
    image.save(path)
    assert np.array_equal(check_windows(Picture(path)), np.asarray(image.convert("RGB")))
    bits = RGB8[..., 0] > 99
    tifffile.imwrite(path, bits, photometric="minisblack")
    assert np.array_equal(check_windows(Picture(path))[..., 1], bits * 255)
    tifffile.imwrite(path, RGB8[..., 0], photometric="miniswhite")
    assert np.array_equal(check_windows(Picture(path))[..., 1], 255 - RGB8[..., 0])


def test_printers_colours_and_jpeg_inside_tiff(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(RGB8).convert("CMYK").save(path)
    assert np.array_equal(check_windows(Picture(path)), RGB8)
    smooth = cv2.GaussianBlur(RGB8, (0, 0), 3)
    tifffile.imwrite(path, smooth, compression="jpeg", photometric="rgb", compressionargs={"level": 98})
    assert np.abs(check_windows(Picture(path)).astype(int) - smooth).max() < 20


def test_a_stack_is_refused_with_its_number_of_pages(tmp_path):
    path = tmp_path / "a.tif"
    ome, imagej = {"ome": True, "metadata": {"axes": "ZYX"}}, {"imagej": True, "metadata": {"axes": "TYX"}}
    for kwargs in (ome, imagej, {}):
        tifffile.imwrite(path, np.zeros((7, 40, 50), np.uint8), photometric="minisblack", **kwargs)
        with pytest.raises(PictureError, match=r"stack of 7 pages.*Split"):
            _ = Picture(path).size
    with tifffile.TiffWriter(path) as writer:
        for _ in range(4):
            writer.write(np.zeros((40, 50), np.uint8), contiguous=False)
    with pytest.raises(PictureError, match="stack of 4 pages"):
        Picture(path).rgb()


def test_a_thumbnail_beside_the_picture_is_no_stack(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(RGB8, photometric="rgb")
        writer.write(RGB8[::2, ::2], photometric="rgb", subfiletype=1)
    assert np.array_equal(Picture(path).rgb(), RGB8)


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_constant_picture_is_black_not_a_division_by_zero(tmp_path, value):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((20, 20), value, np.uint16))
    assert not Picture(path).rgb().any()


def test_outliers_do_not_set_the_range(tmp_path):
    path = tmp_path / "a.tif"
    grey = np.tile(np.linspace(0, 1, 100, dtype=np.float32), (100, 1))
    grey[0, 0] = 1e6
    tifffile.imwrite(path, grey)
    shown = Picture(path).rgb()[..., 0]
    assert shown[50, 50] in range(120, 136)


def test_a_window_of_a_large_picture_has_the_scaling_of_the_whole(tmp_path):
    path = tmp_path / "a.tif"
    ramp = (np.arange(1400)[:, None] * 3 + np.arange(1300)[None, :]).astype(np.uint16)
    for kwargs in ({}, {"tile": (128, 128), "compression": "zlib"}):
        tifffile.imwrite(path, ramp, **kwargs)
        whole = Picture(path).rgb()
        assert np.array_equal(Picture(path).rgb_window(700, 600, 50, 60), whole[700:750, 600:660])
        assert whole[0, 0, 0] == 0
        assert whole[-1, -1, 0] == 255


def test_the_range_comes_from_one_grid_however_the_file_is_cut(tmp_path):
    path = tmp_path / "a.tif"
    noise = RNG.normal(1000, 100, (3200, 1500)).astype(np.uint16)
    low, high = np.percentile(noise[::3, ::3].astype(np.float64), [0.1, 99.9])
    wanted = np.rint(np.clip((noise - low) / (high - low), 0, 1) * 255)
    for kwargs in ({}, {"tile": (16, 16)}, {"rowsperstrip": 10, "compression": "zlib"}):
        tifffile.imwrite(path, noise, **kwargs)
        assert np.array_equal(Picture(path).rgb()[..., 0], wanted)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_nan_and_infinity_are_counted_and_refused(tmp_path, compression):
    path = tmp_path / "bad.tif"
    grey = RGB16[..., 0].astype(np.float32)
    grey[3, 4] = np.nan
    grey[30, 5:7] = np.inf
    tifffile.imwrite(path, grey, compression=compression)
    with pytest.raises(PictureError, match=r"bad\.tif holds 3 NaN or infinite"):
        Picture(path).rgb()
    with pytest.raises(PictureError, match="holds 3 NaN"):
        Picture(path).rgb_window(10, 10, 5, 5)


def test_damaged_colour_profile_prints_and_logs_nothing(tmp_path, capfd, caplog):
    path = tmp_path / "a.png"
    Image.fromarray(RGB8).save(path, icc_profile=b"junkprofile" * 30)
    assert np.array_equal(Picture(path).rgb(), RGB8)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_other_files_are_refused_by_name(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("no picture at all, but long enough to look at its first bytes")
    with pytest.raises(PictureError, match=r"text\.png can't be read: it is no PNG"):
        _ = Picture(path).size
    with pytest.raises(PictureError, match=r"There is no picture .*gone\.png"):
        _ = Picture(tmp_path / "gone.png").size
    complex_path = tmp_path / "c.tif"
    tifffile.imwrite(complex_path, np.zeros((20, 20), np.complex64))
    with pytest.raises(PictureError, match="complex64"):
        Picture(complex_path).rgb()


def test_the_bytes_not_the_suffix_tell_the_format(tmp_path):
    path = tmp_path / "really.png"
    Image.fromarray(RGB8).save(path, format="jpeg")
    assert Picture(path).rgb().shape == (40, 56, 3)


@pytest.mark.parametrize(("height", "width", "fits"), [(15, 99, False), (99, 15, False), (16, 16, True)])
def test_the_smallest_picture(tmp_path, height, width, fits):
    for path in (tmp_path / "s.png", tmp_path / "s.jpg", tmp_path / "s.tif"):
        Image.fromarray(np.zeros((height, width), np.uint8)).save(path)
        if fits:
            assert Picture(path).rgb().shape == (height, width, 3)
        else:
            with pytest.raises(PictureError, match=f"{height} x {width}"):
                _ = Picture(path).size


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, -1, 5, 5), (36, 0, 5, 5), (0, 52, 5, 5), (0, 0, 0, 5)])
def test_a_window_outside_is_refused(tmp_path, window):
    path = tmp_path / "a.png"
    Image.fromarray(RGB8).save(path)
    with pytest.raises(PictureError, match="window"):
        Picture(path).rgb_window(*window)
