"""Masks and predictions as other programs save them, on the command line."""

import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image


def bomb(path):
    """A PNG of few bytes that says it has billions of pixels of one bit."""
    chunks = (
        (b"IHDR", struct.pack(">2I5B", 60_000, 60_000, 1, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
    )
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (*chunks, (b"IEND", b""))
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def in_black_and_white(folder, to):
    to.mkdir()
    for path in folder.glob("*.png"):
        Image.fromarray((np.asarray(Image.open(path)) * 255).astype(np.uint8)).save(to / path.name)
    return to


def scores(spml, data, predictions, masks, *more):
    words = ["--predictions", predictions, "--masks", masks, "--classes", data / "classes.json", "--json"]
    result = spml("evaluate", *words, *more)
    assert result.code == 0, result.err
    return result.events[-1]["iou"], result.err


@pytest.mark.parametrize("white", [("masks",), ("predictions",), ("masks", "predictions")])
def test_evaluate_takes_white_for_the_second_of_two_classes(data, spml, white):
    folders = {"masks": data / "masks", "predictions": data / "guesses"}
    shutil.copytree(data / "masks", folders["predictions"])
    for kind in white:
        folders[kind] = in_black_and_white(data / "masks", data / f"white {kind}")
    iou, err = scores(spml, data, folders["predictions"], folders["masks"])
    assert iou == {"left": 1, "right": 1}
    assert err.count("255 was taken for 'right', not for void") == len(white)
    for kind in white:
        assert f"The {kind} hold only 0 and 255" in err


def test_evaluate_says_that_white_masks_of_three_classes_are_void(data, spml):
    (data / "classes.json").write_text('{"0": "left", "1": "right", "2": "middle"}')
    masks = in_black_and_white(data / "masks", data / "white")
    iou, err = scores(spml, data, data / "masks", masks)
    assert 0 < iou["left"] <= 1 and iou["middle"] is None
    assert "The masks hold only 0 and 255; 255 is void" in err


def test_evaluating_a_film_takes_white_for_the_second_class(data, spml):
    masks = in_black_and_white(data / "masks", data / "white")
    frames = data / "frames"
    frames.mkdir()
    for path in (data / "images").rglob("*.png"):
        shutil.copy(path, frames / path.name)
    iou, err = scores(spml, data, data / "masks", masks, "--video", frames, "--flow", "identity")
    assert iou == {"left": 1, "right": 1}
    assert "The masks hold only 0 and 255; 255 was taken for 'right'" in err
    bomb(masks / "a.png")
    words = ["--predictions", data / "masks", "--masks", masks, "--classes", data / "classes.json"]
    complaint = spml("evaluate", *words, "--video", frames, "--flow", "identity").complaint()
    assert "the truth is 60000 x 60000 pixels, the film 48 x 64" in complaint


@pytest.mark.parametrize("side", ["masks", "guesses"])
def test_evaluate_unpacks_no_file_of_another_size(data, spml, side):
    shutil.copytree(data / "masks", data / "guesses")
    bomb(data / side / "b.png")
    words = ["--predictions", data / "guesses", "--masks", data / "masks", "--classes"]
    assert "60000 x 60000" in spml("evaluate", *words, data / "classes.json").complaint()
    for folder in ("masks", "guesses"):
        bomb(data / folder / "b.png")
    assert "more than 1.1 billion" in spml("evaluate", *words, data / "classes.json").complaint()


def test_a_bomb_among_masks_is_one_line(data, spml, project):
    bomb(data / "masks/b.png")
    assert (
        "60000 x 60000 pixels, its picture 48 x 64"
        in spml("import", project, "--masks", data / "masks").complaint()
    )
