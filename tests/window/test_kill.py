"""The window killed, closed and robbed of its processes while it is at work."""

import os
import random
import signal
import time

import psutil
import pytest
from desktop import wait_for
from project_window import NAMES, SLOW, ProjectWindow

from spml_core.annotations import Scribble
from spml_core.project import Project

LONG = 600  # seconds of training: more than any test takes
COLUMNS, ROWS = 12, 6


def strokes(count):
    """Short lines, each of which begins at another place of the screen."""
    for i in range(count):
        x, y = 340 + 40 * (i % COLUMNS), 200 + 60 * (i // COLUMNS % ROWS)
        yield [(x, y), (x + 14, y + 10), (x + 20, y + 20)]


def beginnings(marks):
    """Where marks begin, in steps of ``strokes``."""
    return [mark.points[0] for mark in marks if isinstance(mark, Scribble)]


def all_marks(window):
    return [mark for marks in window.marks().values() for mark in marks]


def test_strokes_drawn_in_a_hurry_are_all_there(desktop, project_path):
    window = ProjectWindow(desktop, project_path)
    desktop.key("s", "1")
    hand = desktop.hand(strokes(30), pause=0.015)
    assert hand.wait(SLOW) == 0
    window.wait_for_count(30)
    found = beginnings(all_marks(window))
    drawn = [stroke[0] for stroke in strokes(30)]
    assert len(found) == 30
    zoom = (found[1][1] - found[0][1]) / (drawn[1][0] - drawn[0][0])
    for (row, column), (x, y) in zip(found, drawn, strict=True):
        assert column == pytest.approx(found[0][1] + (x - drawn[0][0]) * zoom, abs=0.6)
        assert row == pytest.approx(found[0][0] + (y - drawn[0][1]) * zoom, abs=0.6)


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_no_ended_stroke_is_lost_when_the_program_is_killed(desktop, project_path, rounds):
    rng = random.Random(rounds)
    before = []
    drawn = 0
    for _ in range(rounds):
        window = ProjectWindow(desktop, project_path, watched=True)
        assert all_marks(window) == before
        desktop.key("s", str(rng.choice((1, 2))))
        hand = desktop.hand(strokes(200), pause=0.01)
        # The stroke ended when the window says that it did: before the next thing it does.
        wait_for(lambda: desktop.said_of("saved"), "the first stroke", SLOW)
        time.sleep(rng.uniform(0, 0.6))
        desktop.kill()
        hand.kill()
        hand.wait()
        said = len(desktop.said_of("saved"))
        after = all_marks(window)
        assert after[: len(before)] == before
        # The last may have got to the disk before the window could say so.
        assert said <= len(after) - len(before) <= said + 1
        with Project.open(project_path) as project:  # for writing: the dead window holds nothing any more
            assert project._database.value("PRAGMA integrity_check") == "ok"
            assert len(project.history()) == len(after)
        drawn += said
        before = after
    assert drawn >= rounds


@pytest.fixture
def training_window(desktop, project_path):
    """A window that trains, and has made its first steps."""
    desktop.remember(quick=LONG)
    window = ProjectWindow(desktop, project_path, watched=True)
    desktop.key("s", "1")
    window.draw([(380, 300), (400, 340)])
    desktop.key("2")
    window.draw([(760, 330), (780, 370)])
    desktop.key("ctrl+Return")
    window.wait_for_word("step")
    return window


@pytest.mark.slow
def test_closing_while_training_leaves_nothing_behind_and_the_next_start_offers_to_resume(
    desktop, project_path, training_window
):
    window = training_window
    children = desktop.children()
    assert len(children) >= 2
    desktop.close_window(window.number)
    assert desktop.program.wait(SLOW) == 0
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert len(gone) == len(children)
    assert [run.state for run in window.runs()] == ["stopped"]
    assert window.wait_for_word("closed") == "False"  # torch was never imported
    assert "Traceback" not in desktop.log_text()

    window = ProjectWindow(desktop, project_path, watched=True)
    desktop.click(*window.button("training_resume"))
    window.wait_for_word("step")
    assert [run.state for run in window.runs()] == ["running"]
    desktop.key("ctrl+period")
    window.wait_for_run("stopped")
    window.wait_for_word("training", "idle")
    assert (window.runs()[0].folder / "model.safetensors").exists()


@pytest.mark.slow
def test_pictures_are_turned_and_marked_while_it_trains(desktop, training_window):
    window = training_window
    desktop.key("n")
    window.wait_for_word("shown", NAMES[1])
    live = len(desktop.said_of("overlay"))
    window.wait_for_word("overlay", "True", after=live)  # the preview is of the picture that is shown now
    window.draw([(480, 260), (500, 330)])
    desktop.key("ctrl+z")
    window.wait_for_count(2)
    desktop.key("ctrl+shift+z")
    window.wait_for_count(3)
    window.wait_for_word("step", after=len(desktop.said_of("step")))
    assert [run.state for run in window.runs()] == ["running"]
    desktop.key("ctrl+Return")
    window.wait_for_word("training", "paused")
    steps = len(desktop.said_of("step"))
    window.draw([(480, 360), (500, 430)])
    assert len(desktop.said_of("step")) <= steps + 1  # one may have been on its way
    desktop.key("ctrl+Return")
    window.wait_for_word("step", after=len(desktop.said_of("step")))
    desktop.key("ctrl+period")
    window.wait_for_run("stopped")


@pytest.mark.slow
def test_a_killed_training_process_takes_nothing_with_it(desktop, project_path, training_window):
    window = training_window
    os.kill(int(window.wait_for_word("process")), signal.SIGKILL)
    text = window.wait_for_word("reported", "error: Training was killed")
    assert "memory" in text
    window.wait_for_run("stopped")
    desktop.click(600, 370)
    desktop.key("s", "1")
    window.draw([(480, 260), (500, 330)])
    desktop.key("ctrl+Return")  # and it trains again
    wait_for(lambda: [run.state for run in window.runs()] == ["stopped", "running"], "another run", SLOW)
    window.wait_for_word("step", after=len(desktop.said_of("step")))


def test_a_killed_answering_process_is_started_again(desktop, project_path):
    window = ProjectWindow(desktop, project_path, watched=True)
    first = int(window.wait_for_word("answers"))
    os.kill(first, signal.SIGKILL)
    window.wait_for_word("reported", "warning: The process that labels pictures was killed")
    second = int(window.wait_for_word("answers", after=1))
    assert second != first
    desktop.key("s", "1")
    window.draw([(480, 260), (500, 330)])
