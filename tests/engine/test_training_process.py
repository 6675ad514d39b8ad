"""The training process, really spawned, through its pipe alone."""

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from training_child import CONFIG, order

from spml_core.annotations import Point
from spml_core.engine.background.messages import (
    Continue,
    Failed,
    MarksChanged,
    Pause,
    Preview,
    ShowPicture,
    Stop,
    Trained,
)
from spml_core.engine.predict_project import current_model, predict_project
from spml_core.engine.run_control import begin_run, end_run
from spml_core.engine.train_project import train_run
from spml_core.io import read_index_png
from spml_core.training import CheckpointSaved, Finished, StageProgress, StepDone


@pytest.fixture
def project(halves_project):
    return halves_project


def test_trains_to_the_end_shows_previews_and_writes_no_database(project, spawn):
    run = begin_run(project, CONFIG.changed(steps=5))
    shown = project.pictures[3].id  # one that isn't marked
    child = spawn(order(project, run, shown=shown))
    end = child.hear_kind(Trained)
    assert child.join() == 0 and not end.stopped
    previews = [m for m in child.heard if isinstance(m, Preview)]
    assert previews and all((p.picture_id, p.shrink) == (shown, 1) for p in previews)
    last = previews[-1].labels
    assert last.shape == (48, 64) and last.dtype == np.uint8
    assert (last[:, :26] == 0).all() and (last[:, 38:] == 1).all()
    assert {m.stage for m in child.heard if isinstance(m, StageProgress)} >= {"features", "start"}
    assert any(isinstance(m, Finished) for m in child.heard)
    assert [m["step"] for m in run.metrics() if m["event"] == "step"] == [1, 2, 3, 4, 5]
    # The child only read: what the run came to is for the window to say.
    assert project.run(run.id).state == "running" and project.current_run() is None
    end_run(project, run.id, "finished")
    assert current_model(project).class_names == ("red", "blue", "other")


def test_metrics_get_every_step_and_the_window_some(project, spawn):
    run = begin_run(project, CONFIG.changed(steps=200))
    child = spawn(order(project, run))
    child.hear_kind(Trained)
    told = [m.step for m in child.heard if isinstance(m, StepDone)]
    assert len([m for m in run.metrics() if m["event"] == "step"]) == 200
    assert told == sorted(told) and told[-1] == 200 and len(told) < 200


def test_stop_leaves_a_model_that_can_be_gone_on_from(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run))
    child.hear_kind(StepDone)
    child.say(Stop())
    assert child.hear_kind(Trained).stopped and child.join() == 0
    end_run(project, run.id, "stopped")
    model = current_model(project)
    assert len(model.bank) > 0
    again = begin_run(project, CONFIG.changed(steps=3))
    other = spawn(order(project, again, continue_from=run.id, shown=project.pictures[0].id))
    # The earlier model is shown before anything is read.
    first = other.hear_kind(Preview, StepDone)
    assert isinstance(first, Preview) and first.step == 0
    assert (first.labels[:, :26] == 0).all() and (first.labels[:, 38:] == 1).all()
    assert not other.hear_kind(Trained).stopped


def test_stop_before_there_is_a_model(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn()
    child.say(order(project, run))
    child.say(Stop())
    assert child.hear_kind(Trained) == Trained(True, None)
    assert not (run.folder / "model.safetensors").exists()
    end_run(project, run.id, "stopped")
    assert project.current_run() is None and project.run(run.id).state == "stopped"


def test_pause_and_continue(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run, shown=project.pictures[0].id))
    child.hear_kind(StepDone)
    child.say(Pause())
    # A picture shown while it pauses is previewed; what is told after that is no step.
    child.say(ShowPicture(project.pictures[1].id))
    child.hear(lambda m: isinstance(m, Preview) and m.picture_id == project.pictures[1].id)
    child.say(ShowPicture(project.pictures[2].id))
    preview = child.hear(lambda m: isinstance(m, Preview) and m.picture_id == project.pictures[2].id)
    taken = len([m for m in run.metrics() if m["event"] == "step"])
    assert preview.step == taken
    child.say(ShowPicture(project.pictures[3].id, 3))
    preview = child.hear(lambda m: isinstance(m, Preview) and m.picture_id == project.pictures[3].id)
    assert preview.labels.shape == (16, 22) and preview.shrink == 3
    assert len([m for m in run.metrics() if m["event"] == "step"]) == taken
    child.say(Continue())
    assert child.hear_kind(StepDone).step > taken
    child.say(Stop())
    child.hear_kind(Trained)


