"""The training control, with processes that are really spawned and behave, or misbehave, as told."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_napari.session import Session
from spml_napari.training_control import TrainingControl

LONG = 30_000


@pytest.fixture
def control(session, qtbot, monkeypatch):
    """Makes a control whose child runs the named target; everything it says and reports is kept in lists."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    made = []

    def make(target):
        control = TrainingControl(session, target=f"child_targets:{target}")
        control.states, control.steps, control.ends, control.told = [], [], [], []
        control.state_changed.connect(control.states.append)
        control.stepped.connect(control.steps.append)
        control.finished.connect(lambda *end: control.ends.append(end))
        session.reported.connect(lambda level, text: control.told.append((level, text)))
        made.append(control)
        return control

    yield make
    for control in made:
        control.close()
    left = [c for c in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(c.cmdline())]
    assert not left


def run_of(session):
    return session.project.runs()[-1]


def said(control, pattern):
    return [text for _, text in control.told if re.search(pattern, text)]


def test_from_start_to_end(control, session, qtbot):
    control = control("train_to_the_end")
    progress, changes = [], []
    control.progressed.connect(lambda *told: progress.append(told))
    session.runs_changed.connect(lambda: changes.append(control.is_training))
    assert control.start(max_seconds=60, device="cpu")
    assert control.states == ["preparing"]
    assert run_of(session).state == "running"
    assert run_of(session).config["max_seconds"] == 60
    assert not control.start()  # one at a time
    assert control.resumable() is None
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    run = run_of(session)
    assert control.states == ["preparing", "training", "idle"]
    assert control.ends == [(run.id, 0.75)]
    assert run.state == "finished"
    assert session.project.current_run() == run
    assert [event.step for event in control.steps] == [1, 2, 3, 4, 5]
    assert [stage for stage, _, _ in progress][1:3] == [
        "Reading the pictures, 1 of 3",
        "Learning, step 1 of 100",
    ]
    fractions = [fraction for _, fraction, _ in progress]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert control.warnings.count("the same") == 1
    assert f"project={str(session.project.path)!r}" in control.warnings[0]
    assert "continue_from=None" in control.warnings[0]
    assert said(control, "75%")
    assert changes == [True, False]  # made; ended, and then idle already


def test_training_goes_on_from_the_current_model_unless_told_otherwise(control, session, qtbot):
    control = control("train_to_the_end")
    for count, (scratch, expected) in enumerate([(False, None), (False, "run-0001"), (True, None)], 1):
        assert control.start(from_scratch=scratch)
        qtbot.waitUntil(lambda n=count: len(control.ends) == n, timeout=LONG)
        assert f"continue_from={expected!r}" in control.warnings[0]


def test_marks_and_pictures_are_passed_on_and_previews_shown(control, session, qtbot):
    control = control("train_until_stopped")
    control.start()
    first, second = (session.project.picture(name).id for name in ("first", "second"))
    qtbot.waitUntil(lambda: session.prediction is not None, timeout=LONG)
    assert session.prediction.live
    assert session.prediction.picture_id == first
    assert session.prediction.run_id == control.run_id
    session.go_to(second)
    assert session.prediction is None
    qtbot.waitUntil(lambda: session.prediction is not None, timeout=LONG)
    assert session.prediction.picture_id == second
    session.add_marks([Point(1, 5, 5)], "Point")
    qtbot.waitUntil(lambda: f"MarksChanged(picture_ids=({second},))" in control.warnings, timeout=LONG)
    assert f"ShowPicture(picture_id={second}, shrink=1)" in control.warnings
    session.edit_classes(lambda project: project.rename_class(0, "ground"), "renamed")
    qtbot.waitUntil(lambda: "MarksChanged(picture_ids=())" in control.warnings, timeout=LONG)


def test_pause_continue_and_stop(control, session, qtbot):
    control = control("train_until_stopped")
    control.toggle()
    qtbot.waitUntil(lambda: len(control.steps) > 2, timeout=LONG)
    control.toggle()
    assert control.state == "paused"
    qtbot.waitUntil(lambda: "Pause()" in control.warnings, timeout=LONG)
    steps = len(control.steps)
    qtbot.wait(100)
    assert len(control.steps) == steps
    assert control.state == "paused"
    control.toggle()
    assert control.state == "training"
    qtbot.waitUntil(lambda: len(control.steps) > steps, timeout=LONG)
    control.stop()
    assert control.state == "stopping"
    control.toggle()  # means nothing now
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert control.states == ["preparing", "training", "paused", "training", "stopping", "idle"]
    assert run_of(session).state == "stopped"
    assert control.ends == [(run_of(session).id, None)]


