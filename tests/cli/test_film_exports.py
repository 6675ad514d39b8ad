"""``spml export --film`` and ``spml evaluate --video``: what they say, write, and refuse in one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.io.exports.films import FILM_FORMATS
from spml_core.project import Project

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))  # pytest puts no test folder there
from small_films import (
    COUNT,
    SIZE,
    accept,
    labels_of,
    make_project,
    put,
    write_sequence,
    write_stack,
    write_video,
)

COMMAND = [sys.executable, "-c", "from spml_core.cli.main import run; run()"]


@pytest.fixture
def project(tmp_path):
    """A project with a still and a film "clip", to whose first four frames something was propagated."""
    with make_project(tmp_path, [write_video(tmp_path / "v" / "clip.mp4")]) as opened:
        put(opened, opened.film("clip"), range(4))
    return tmp_path / "p.spml"


@pytest.fixture
def files(tmp_path):
    """Frames, predictions, masks of two frames, and classes."""
    write_sequence(tmp_path / "shots")
    for folder, indices in (("predictions", range(COUNT)), ("masks", (0, 4))):
        (tmp_path / folder).mkdir()
        for index in indices:
            Image.fromarray(labels_of(index)).save(tmp_path / folder / f"shots_{index:06d}.png")
    (tmp_path / "classes.json").write_text('{"0": "background", "1": "ball", "255": "void"}')
    return tmp_path


@pytest.mark.parametrize("format", FILM_FORMATS)
def test_every_format_says_what_it_wrote(project, tmp_path, spml, format):
    result = spml("export", project, "--film", "clip", "--format", format, "--out", tmp_path / "o", "--json")
    assert result.code == 0, result.err
    *steps, summary = result.events
    assert [step["event"] for step in steps] == ["exported"] * 4 + ["skipped"] * 2
    assert summary == {"event": "summary", "frames": 4, "skipped": 2, "out": str(tmp_path / "o")}
    for step in steps[:4]:
        assert Path(step["path"]).exists()


def test_frames_without_labels_are_counted(project, tmp_path, spml):
    result = spml("export", project, "--film", "clip", "--format", "tiff", "--out", tmp_path / "o")
    assert result.code == 0
    assert "Exported 4 frames" in result.out
    assert f"2 of 6 frames have no labels: run spml propagate {project} clip" in result.out
    stack = tifffile.imread(tmp_path / "o" / "clip.tif")
    np.testing.assert_array_equal(stack[3], labels_of(3))
    np.testing.assert_array_equal(stack[4:], 255)


def test_only_reviewed_frames(project, tmp_path, spml):
    words = ("--film", "clip", "--format", "index-png", "--out", tmp_path / "o", "--reviewed")
    assert "No frame of the film 'clip' was reviewed" in spml("export", project, *words).complaint()
    with Project.open(project) as opened:
        accept(opened, opened.film("clip"), 5, 2)
    result = spml("export", project, *words)
    assert (result.code, result.out) == (0, f"Exported 1 frames to {tmp_path / 'o'}.\n")
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["classes.json", "clip_000005.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--film", "walk", "--format", "tiff"], ("'walk'", "clip")),
        (["--film", "clip", "--format", "overlay"], ("'overlay' for films", "overlay-mp4")),
        (["--film", "clip", "--format", "tiff", "--run", "run-0001"], ("--run", "--film")),
        (["--film", "clip", "--format", "overlay-mp4", "--opacity", "2"], ("opacity is 2.0",)),
    ],
)
def test_bad_wishes_change_nothing(project, tmp_path, spml, state, words, said):
    before = state(project)
    line = spml("export", project, "--out", tmp_path / "o", *words).complaint()
    for word in said:
        assert word in line
    assert not (tmp_path / "o").exists()
    assert state(project) == before


def test_the_films_own_folder(project, tmp_path, spml):
    for format in ("overlay-mp4", "index-png", "tiff", "ome-zarr"):
        words = ("--film", "clip", "--format", format)
        line = spml("export", project, *words, "--out", tmp_path / "v").complaint()
        assert "holds films of the project" in line
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["clip.mp4"]


def has_content(folder):
    """Whether bytes have come to a file in it."""
    try:
        return any(path.is_file() and path.stat().st_size for path in folder.rglob("*"))
    except FileNotFoundError:  # it got its name this moment
        return True


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("format", ["tiff", "overlay-mp4", "ome-zarr"])
def test_after_ctrl_c_nothing_half_written_stays(tmp_path, format):
    with make_project(tmp_path, [write_stack(tmp_path / "long.tif", 1500)]) as opened:
        put(opened, opened.film("long"), [0], labels=lambda index: np.ones((256, 256), np.uint8))
    out = tmp_path / "o"
    words = ["export", tmp_path / "p.spml", "--film", "long", "--format", format, "--out", out]
    process = subprocess.Popen([*COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not has_content(out):
            time.sleep(0.005)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert said.count("\n") == 1
    assert list(out.iterdir()) == []


def test_evaluate_a_film(files, spml):
    words = ("evaluate", "--predictions", files / "predictions", "--classes", files / "classes.json")
    film = ("--video", files / "shots")
    result = spml(*words, *film, "--masks", files / "masks", "--flicker", files / "f.png", "--json")
    assert result.code == 0, result.err
    (summary,) = result.events
    assert (summary["frames"], summary["scored"], summary["pairs"]) == (6, 2, 5)
    assert summary["miou"] == 1
    assert summary["iou"] == {"background": 1, "ball": 1}
    assert 0.9 < summary["consistency_corrected"] <= 1
    assert 0 < summary["consistency_literature"] <= summary["consistency_corrected"]
    with Image.open(files / "f.png") as shown:
        assert shown.size == SIZE[::-1]
    result = spml(*words, *film, "--masks", files / "masks", "--flow", "identity")
    assert "Intersection over union, 2 frames:" in result.out
    assert "Temporal consistency, 5 pairs of frames, flow identity:" in result.out
    assert "corrected" in result.out
    result = spml(*words, *film, "--flow", "identity", "--json")
    assert "miou" not in result.events[0]
    assert result.events[0]["consistency_corrected"] < summary["consistency_corrected"]


def test_what_evaluate_refuses(files, spml):
    words = ["evaluate", "--predictions", files / "predictions", "--classes", files / "classes.json"]
    film = ["--video", files / "shots"]
    assert "--masks DIR, or --video FILM" in spml(*words).complaint()
    assert (
        "needs a film" in spml(*words, "--masks", files / "masks", "--flicker", files / "f.png").complaint()
    )
    assert "f.gif" in spml(*words, *film, "--flicker", files / "f.gif").complaint()
    assert "'fast'" in spml(*words, *film, "--flow", "fast").complaint()
    assert "none" in spml(*words, "--video", files / "none").complaint()
    (files / "predictions" / "shots_000003.png").rename(files / "predictions" / "shots_000099.png")
    (files / "predictions" / "shots_000002.png").unlink()
    assert "shots_000099.png fits no frame" in spml(*words, *film).complaint()


def test_exported_frames_can_be_evaluated(project, tmp_path, spml):
    out = tmp_path / "o"
    assert spml("export", project, "--film", "clip", "--format", "index-png", "--out", out).code == 0
    result = spml(
        "evaluate", "--video", tmp_path / "v" / "clip.mp4", "--predictions", out, "--masks", out,
        "--classes", out / "classes.json", "--json",
    )  # fmt: skip
    assert result.code == 0, result.err
    (summary,) = result.events
    assert (summary["frames"], summary["scored"], summary["pairs"], summary["miou"]) == (4, 4, 3, 1)
