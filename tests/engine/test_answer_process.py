"""The answering process, really spawned, through its pipe alone."""

import contextlib
import multiprocessing
import os
import signal
import sys

import numpy as np
import pytest

from spml_core.engine.background.answer_process import serve_answers
from spml_core.engine.background.messages import (
    AskWhy,
    Cancel,
    Failed,
    FindRegions,
    Predict,
    PredictAll,
    Prediction,
    Ready,
    Reasons,
    Regions,
    Stored,
)
from spml_core.engine.predictions import PredictionStore
from spml_core.labeling.inference import label_picture
from spml_core.labeling.trained_model import TrainedModel
from spml_core.segments import oversegment

SECONDS = 120
SIZE = (64, 80)


class Child:
    """A spawned answering process and our end of its pipe."""

    def __init__(self, project_path):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve_answers, args=(theirs, str(project_path)))
        self.process.start()
        theirs.close()

    def hear(self):
        assert self.pipe.poll(SECONDS), "no answer"
        return self.pipe.recv()

    def ask(self, question):
        self.pipe.send(question)
        return self.hear()

    def end(self):
        self.pipe.close()
        self.process.join(SECONDS)
        with contextlib.suppress(ValueError):
            self.process.kill()
        return self.process.exitcode


@pytest.fixture(scope="module")
def project(tmp_path_factory, picture_project):
    with picture_project(tmp_path_factory.mktemp("answers"), 5) as made:
        yield made


@pytest.fixture(scope="module")
def run(project, untrained_run):
    return untrained_run(project)


@pytest.fixture(scope="module")
def child(project, run):
    made = Child(project.path)
    try:
        ready = made.hear()
        assert isinstance(ready, Ready) and ready.devices[-1] == "cpu"
        yield made
    finally:
        assert made.end() == 0


@pytest.fixture
def ids(project):
    return {record.name: record.id for record in project.pictures}


def test_prediction_is_the_models(project, run, child, ids):
    answer = child.ask(Predict(11, ids["p2"], run.id, 2))
    assert isinstance(answer, Prediction)
    assert (answer.request, answer.picture_id, answer.run_id, answer.shrink) == (11, ids["p2"], run.id, 2)
    labels, probabilities = label_picture(
        TrainedModel.load(run.folder), project.open_picture(project.picture("p2")), probabilities=True
    )
    assert (answer.labels == labels[1::2, 1::2]).all() and len(np.unique(labels)) > 1
    assert np.abs(answer.probabilities / 255 - probabilities[:, 1::2, 1::2]).max() < 0.01
    assert answer.uncertainty.shape == (32, 40) and answer.uncertainty.max() > 0
    again = child.ask(Predict(12, ids["p2"], run.id, 2))
    assert again.request == 12 and (again.labels == answer.labels).all()


@pytest.mark.parametrize("shrink", [1, 3])
def test_regions_are_those_of_the_picture(project, child, ids, shrink):
    answer = child.ask(FindRegions(1, ids["p1"], 30, shrink))
    assert isinstance(answer, Regions) and answer.labels.dtype == np.int32
    assert answer.labels.shape == tuple(-(-side // shrink) for side in SIZE)
    assert len(np.unique(answer.labels)) == answer.labels.max() + 1 <= 30
    if shrink == 1:
        assert (answer.labels == oversegment(project.open_picture(project.picture("p1")).rgb(), 30)).all()


def test_a_learned_pixel_is_its_own_reason(run, child, ids):
    answer = child.ask(AskWhy(1, ids["p1"], run.id, 20.4, 30.3, neighbors=3))
    assert isinstance(answer, Reasons) and (answer.y, answer.x) == (20.4, 30.3)
    first, *others = answer.reasons
    assert first.picture == "p1" and first.similarity == pytest.approx(1, abs=1e-5)
    assert len(others) == 2 and 0 <= first.class_index < 3
    assert 0 <= first.y < SIZE[0] and 0 <= first.x < SIZE[1]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Predict(5, 999, "run-0001"), "999"),
        (Predict(5, 1, "run-0077"), "run-0077"),
        (Predict(5, 1, "run-0001", 0), "0 times"),
        (FindRegions(5, 1, 0), "0 regions"),
        (FindRegions(5, 1, 5, -2), "-2 times"),
        (AskWhy(5, 1, "run-0001", 640, 3), r"640"),
        (AskWhy(5, 1, "run-0001", 6, 3, neighbors=0), "0 labelled"),
        (PredictAll(5, "run-0077"), "run-0077"),
    ],
)
def test_a_wrong_question_is_said_and_the_next_answered(run, child, ids, question, words):
    answer = child.ask(question)
    assert isinstance(answer, Failed) and answer.request == 5
    assert words in answer.error and answer.remedy and "bug" not in answer.error
    assert isinstance(child.ask(FindRegions(6, ids["p1"], 30)), Regions)


