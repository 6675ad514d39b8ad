"""``spml propagate`` with a simple algorithm in the place of the real one."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point
from spml_core.engine import propagate
from spml_core.engine.film_results import FilmResults
from spml_core.project import Project

ENGINE_TESTS = str(Path(__file__).parents[1] / "engine")
sys.path.insert(0, ENGINE_TESTS)  # pytest puts no test folder there

from rule_propagator import SIZE, Rules, frame_pixels, make_film_project  # noqa: E402

COUNT = 10


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A project whose film "swim" of ten frames has marks on frames 2 and 7."""
    monkeypatch.setattr(propagate, "Propagator", Rules)
    with make_film_project(tmp_path, COUNT, marked=(2, 7)) as made:
        return made.path


def read(path):
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.array(image)


def test_labels_a_film_and_writes_a_png_a_frame(path, spml, tmp_path):
    done = spml("propagate", path, "swim", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    *events, end, summary = done.events
    frames = [event for event in events if event["event"] == "frame"]
    assert sorted(event["index"] for event in frames if event["final"]) == list(range(COUNT))
    assert end["event"] == "propagated" and summary["event"] == "summary"
    assert (summary["frames"], summary["computed"], summary["written"]) == (COUNT, COUNT, COUNT)
    assert summary["fps"] == pytest.approx(COUNT / summary["seconds"])
    assert 0 <= summary["mean_confidence"] <= 1 and summary["stopped"] is False
    assert summary["worst_frame"] not in (1, 2, 3, 6, 7, 8)
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == [f"shot{index:03d}.png" for index in range(COUNT)]
    with Project.open(path) as project, FilmResults.of(project, project.film("swim")) as results:
        for index in range(COUNT):
            np.testing.assert_array_equal(
                read(tmp_path / "out" / f"shot{index:03d}.png"), results.labels(index)
            )

    again = spml("propagate", path, "swim")
    assert again.code == 0 and "Propagated to 0 frames" in again.out


@pytest.mark.parametrize(
    ("text", "frames"),
    [("2:5", range(2, 5)), ("8:", range(8, 10)), (":2", range(2)), (":", range(10)), ("9:10", range(9, 10))],
)
def test_ranges_are_those_of_python(path, spml, tmp_path, text, frames):
    done = spml("propagate", path, "swim", "--range", text, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert sorted(file.stem for file in (tmp_path / "out").iterdir()) == [f"shot{i:03d}" for i in frames]
    assert f"Wrote {len(frames)} index PNGs" in done.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--range", "5:5"], "5:5 holds no frame"),
        (["--range", "7:3"], "7:3 holds no frame"),
        (["--range", "0:11"], "up to 11 goes beyond the film 'swim'. It has 10 frames"),
        (["--range", "12:"], "goes beyond the film"),
        (["--range", "-3:4"], "'-3:4' is no range"),
        (["--range", "4"], "'4' is no range"),
        (["--range", ":2", "--direction", "forward"], "All marked frames lie after the range"),
        (["--range", "8:", "--direction", "backward"], "All marked frames lie before the range"),
        (["--direction", "up"], "Unknown direction 'up'"),
    ],
)
def test_impossible_orders_are_one_line_each(path, spml, tmp_path, options, words):
    failed = spml("propagate", path, "swim", *options, "--out", tmp_path / "out")
    assert failed.code == 2
    assert failed.err.count("\n") == 1 and words in failed.err
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_new_is_added(path, spml, tmp_path):
    (tmp_path / "dive").mkdir()
    for index in range(3):
        Image.fromarray(frame_pixels(index)).save(tmp_path / "dive" / f"d{index}.png")
    failed = spml("propagate", path, tmp_path / "dive")
    assert failed.code == 2 and "No frame of the film 'dive' is marked" in failed.err
    with Project.open(path) as project:
        film = project.film("dive")
        project.add_marks({project.frame(film, 1).id: [Point(0, 3, 3), Point(1, 20, 20)]}, "clicks")
        # While a window has it open for writing, a film that is known needs no writing.
        done = spml("propagate", path, tmp_path / "dive", "--json")
    assert done.code == 0, done.err
    assert (done.events[-1]["film"], done.events[-1]["frames"]) == ("dive", 3)

    failed = spml("propagate", path, "nowhere")
    assert failed.code == 2 and failed.err.count("\n") == 1 and "no film 'nowhere'" in failed.err


def test_a_film_that_was_replaced_is_refused(path, spml, tmp_path):
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "swim" / "shot004.png")
    failed = spml("propagate", path, "swim")
    assert failed.code == 2 and failed.err.count("\n") == 1 and "swim" in failed.err


def test_files_that_cant_be_written_are_said(path, spml, tmp_path):
    (tmp_path / "out").write_bytes(b"")
    failed = spml("propagate", path, "swim", "--out", tmp_path / "out")
    assert failed.code == 2 and "out" in failed.err and failed.err.count("\n") == 1
    assert "Propagated to 0 frames" in spml("propagate", path, "swim").out  # they are kept all the same


COMMAND = """
import sys
from rule_propagator import Rules
from spml_core.engine import propagate
propagate.Propagator = Rules
from spml_core.cli.main import run
run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a process")
def test_ctrl_c_keeps_all_and_the_same_command_goes_on(path, spml, tmp_path, monkeypatch):
    monkeypatch.setenv("RULES_PAUSE", "0.1")
    monkeypatch.setenv("PYTHONPATH", ENGINE_TESTS, prepend=":")
    command = [sys.executable, "-u", "-c", COMMAND, "propagate", str(path), "swim", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "span":
                process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 0, err
    assert "Stopping after this frame" in err and "Traceback" not in err
    summary = events[-1]
    assert summary["stopped"] is True and 2 <= summary["computed"] < COUNT
    monkeypatch.setenv("RULES_PAUSE", "0")
    done = spml("propagate", path, "swim", "--json")
    assert done.events[-1]["computed"] == COUNT - summary["computed"]
    assert done.events[-1]["frames"] == COUNT


def test_out_speaks_todays_codes(path, spml, tmp_path):
    assert spml("propagate", path, "swim", "--out", tmp_path / "then").code == 0
    with Project.open(path) as project:
        project.move_class(1, 2)
    assert spml("propagate", path, "swim", "--out", tmp_path / "now").code == 0
    then, now = (read(tmp_path / folder / "shot004.png") for folder in ("then", "now"))
    assert (then == 1).any()
    np.testing.assert_array_equal(now == 2, then == 1)
    np.testing.assert_array_equal(now == 0, then == 0)
