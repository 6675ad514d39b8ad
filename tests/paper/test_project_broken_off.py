"""A published method on a project, stopped, closed, paused and killed: it goes on as if nothing had been."""

import json
import os
import signal
import subprocess
import sys

import pytest
from paper_projects import STEPS, options
from paper_tree import NAMES

from spml_core.annotations import Point, Tag
from spml_core.engine.predict_project import current_model
from spml_core.engine.run_control import begin_run
from spml_core.engine.train_project import train_project, train_run
from spml_core.project import Project
from spml_core.training import CheckpointSaved, Finished, StageProgress, StepDone, Warned
from spml_core.training.pulse import Supervision


def model_files(run):
    return (run.folder / "model.safetensors").read_bytes()


def steps_of(events):
    return [event.step for event in events if isinstance(event, StepDone)]


@pytest.mark.parametrize("after", ["embedding 3", "pseudo_labels", f"head {STEPS + 2}"])
def test_stopped_and_resumed_ends_as_unbroken(scribbled, config, after):
    list(train_project(scribbled, config))
    unbroken = scribbled.current_run()
    heard = []

    def should_stop():
        last = heard[-1]
        where = f"{stage()} {last.step}" if isinstance(last, StepDone) else getattr(last, "stage", "")
        return where == after

    def stage():
        return next(event.stage for event in reversed(heard) if isinstance(event, StageProgress))

    for event in train_project(scribbled, config, should_stop=should_stop):
        heard.append(event)  # noqa: PERF402 - looked at while it grows
    run = scribbled.current_run()
    assert (run.id, run.state) == ("run-0002", "stopped")
    assert isinstance(heard[-1], Finished) and heard[-1].stopped
    assert len(current_model(scribbled, "cpu").bank) > 0
    resumed = list(train_project(scribbled, config, resume=True))
    assert steps_of(heard) + steps_of(resumed) == list(range(1, 2 * STEPS + 1))
    assert resumed[-1].step == 2 * STEPS and resumed[-1].seconds > heard[-1].seconds
    assert scribbled.run(run.id).state == "finished"
    assert model_files(scribbled.run(run.id)) == model_files(unbroken)


def test_stopped_before_there_is_a_model(scribbled, config, spml, monkeypatch):
    events = list(train_project(scribbled, config, should_stop=lambda: True))
    assert not any(isinstance(event, Finished) for event in events)
    assert scribbled.runs()[-1].state == "stopped" and scribbled.current_run() is None
    path = scribbled.path
    scribbled.close()
    monkeypatch.setattr("spml_core.cli.train.stop_on_interrupt", _at_once)
    code, out, err = spml("train", path, "--resume", "--device", "cpu")
    assert code == 0, err
    assert "before there was a model" in out


class _at_once:  # noqa: N801 - stands in for a function
    """As if Ctrl-C had come before anything else."""

    def __init__(self, tell):
        pass

    def __enter__(self):
        return lambda: True

    def __exit__(self, *trouble):
        pass


def test_closed_after_a_checkpoint_there_is_a_model(scribbled, config):
    events = train_project(scribbled, config)
    for event in events:
        if isinstance(event, CheckpointSaved):
            break
    events.close()
    assert event.path == str(scribbled.current_run().folder)
    assert scribbled.current_run().state == "stopped"
    assert current_model(scribbled, "cpu").network.num_classes == len(NAMES)


def test_a_run_goes_on_with_the_marks_it_began_with(scribbled, config):
    list(train_project(scribbled, config))
    unbroken = scribbled.current_run()
    heard = []
    for event in train_project(scribbled, config, should_stop=lambda: len(steps_of(heard)) == 2):
        heard.append(event)  # noqa: PERF402 - looked at while it grows
    scribbled.add_marks({r.id: [Point(1, 5, 5), Tag(2)] for r in scribbled.pictures}, "later")
    resumed = list(train_project(scribbled, config, resume=True))
    assert any(isinstance(event, Warned) and "Train anew" in event.message for event in resumed)
    assert model_files(scribbled.current_run()) == model_files(unbroken)


def test_pauses_count_no_time(scribbled, config):
    run = begin_run(scribbled, config)
    asked = []

    def pausing():
        asked.append(1)
        return len(asked) % 2 == 1

    events = list(train_run(scribbled, run, supervision=Supervision(pausing=pausing)))
    assert isinstance(events[-1], Finished) and len(asked) > 2 * STEPS


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_and_resumed_ends_as_unbroken(scribbled, config, weights):
    list(train_project(scribbled, config))
    unbroken, path = scribbled.current_run(), scribbled.path
    scribbled.close()
    program = [
        sys.executable,
        "-u",
        "-c",
        "from spml_core.cli.main import run; run()",
        "train",
        str(path),
        "--json",
    ]
    enough = {"checkpoint", "pseudo_labels"}
    words = ["--preset", "paper-scribbles", *options(weights)]
    while enough:
        with subprocess.Popen(
            [*program, *words], stdout=subprocess.PIPE, text=True, env=_one_thread()
        ) as process:
            for line in process.stdout:
                event = json.loads(line)
                if found := {event["event"], event.get("stage")} & enough:
                    enough -= found
                    process.send_signal(signal.SIGKILL)
                    break
        words = ["--resume", "--device", "cpu"]
    with Project.open(path) as project:
        assert project.runs()[-1].state == "stopped"
        list(train_project(project, config, resume=True))
        assert project.current_run().id == "run-0002"
        assert model_files(project.current_run()) == model_files(unbroken)


def _one_thread():
    return os.environ | {"OMP_NUM_THREADS": "1"}
