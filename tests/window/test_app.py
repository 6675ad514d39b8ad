"""The whole way, with the real window on a screen of its own, real keys and a real mouse."""

from itertools import pairwise

import numpy as np
import pytest
from desktop import wait_for
from PIL import Image
from project_window import MIDDLE, NAMES, SIZE, SLOW, ProjectWindow

from spml_core.annotations import Patch, Scribble
from spml_core.engine.predictions import PredictionStore
from spml_core.project import Project

# Places of the screen at 1280 x 800: the picture is fitted into the canvas between the docks.
ON_GROUND = [(380, 300), (400, 340), (420, 380), (390, 430)]
ON_LEAF = [(760, 330), (780, 370), (800, 400), (770, 420)]
MORE_GROUND = [(480, 260), (500, 330), (520, 400)]


def draw_both_classes(window):
    desktop = window.desktop
    desktop.key("s", "1")
    window.draw(ON_GROUND)
    desktop.key("2")
    window.draw(ON_LEAF)


def train(window):
    """Start by key and wait for the model."""
    number = len(window.runs())
    window.desktop.key("ctrl+Return")
    wait_for(lambda: len(window.runs()) > number, "a run", SLOW)
    return window.wait_for_run("finished")


def test_mark_train_correct_export_and_reopen(desktop, project_path, tmp_path):
    desktop.remember(quick=12)
    window = ProjectWindow(desktop, project_path)

    # Marks are where the mouse was, and in the class of the key.
    draw_both_classes(window)
    shown, second = NAMES[:2]
    assert list(window.marks()) == [shown]
    ground, leaf = window.marks()[shown]
    assert isinstance(ground, Scribble)
    assert (ground.class_index, leaf.class_index) == (0, 1)
    assert_same_line(ground, ON_GROUND)
    assert_same_line(leaf, ON_LEAF)

    # Undo and redo.
    desktop.key("ctrl+z")
    window.wait_for_count(1)
    desktop.key("ctrl+z")
    window.wait_for_count(0)
    desktop.key("ctrl+shift+z")
    desktop.key("ctrl+shift+z")
    window.wait_for_count(2)
    assert window.marks()[shown] == [ground, leaf]

    # The next picture.
    desktop.key("n", "1")
    wait_for(window.picture_is_there, "the next picture", SLOW)
    window.draw(MORE_GROUND)
    assert set(window.marks()) == {shown, second}

    # Train; the window follows live: the ground gets another colour than the picture's.
    bare = desktop.color(*MIDDLE)
    run = train(window)
    assert (run.folder / "model.safetensors").exists()
    with Project.open(project_path, write=False) as project:
        assert project.current_run().id == run.id
    wait_for(lambda: desktop.color(*MIDDLE) != bare, "the overlay", SLOW)
    wait_for(lambda: has_prediction(project_path, second), "the prediction of the finished model", SLOW)

    # Correct, and accept: the mask is the picture's size and has both classes.
    desktop.key("2")
    window.draw([(700, 400), (730, 420)])
    desktop.key("a")
    wait_for(lambda: window.reviewed() == [second], "the picture to be reviewed", SLOW)
    patch = window.marks()[second][-1]
    assert isinstance(patch, Patch)
    assert patch.accepted == "picture"
    assert patch.labels.shape == SIZE
    assert set(np.unique(patch.labels)) == {0, 1}
    desktop.key("ctrl+z")
    wait_for(lambda: window.reviewed() == [], "the review to be taken back", SLOW)
    desktop.key("ctrl+shift+z")
    wait_for(lambda: window.reviewed() == [second], "the review again", SLOW)

    # Killed while a stroke is drawn: all but that stroke is there.
    before = window.marks()
    hand = desktop.hand([[(380 + i, 300 + i) for i in range(200)]], pause=0.02)
    desktop.kill()
    hand.kill()
    hand.wait()
    assert window.marks() == before

    # Reopened: the same marks, and the model's overlay at once.
    window = ProjectWindow(desktop, project_path)
    assert window.marks() == before
    assert [run.state for run in window.runs()] == ["finished"]
    desktop.key("s", "2")
    window.draw([(700, 300), (720, 320)])
    desktop.close_window(window.number)
    assert desktop.program.wait(SLOW) == 0
    assert "Traceback" not in desktop.log_text()

    # And out of it.
    out = tmp_path / "out"
    desktop.start("export", project_path, "--format", "index-png", "--out", out)
    assert desktop.program.wait(SLOW) == 0, desktop.log_text()[-2000:]
    found = sorted(out.rglob("*.png"))
    assert {path.stem for path in found} >= set(NAMES)
    mask = np.asarray(Image.open(next(path for path in found if path.stem == second)))
    assert mask.shape == SIZE
    np.testing.assert_array_equal(mask, patch.labels)


def has_prediction(path, name):
    with Project.open(path, write=False) as project:
        run = project.current_run()
        return run is not None and name in PredictionStore(project).names(run)


def assert_same_line(mark, places):
    """The mark lies on the line through the places: only moved, and as much smaller down as across.

    A busy window misses places between, so that it need not be all of the line.
    """
    drawn = np.array(places, float)[:, ::-1]
    points = np.array(mark.points)
    down, across = (points[-1] - points[0]) / (drawn[-1] - drawn[0])
    assert down == pytest.approx(across, rel=0.2)
    line = (drawn - drawn[0]) * down + points[0]
    dense = np.concatenate(
        [np.linspace(a, b, 50) for a, b in pairwise(line)]  # (n, 2)
    )
    for point in points:
        assert np.hypot(*(dense - point).T).min() < 2