def test_all_pictures_are_stored_but_the_broken_ones(project, run, child, ids):
    records = {record.name: record for record in project.pictures}
    whole = {name: records[name].path.read_bytes() for name in ("p1", "p3")}
    records["p1"].path.unlink()
    records["p3"].path.write_bytes(whole["p3"][:100])
    child.pipe.send(PredictAll(20, run.id, first=ids["p2"]))
    answers = [child.hear() for _ in ids]
    assert {(a.request, type(a)) for a in answers} == {(20, Stored), (20, Failed)}
    assert answers[0].picture_id == ids["p2"] and (answers[0].done, answers[0].total) == (1, 5)
    stored = {a.picture_id for a in answers if isinstance(a, Stored)}
    assert stored == {ids["p0"], ids["p2"], ids["p4"]}
    assert {word for a in answers if isinstance(a, Failed) for word in ("p1", "p3") if word in a.error} == {
        "p1", "p3",
    }  # fmt: skip

    for name, content in whole.items():
        records[name].path.write_bytes(content)
    child.pipe.send(PredictAll(21, run.id))
    rest = [child.hear(), child.hear()]
    assert [a.picture_id for a in rest] == [ids["p1"], ids["p3"]]
    assert (rest[-1].done, rest[-1].total) == (2, 2)

    store = PredictionStore(project)
    assert store.names(run) == set(ids)
    model = TrainedModel.load(run.folder)
    labels, _ = label_picture(model, project.open_picture(records["p4"]))
    assert (store.load(run, records["p4"]) == labels).mean() > 0.99
    summary = store.summaries(run)["p4"]
    assert 0 < summary.uncertainty <= 1 and len(summary.descriptor) == 8
    assert sum(summary.shares) == pytest.approx(1, abs=1e-3)


def test_questions_are_answered_in_between_and_cancelled_ones_are_not(project, child, ids, untrained_run):
    fresh = untrained_run(project, seed=1)
    child.pipe.send(PredictAll(30, fresh.id))
    child.pipe.send(FindRegions(31, ids["p4"], 7))
    heard = []
    while not any(isinstance(answer, Regions) for answer in heard):
        heard.append(child.hear())
    assert len([a for a in heard if isinstance(a, Stored)]) < 5
    child.pipe.send(Cancel(30))
    child.pipe.send(FindRegions(32, ids["p4"], 8))
    while getattr(heard[-1], "request", 0) != 32:
        heard.append(child.hear())
    assert not child.pipe.poll(1.0), "the cancelled order went on"


def test_a_model_that_was_trained_on_is_predicted_anew(project, child, ids, untrained_run):
    resumed = untrained_run(project, seed=2)
    child.pipe.send(PredictAll(40, resumed.id))
    assert [child.hear().done for _ in ids] == [1, 2, 3, 4, 5]
    before = child.ask(Predict(41, ids["p0"], resumed.id))
    model = TrainedModel.load(resumed.folder)
    model.network.head.weight.data.neg_()
    model.save(resumed.folder)
    after = child.ask(Predict(42, ids["p0"], resumed.id))
    assert (after.labels != before.labels).any()
    child.pipe.send(PredictAll(43, resumed.id))
    assert [child.hear().done for _ in ids] == [1, 2, 3, 4, 5]
    stored = PredictionStore(project).load(resumed, project.picture("p0"))
    assert (stored == after.labels).mean() > 0.99


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_the_windows_business_and_the_window_goes_first(child, ids):
    os.kill(child.process.pid, signal.SIGINT)
    assert isinstance(child.ask(FindRegions(1, ids["p0"], 5)), Regions)
    assert os.getpriority(os.PRIO_PROCESS, child.process.pid) >= 5


def test_classes_are_those_of_today(project, run, child, ids):
    """Last: it changes the classes that the others count on."""
    before = child.ask(Predict(50, ids["p2"], run.id))
    project.add_class("sea")
    after = child.ask(Predict(51, ids["p2"], run.id))
    assert before.probabilities.shape == (3, *SIZE) and after.probabilities.shape == (4, *SIZE)
    assert (after.labels == before.labels).all() and (after.probabilities[3] == 0).all()
    project.delete_class(0)
    gone = child.ask(Predict(52, ids["p2"], run.id))
    assert gone.probabilities.shape == (3, *SIZE)
    assert (gone.labels == np.where(before.labels == 0, 3, before.labels - 1)).all()
    assert (gone.probabilities[:2] == before.probabilities[1:]).all()
    why = child.ask(AskWhy(53, ids["p1"], run.id, 20, 30, neighbors=50))
    assert {reason.class_index for reason in why.reasons} <= {0, 1}


def test_a_project_that_is_not_there_is_said_and_the_process_waits_for_it(tmp_path, picture_project):
    child = Child(tmp_path / "p.spml")
    try:
        assert isinstance(child.hear(), Ready)
        answer = child.ask(FindRegions(1, 1, 5))
        assert isinstance(answer, Failed) and "p.spml" in answer.error
        with picture_project(tmp_path, 1) as made:
            assert isinstance(child.ask(FindRegions(2, made.pictures[0].id, 5)), Regions)
    finally:
        assert child.end() == 0
