"""What the numbers in index PNGs mean: bits, black and white, and how much of a file is unpacked."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import rasterize
from spml_core.classes import ClassTable
from spml_core.errors import MarkError
from spml_core.io import ImportWarnings, read_index_png, read_masks, read_png_values, read_scribbles

TWO = ClassTable.from_names(["background", "cell"])
THREE = ClassTable.from_names(["background", "cell", "dog"])
SIZES = {"a": (20, 30), "b": (16, 16)}


def png(path, codes, bits, color=0):
    """Write a grey (or, with colour type 3, palette) PNG of 1 to 16 bits a value, by the specification."""
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in codes]
    else:
        places = np.arange(bits - 1, -1, -1)
        rows = [np.packbits((row[:, None].astype(np.uint8) >> places & 1).ravel()).tobytes() for row in codes]
    head = struct.pack(">2I5B", codes.shape[1], codes.shape[0], bits, color, 0, 0, 0)
    palette = [(b"PLTE", bytes(range(3 * 2 ** min(bits, 4))))] if color == 3 else []
    write(path, head, b"".join(b"\0" + row for row in rows), palette)
    return path


def write(path, head, pixels, more=()):
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )


def bomb(path, height=60_000, width=60_000):
    """A PNG of few bytes that says it has billions of pixels of one bit."""
    write(path, struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0), bytes(1000))
    return path


def read(reader, folder, classes):
    warnings = ImportWarnings()
    return reader(folder, SIZES, classes, warnings), warnings.lines


@pytest.mark.parametrize("color", [0, 3])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_values_are_read_as_they_are_stored(tmp_path, bits, color):
    if (bits, color) == (16, 3):
        pytest.skip("palettes have no 16 bits")
    codes = np.random.default_rng(bits).integers(0, min(2**bits, 200), (20, 30))
    np.testing.assert_array_equal(read_index_png(png(tmp_path / "a.png", codes, bits, color)), codes)
    if bits < 8 and color == 0:
        assert read_png_values(tmp_path / "a.png").max() == 2**bits - 1


def test_a_mask_of_four_bits_has_its_classes(tmp_path):
    codes = np.zeros((20, 30), np.uint8)
    codes[2:7, 3:9] = 1
    png(tmp_path / "a.png", codes, 4)
    marks, lines = read(read_masks, tmp_path, THREE)
    np.testing.assert_array_equal(rasterize(marks["a"], (20, 30), 3), codes)
    assert lines == ()


def black_and_white(folder, more=()):
    """Masks of a and b that hold 0 and 255, b only 0, and a third value for each of ``more``."""
    codes = np.zeros((20, 30), np.uint8)
    codes[2:7, 3:9] = 255
    codes[0, : len(more)] = more
    folder.mkdir(exist_ok=True)
    Image.fromarray(codes).save(folder / "a.png")
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / "b.png")
    return codes


def test_black_and_white_masks_of_two_classes_have_both(tmp_path):
    codes = black_and_white(tmp_path)
    marks, (line,) = read(read_masks, tmp_path, TWO)
    np.testing.assert_array_equal(rasterize(marks["a"], (20, 30), 2), codes // 255)
    assert not rasterize(marks["b"], (16, 16), 2).any()
    assert "only 0 and 255; 255 was taken for 'cell', not for void" in line
    assert "a.png and 1 more" in line


def test_black_and_white_masks_of_more_classes_are_void_and_that_is_said(tmp_path):
    codes = black_and_white(tmp_path)
    marks, (line,) = read(read_masks, tmp_path, THREE)
    np.testing.assert_array_equal(rasterize(marks["a"], (20, 30), 3), codes)
    assert "only 0 and 255; 255 is void, so no pixel is of a class other than 'background'" in line


def test_one_mask_with_a_class_makes_255_void_in_the_whole_folder(tmp_path):
    black_and_white(tmp_path)
    Image.fromarray(np.ones((16, 16), np.uint8)).save(tmp_path / "b.png")
    marks, lines = read(read_masks, tmp_path, TWO)
    assert (rasterize(marks["a"], (20, 30), 2) == 255).sum() == 30
    assert lines == ()


@pytest.mark.parametrize("classes", [TWO, THREE])
def test_black_and_white_scribbles_hold_nothing_but_background_and_that_is_said(tmp_path, classes):
    black_and_white(tmp_path)
    marks, (line,) = read(read_scribbles, tmp_path, classes)
    assert (rasterize(marks["a"], (20, 30), len(classes)) == 0).sum() == 570
    assert "255 is not drawn, so nothing but 'background' is" in line
    black_and_white(tmp_path, more=[1])
    assert read(read_scribbles, tmp_path, classes)[1] == ()


@pytest.mark.parametrize("reader", [read_masks, read_scribbles])
def test_a_small_file_of_billions_of_pixels_is_not_unpacked(tmp_path, reader):
    path = bomb(tmp_path / "a.png")
    with pytest.raises(MarkError, match=r"a\.png is 60000 x 60000 pixels, its picture 20 x 30"):
        reader(tmp_path, SIZES, TWO)
    with pytest.raises(MarkError, match=r"60000 x 60000 pixels, more than 1\.1 billion"):
        read_index_png(path)
