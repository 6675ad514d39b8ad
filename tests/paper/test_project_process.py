"""A published method in the window's two processes: the one that trains and the one that answers."""

import multiprocessing

import numpy as np
import pytest
from paper_projects import SIZE, STEPS

from spml_core.engine.background.answers import Answers
from spml_core.engine.background.messages import (
    AskSeeds,
    AskWhy,
    Failed,
    Pause,
    Predict,
    PredictAll,
    Prediction,
    Reasons,
    SeedsAnswer,
    Stop,
    Stored,
    Trained,
    TrainingOrder,
)
from spml_core.engine.background.training_process import serve_training
from spml_core.engine.export import export_project
from spml_core.engine.run_control import begin_run, end_run
from spml_core.engine.train_project import train_project
from spml_core.io import read_index_png
from spml_core.training import StageProgress, StepDone

SECONDS = 240


@pytest.fixture
def spawn():
    """Begin a training process with an order; gives our end of its pipe."""
    processes = []

    def begin(order):
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve_training, args=(theirs,))
        process.start()
        theirs.close()
        processes.append((process, ours))
        ours.send(order)
        return ours

    yield begin
    for process, ours in processes:
        ours.close()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()


def hear(pipe, kind):
    """Messages up to the first of a kind."""
    heard = []
    while not (heard and isinstance(heard[-1], kind)):
        assert pipe.poll(SECONDS), f"silence after {heard[-3:]}"
        heard.append(pipe.recv())
        assert not isinstance(heard[-1], Failed), heard[-1]
    return heard


@pytest.mark.slow
def test_the_window_trains_stops_and_resumes(scribbled, config, spawn):
    run = begin_run(scribbled, config.changed(steps=500))
    order = TrainingOrder(str(scribbled.path), run.id, shown=scribbled.pictures[0].id)
    pipe = spawn(order)
    heard = hear(pipe, StepDone)
    assert {m.stage for m in heard if isinstance(m, StageProgress)} >= {"marks", "regions", "embedding"}
    pipe.send(Pause())
    pipe.send(Stop())
    assert hear(pipe, Trained)[-1] == Trained(True, None)
    end_run(scribbled, run.id, "stopped")
    assert scribbled.current_run().id == run.id
    # The window can't know that there is a checkpoint: it asks for a new beginning.
    pipe = spawn(order)
    first = hear(pipe, StepDone)[-1]
    assert first.step > 1 and first.total == 600
    pipe.send(Stop())
    assert hear(pipe, Trained)[-1].stopped


def test_the_window_asks_the_model(scribbled, config, tmp_path):
    list(train_project(scribbled, config))
    run, record = scribbled.current_run(), scribbled.pictures[4]
    answers = Answers(scribbled.path)
    (prediction,) = [m for m in answers.answer(Predict(1, record.id, run.id, 2)) if m is not None]
    assert isinstance(prediction, Prediction)
    assert prediction.labels.shape == (SIZE[0] // 2, SIZE[1] // 2)
    assert (prediction.probabilities.argmax(0) == prediction.labels).mean() > 0.95
    assert prediction.uncertainty.max() > 0
    (reasons,) = [m for m in answers.answer(AskWhy(2, record.id, run.id, 20.0, 30.0)) if m is not None]
    assert isinstance(reasons, Reasons) and reasons.reasons
    (seeds,) = [m for m in answers.answer(AskSeeds(3, record.id, run.id)) if m is not None]
    assert isinstance(seeds, SeedsAnswer)
    stored = [m for m in answers.answer(PredictAll(4, run.id)) if m is not None]
    assert [type(m) for m in stored] == [Stored] * len(scribbled.pictures)
    done = list(export_project(scribbled, tmp_path / "labels", "index-png"))
    assert len(done) == len(scribbled.pictures)
    labels = read_index_png(done[4].path)
    assert labels.shape == SIZE
    np.testing.assert_array_equal(labels[1::2, 1::2], prediction.labels)


def test_the_same_in_both_processes(scribbled, config, spawn):
    runs = [begin_run(scribbled, config) for _ in range(2)]
    hear(spawn(TrainingOrder(str(scribbled.path), runs[0].id)), Trained)
    end_run(scribbled, runs[0].id, "finished")
    end_run(scribbled, runs[1].id, "stopped")
    list(train_project(scribbled, config, resume=True))
    losses = [[m["losses"] for m in run.metrics() if m["event"] == "step"] for run in runs]
    assert len(losses[0]) == 2 * STEPS
    assert losses[0] == losses[1]