def test_a_stopped_run_can_be_resumed(control, session, qtbot):
    control = control("train_until_stopped")
    assert not control.start(resume=True)
    assert said(control, "no stopped training")
    control.start()
    control.stop()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    run = control.resumable()
    assert run == run_of(session)
    assert control.start(resume=True)
    assert control.run_id == run.id
    assert run_of(session).state == "running"
    control.stop()
    qtbot.waitUntil(lambda: len(control.ends) == 2, timeout=LONG)
    assert len(session.project.runs()) == 1


def test_stop_twice_does_not_wait(control, session, qtbot):
    control = control("train_and_not_listen")
    control.start()
    qtbot.waitUntil(lambda: bool(control.steps), timeout=LONG)
    control.stop()
    qtbot.wait(50)
    assert control.state == "stopping"
    control.stop()
    assert control.state == "idle"
    assert run_of(session).state == "stopped"
    assert said(control, "stopped at once. The last checkpoint")


def test_being_killed_is_told_and_the_checkpoint_is_usable(control, session, qtbot):
    control = control("train_and_be_killed")
    control.start()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert control.state == "idle"
    assert said(control, r"killed \(signal 9\), perhaps for lack of memory.*model of step 40 is current")
    assert session.project.current_run() == run_of(session)
    assert control.resumable() == run_of(session)


def test_being_killed_from_outside_while_paused(control, session, qtbot):
    control = control("train_until_stopped")
    control.start()
    qtbot.waitUntil(lambda: bool(control.steps), timeout=LONG)
    control.pause()
    os.kill(control._child.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert said(control, "killed")
    assert control.start()  # the window goes on


def test_being_killed_before_anything_was_saved(control, session, qtbot):
    control = control("be_killed_before_training")
    control.start()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert said(control, "saved nothing yet")
    assert session.project.current_run() is None
    assert control.resumable() == run_of(session)


def test_a_failure_is_told_with_its_remedy(control, session, qtbot):
    control = control("train_and_say_why_not")
    control.start()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert ("error", "The picture 'x' can't be read. Take it out of the project.") in control.told
    assert run_of(session).state == "failed"
    assert control.resumable() is None


def test_an_unexpected_end_is_told(control, session, qtbot):
    control = control("crash")
    control.start()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert said(control, r"unexpectedly \(exit code 7\)")


@pytest.mark.parametrize("target", ["train_until_stopped", "train_and_not_listen"])
def test_close_leaves_a_run_to_resume_and_no_process(control, session, qtbot, target):
    control = control(target)
    control.start()
    qtbot.waitUntil(lambda: bool(control.steps), timeout=LONG)
    pid = control._child.pid
    control.close(timeout=0.1)
    assert not psutil.pid_exists(pid)
    assert run_of(session).state == "stopped"
    path = session.project.path
    session.close()
    later = Session()
    assert later.open(path)
    assert TrainingControl(later).resumable().id == control.run_id
    later.close()


def test_closing_or_changing_the_project_ends_its_training(control, session, qtbot):
    control = control("train_until_stopped")
    control.start()
    path, pid = session.project.path, control._child.pid
    session.close()
    assert control.state == "idle"
    assert not psutil.pid_exists(pid)
    with Project.open(path) as project:
        assert project.runs()[-1].state == "stopped"


def test_what_cannot_be_trained_is_reported(control, session, qtbot, tmp_path):
    control = control("train_to_the_end")
    assert not control.start(preset="thorough")
    assert said(control, "Unknown preset 'thorough'")
    folder = tmp_path / "one"
    folder.mkdir()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "a.png")
    session.create(tmp_path / "unmarked.spml", folder, ClassTable.from_names(["a", "b"]))
    assert not control.start()
    assert control.told[-1][0] == "error"
    assert session.project.runs() == ()
    session.close()
    assert not control.start()
    assert said(control, "No project is open")
    assert control.states == []


def test_a_flood_of_steps_and_previews_comes_through(control, session, qtbot):
    control = control("train_fast")
    control.start()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=LONG)
    assert [event.step for event in control.steps] == list(range(1, 2001))
