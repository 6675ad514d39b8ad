"""Pictures that lie on their side in the file are shown as a person sees them, whatever the format."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from spml_core.films import open_film
from spml_core.images import Picture

RGB8 = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
RGB16 = RGB8.astype(np.uint16) * 13


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png(path, orientation, samples=RGB8):
    Image.fromarray(samples).save(path, exif=exif_of(orientation))


def png_exif_behind_the_pixels(path, orientation):
    Image.fromarray(RGB8).save(path)
    body = b"eXIf" + exif_of(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk + data[-12:])


def png_of_imagemagick(path, orientation):
    Image.fromarray(RGB8).save(path)
    exif = exif_of(orientation).tobytes()
    text = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    body = b"zTXtRaw profile type exif\0\0" + zlib.compress(text)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk + data[33:])


def tiff(**options):
    def write(path, orientation):
        tifffile.imwrite(path, RGB8, photometric="rgb", extratags=[(274, 3, 1, orientation, True)], **options)

    return write


def cmyk_tiff(path, orientation):
    Image.fromarray(RGB8).convert("CMYK").save(path, tiffinfo={274: orientation})


WRITERS = {
    "a.png": png,
    "behind.png": png_exif_behind_the_pixels,
    "magick.png": png_of_imagemagick,
    "plain.tif": tiff(),
    "strips.tif": tiff(rowsperstrip=7, compression="zlib"),
    "tiles.tif": tiff(tile=(16, 32), compression="zlib"),
    "cmyk.tif": cmyk_tiff,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", WRITERS)
def test_png_and_tiff_are_turned_as_a_person_sees_them(tmp_path, name, orientation):
    path = tmp_path / name
    WRITERS[name](path, orientation)
    shown = np.asarray(ImageOps.exif_transpose(image_with(RGB8, tmp_path / "other.png", orientation)))
    picture = Picture(path)
    assert picture.size == shown.shape[:2] == ((56, 40) if orientation >= 5 else (40, 56))
    assert np.array_equal(picture.rgb(), shown)
    part = Picture(path).rgb_window(2, 3, 20, 25)
    assert np.array_equal(part, shown[2:22, 3:28])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_opencv_sees_the_same(tmp_path, orientation):
    path = tmp_path / "a.png"
    png(path, orientation)
    assert np.array_equal(Picture(path).rgb(), cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_and_channels_are_turned_too(tmp_path, orientation):
    path = tmp_path / "a.tif"
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, RGB16, photometric="rgb", extratags=tag, compression="zlib")
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, RGB16, photometric="rgb")
    wanted = np.asarray(
        ImageOps.exif_transpose(image_with(Picture(plain).rgb(), tmp_path / "t.png", orientation))
    )
    assert np.array_equal(Picture(path).rgb(), wanted)
    assert np.array_equal(Picture(path).rgb_window(5, 6, 7, 8), wanted[5:12, 6:14])


def image_with(pixels, path, orientation):
    Image.fromarray(pixels).save(path, exif=exif_of(orientation))
    return Image.open(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_stack_is_turned_as_its_pages_are(tmp_path, orientation):
    path, page = tmp_path / "stack.tif", tmp_path / "page.tif"
    tag = [(274, 3, 1, orientation, True)]
    for compression in (None, "zlib"):
        tifffile.imwrite(
            path, np.stack([RGB8, 255 - RGB8]), photometric="rgb", extratags=tag, compression=compression
        )
        tifffile.imwrite(page, RGB8, photometric="rgb", extratags=tag)
        with open_film(path) as film:
            assert film.size == Picture(page).size
            assert np.array_equal(film.frame(0), Picture(page).rgb())
            assert np.array_equal(film.frame(1), 255 - Picture(page).rgb())


def test_a_folder_of_turned_pngs_is_a_turned_film(tmp_path):
    for number in range(3):
        png(tmp_path / f"{number}.png", 6)
    with open_film(tmp_path) as film:
        assert film.size == (56, 40)
        assert np.array_equal(film.frame(2), Picture(tmp_path / "0.png").rgb())


@pytest.mark.parametrize("junk", [b"", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"])
def test_a_damaged_exif_chunk_is_no_obstacle(tmp_path, junk):
    path = tmp_path / "a.png"
    Image.fromarray(RGB8).save(path, exif=junk or b"?")
    assert np.array_equal(Picture(path).rgb(), RGB8)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_for_nothing(tmp_path, value):
    for write, path in ((png, tmp_path / "a.png"), (tiff(), tmp_path / "a.tif")):
        write(path, value)
        assert np.array_equal(Picture(path).rgb(), RGB8)
