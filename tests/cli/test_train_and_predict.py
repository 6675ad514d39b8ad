"""The real thing, from pictures to predictions, on tiny pictures; and real signals to a real process."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from spml_core.images import Picture
from spml_core.project import Project

COMMAND = [sys.executable, "-u", "-c", "from spml_core.cli.main import run; run()"]


def train_until(project, options, enough):
    """Run ``spml train`` and send Ctrl-C as soon as an event satisfies ``enough``."""
    with subprocess.Popen(
        [*COMMAND, "train", str(project), "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if enough is not None and enough(events[-1]):
                process.send_signal(signal.SIGINT)
                enough = None
        err = process.stderr.read()
    return process.returncode, events, err


def test_from_marks_to_scores(marked, data, spml):
    trained = spml("train", marked, "--preset", "quick", "--max-seconds", 6, "--json")
    assert trained.code == 0, trained.err
    *events, summary = trained.events
    assert summary["event"] == "summary"
    assert summary["stopped"] is False
    assert summary["run"] == "run-0001"
    assert [event["event"] for event in events].count("finished") == 1

    predicted = spml("predict", marked, "--out", data / "out", "--probabilities", "--json")
    assert predicted.code == 0, predicted.err
    assert [event.get("name") for event in predicted.events] == ["a", "b", "c", "d", None]
    for name in "abcd":
        with Image.open(data / "out" / f"{name}.png") as image:
            assert image.mode == "L"  # every reader gives the indexes, not colours
            labels = np.array(image)
        probabilities = np.load(data / "out" / f"{name}.npy", allow_pickle=False)
        assert probabilities.shape == (2, 48, 64)
        assert probabilities.dtype == np.float16
        np.testing.assert_allclose(probabilities.astype(np.float64).sum(axis=0), 1, atol=2e-3)
        assert np.isin(labels, [0, 1]).all()

    words = ["--predictions", data / "out", "--masks", data / "masks", "--classes", data / "classes.json"]
    (scores,) = spml("evaluate", *words, "--json").events
    assert scores["miou"] > 0.8

    other = data / "elsewhere"
    other.mkdir()
    (other / "e.png").write_bytes((data / "images" / "a.png").read_bytes())
    assert spml("predict", marked, "--images", other, "--out", data / "out2").code == 0
    np.testing.assert_array_equal(
        np.array(Image.open(data / "out2" / "e.png")), np.array(Image.open(data / "out" / "a.png"))
    )

    (other / "e.png").write_bytes(b"")
    failed = spml("predict", marked, "--images", other, "--out", data / "out3")
    assert failed.code == 2
    assert failed.err.count("\n") == 1
    assert "e.png" in failed.err
    assert not list((data / "out3").glob("*.png"))


def test_ctrl_c_saves_a_model_that_predicts_and_resume_goes_on(marked, data, spml):
    code, events, err = train_until(
        marked, ["--max-seconds", "600"], lambda event: event["event"] == "step" and event["step"] == 2
    )
    assert code == 0, err
    assert "Stopping after this step" in err
    assert "Traceback" not in err
    summary = events[-1]
    assert summary["stopped"] is True
    assert 2 <= summary["steps"] < max(event.get("total", 0) for event in events)
    assert events[-2]["event"] == "finished"
    with Project.open(marked) as project:
        (run,) = project.runs()
        assert run.state == "stopped"
        assert project.current_run().id == run.id
    assert spml("predict", marked, "--out", data / "out").code == 0

    code, events, err = train_until(
        marked, ["--resume"], lambda event: event["event"] == "step" and event["step"] == summary["steps"] + 3
    )
    assert code == 0, err
    steps = [event["step"] for event in events if event["event"] == "step"]
    assert steps[0] == summary["steps"] + 1


def test_ctrl_c_twice_is_code_130_and_the_project_stays_good(marked, spml):
    process = subprocess.Popen(
        [*COMMAND, "train", str(marked), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert any("Stopping after this step" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        err = process.stderr.read()
    # The second signal may come after the clean stop was over.
    assert process.returncode in (130, 0)
    assert "Traceback" not in err
    with Project.open(marked) as project:
        assert project.mark_counts() == (3, 3)
        assert "running" not in [run.state for run in project.runs()]


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ("image,x,y,class\na,5,5,left\nb,6,6,left\n", ("left",)),
        (None, ("mark",)),
    ],
)
def test_training_needs_two_classes(project, data, spml, state, marks, words):
    if marks:
        (data / "points.csv").write_text(marks)
        assert spml("import", project, "--points", data / "points.csv").code == 0
    before = state(project)
    result = spml("train", project, "--max-seconds", 5)
    assert result.code == 2
    assert result.err.startswith("spml: ")
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.err
    assert state(project) == before


def test_a_class_never_marked_is_said_and_trained_without(data, spml):
    path = data / "n.spml"
    names = ["--class", "left", "--class", "right", "--class", "moon"]
    assert spml("new", path, "--images", data / "images", *names).code == 0
    assert spml("import", path, "--scribbles", data / "scribbles").code == 0
    trained = spml("train", path, "--max-seconds", 3, "--json")
    assert trained.code == 0, trained.err
    (warning,) = [event["message"] for event in trained.events if event["event"] == "warning"]
    assert "moon" in warning
    assert warning in trained.err
    assert spml("predict", path, "--out", data / "out").code == 0
    for name in "abcd":
        assert not (np.array(Image.open(data / "out" / f"{name}.png")) == 2).any()


def test_predict_before_train(marked, data, spml, state):
    before = state(marked)
    result = spml("predict", marked, "--out", data / "out")
    assert result.code == 2
    assert "spml train" in result.err
    assert not (data / "out").exists()
    assert state(marked) == before


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--preset", "fast"], "quick, standard"),
        (["--device", "tpu"], "'tpu'"),
        (["--max-seconds", "-3"], "max_seconds"),
        (["--seed", "-1"], "seed"),
        (["--resume"], "no stopped training"),
    ],
)
def test_train_with_bad_settings_changes_nothing(marked, spml, state, options, word):
    before = state(marked)
    result = spml("train", marked, *options)
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert word in result.err
    assert state(marked) == before


def test_resume_takes_no_settings(marked, spml):
    result = spml("train", marked, "--resume", "--preset", "quick")
    assert result.code == 2
    assert "leave the others out" in " ".join(result.err.split())


def test_a_missing_picture_is_named(marked, data, spml):
    (data / "images" / "a.png").unlink()
    result = spml("train", marked, "--max-seconds", 5)
    assert result.code == 2
    line = result.err.splitlines()[-1]  # the one before may tell of progress
    assert line.startswith("spml: ")
    assert "a.png" in line
    assert "Relink" in line
    assert spml("info", marked, "--json").events[0]["missing"] == ["a"]
    with Project.open(marked) as project:
        assert project.mark_counts() == (3, 3)
        assert project.current_run() is None


def test_a_training_that_learned_nothing_says_so_and_takes_no_models_place(marked, spml, monkeypatch):
    """First one whose time is gone after reading, as from a slow disk, then one that is stopped while it reads."""
    rgb = Picture.rgb

    def slowly(picture):
        time.sleep(0.5)
        return rgb(picture)

    monkeypatch.setattr(Picture, "rgb", slowly)
    hasty = spml("train", marked, "--preset", "quick", "--max-seconds", 1)
    assert hasty.code == 0, hasty.err
    assert "The time was spent on reading; only one step was taken. Give more time." in hasty.out
    code, events, err = train_until(marked, ["--max-seconds", "600"], lambda event: event["event"] == "stage")
    assert code == 0, err
    summary = events[-1]
    assert summary["event"] == "summary" and summary["stopped"]
    assert not any(event["event"] == "step" for event in events)
    with Project.open(marked, write=False) as project:
        assert [run.state for run in project.runs()] == ["finished", "stopped"]
        assert project.current_run().id == "run-0001"
    assert summary["run"] in ("run-0002", None)