def test_marks_made_meanwhile_are_used(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run, shown=project.pictures[3].id))
    child.hear_kind(StepDone)
    # Everything blue is "other" from now on.
    for record in project.pictures[:3]:
        (_, blue) = project.marks(record.id)
        project.remove_marks([blue])
        project.add_marks({record.id: [Point(2, 24, 50), Point(2, 12, 44)]}, "corrected")
    child.say(MarksChanged(tuple(record.id for record in project.pictures[:3])))
    child.hear(lambda m: isinstance(m, Preview) and (m.labels[:, 40:] == 2).mean() > 0.9)
    assert any(isinstance(m, StageProgress) and m.stage == "marks" for m in child.heard)
    child.say(Stop())
    child.hear_kind(Trained)


def test_previews_speak_todays_codes(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run, shown=project.pictures[3].id))
    child.hear_kind(StepDone)
    project.move_class(2, 0)
    project.move_class(1, 2)
    child.say(MarksChanged(()))
    child.hear(lambda m: isinstance(m, Preview) and (m.labels[:, :24] == 2).all())
    child.say(Stop())
    child.hear_kind(Trained)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_in_the_middle_it_can_be_resumed(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run))
    child.hear_kind(CheckpointSaved)
    os.kill(child.process.pid, signal.SIGKILL)
    assert child.join() == -signal.SIGKILL
    end_run(project, run.id, "stopped")
    assert current_model(project).network.num_classes == 3
    other = spawn(order(project, run, resume=True))
    first = other.hear_kind(StepDone)
    assert first.step > 1
    other.say(Stop())
    assert other.hear_kind(Trained).stopped


def test_a_window_that_goes_ends_it_and_the_model_is_kept(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run))
    child.hear_kind(StepDone)
    child.pipe.close()
    assert child.join() == 0
    end_run(project, run.id, "stopped")
    assert len(current_model(project).bank) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a process")
def test_interrupts_are_for_the_window(project, spawn):
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run))
    child.hear_kind(StepDone)
    os.kill(child.process.pid, signal.SIGINT)
    child.hear_kind(StepDone)
    child.say(Stop())
    assert child.hear_kind(Trained).stopped and child.join() == 0


def test_errors_are_told_with_a_remedy(project, spawn):
    run = begin_run(project, CONFIG)
    project.open_picture(project.pictures[0]).path.unlink()
    failed = spawn(order(project, run)).hear(lambda m: isinstance(m, Failed))
    assert "p0" in failed.error and "Relink" in failed.remedy


def test_a_bug_is_told_and_its_traceback_kept(project, spawn, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "state"))
    run = begin_run(project, CONFIG)
    child = spawn(order(project, run))
    child.say("nonsense")
    failed = child.hear(lambda m: isinstance(m, Failed))
    assert "type str" in failed.error
    (log,) = (tmp_path / "state").rglob("bug-*.log")
    assert str(log) in failed.remedy and "Traceback" in log.read_text(encoding="utf-8")


def test_the_window_hears_and_begins_without_torch(project):
    event = pickle.dumps([StepDone(1, 2, {"total": 0.5}, 3.0), Finished(1, 2.0, False, None)])
    script = (
        "import pickle, sys\n"
        "import spml_core.engine.run_control, spml_core.engine.background.training_process\n"
        "import spml_core.engine.background.messages\n"
        f"print(pickle.loads({event!r}))\n"
        "assert 'torch' not in sys.modules and 'timm' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_same_result_as_without_a_process(project, spawn, tmp_path):
    config = CONFIG.changed(steps=5)
    runs = [begin_run(project, config) for _ in range(2)]
    spawn(order(project, runs[0])).hear_kind(Trained)
    list(train_run(project, runs[1]))
    mine, theirs = ([m["losses"] for m in run.metrics() if m["event"] == "step"] for run in runs)
    assert mine == theirs
    for run in runs:
        end_run(project, run.id, "finished")
    assert project.current_run().id == runs[1].id
    for done in predict_project(project, tmp_path / "out"):
        assert (read_index_png(done.path)[:, :28] == 0).all()
