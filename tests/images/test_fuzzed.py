"""Damaged files of every kind of picture and film: read, or refused in one line, and never anything else."""

import io
import random

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.errors import SpmlError
from spml_core.films import is_film, open_film
from spml_core.images import Picture

RGB8 = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
EACH = 400


def pillow(form, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(RGB8).convert(mode).save(buffer, format=form, **options)
    return buffer.getvalue()


def turned(form, **options):
    exif = Image.Exif()
    exif[0x0112] = 6
    return pillow(form, exif=exif, **options)


def tiff(samples=RGB8, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **{"photometric": "rgb"} | options)
    return buffer.getvalue()


def animation(form):
    frames = [Image.fromarray(np.roll(RGB8, i, 0)) for i in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format=form, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


SEEDS = {
    "a.png": lambda: turned("png"),
    "palette.png": lambda: pillow("png", "P"),
    "16.png": lambda: imagecodecs.png_encode(RGB8.astype(np.uint16) * 99),
    "a.jpg": lambda: turned("jpeg"),
    "motion.jpg": lambda: turned("jpeg") + b"\0\0\0\x18ftypmp42\xff\xda" * 9,
    "cmyk.jpg": lambda: pillow("jpeg", "CMYK"),
    "a.bmp": lambda: pillow("bmp"),
    "a.gif": lambda: animation("gif"),
    "a.webp": lambda: animation("webp"),
    "still.webp": lambda: turned("webp"),
    "a.tif": lambda: tiff(extratags=[(274, 3, 1, 6, True)]),
    "deflate.tif": lambda: tiff(compression="zlib", rowsperstrip=7),
    "tiles.tif": lambda: tiff(RGB8.astype(np.uint16), tile=(16, 16), compression="lzw"),
    "palette.tif": lambda: pillow("tiff", "P"),
    "cmyk.tif": lambda: pillow("tiff", "CMYK", compression="tiff_lzw"),
    "channels.tif": lambda: tiff(
        np.zeros((5, 40, 56), np.uint16), ome=True, metadata={"axes": "CYX"}, photometric="minisblack"
    ),
    "stack.tif": lambda: tiff(np.stack([RGB8[..., 0]] * 4), photometric="minisblack", compression="zlib"),
}


def spoilt(data, chance):
    """A copy with some bytes changed, often to telling values, or a piece cut out, or cut short."""
    data = bytearray(data)
    how = chance.random()
    if how < 0.15:
        return bytes(data[: chance.randrange(len(data))])
    if how < 0.25:
        at = chance.randrange(len(data))
        return bytes(data[:at] + data[at + chance.randrange(1, 40) :])
    # Headers are where it hurts.
    most = len(data) if chance.random() < 0.4 else min(len(data), 400)
    for _ in range(chance.randrange(1, 8)):
        data[chance.randrange(most)] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(data)


def read(path):
    """Look at a file in every way; complaints other than our own come through."""
    try:
        picture = Picture(path)
        notes, shape = picture.notes, picture.rgb().shape
        assert shape == (*picture.size, 3) and isinstance(notes, tuple)
        picture.rgb_window(0, 0, 16, 16)
    except SpmlError as error:
        assert "\n" not in str(error)
    if is_film(path):
        try:
            with open_film(path) as film:
                film.frame(0), film.frame(film.count - 1)
        except SpmlError as error:
            assert "\n" not in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_whatever_is_wrong_with_a_file_is_said_in_our_words(tmp_path, name, capfd):
    whole, path = SEEDS[name](), tmp_path / name
    path.write_bytes(whole)
    read(path)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for turn in range(EACH):
        path.write_bytes(spoilt(whole, chance))
        try:
            read(path)
        except Exception as error:
            kept = path.with_name(f"kept-{turn}-{name}")
            kept.write_bytes(path.read_bytes())
            raise AssertionError(f"seed {seed}, turn {turn}, {kept}") from error
