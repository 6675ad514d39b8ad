"""The prediction control with an answering process that a test plays."""

import numpy as np
import pytest
from answers import FakeAnswers, Told, make_run, prediction, store_prediction

from spml_core.annotations import Box, Patch, Point, Scribble
from spml_core.engine.background.messages import (
    AskWhy,
    Cancel,
    Failed,
    FindRegions,
    Predict,
    PredictAll,
    Ready,
    Reason,
    Reasons,
    Regions,
    Stored,
)
from spml_napari.prediction_control import PredictionControl
from spml_napari.session import Session
from spml_napari.view_state import OverlayMode, ShownPrediction, Tool

SIZE = (48, 64)
LONG = 120_000


@pytest.fixture
def made():
    """The answering processes, in the order in which they were started."""
    return []


@pytest.fixture
def control(small_project, made, qtbot):
    """A control of a session in which ``small_project`` was just opened."""
    session = Session()
    training = []

    def start(path):
        made.append(FakeAnswers(path))
        return made[-1]

    control = PredictionControl(session, start, lambda: bool(training))
    control.training = training
    control.told = Told(session)
    session.adopt(small_project)
    yield control
    control.close()
    session.close()


@pytest.fixture
def asked(control, made, qtbot):
    """Waits for a question of a kind, and gives the last one that nobody cancelled."""

    def wait(kind):
        qtbot.waitUntil(lambda: bool(made[-1].asked_for(kind)))
        return made[-1].asked_for(kind)[-1]

    return wait


@pytest.fixture
def trained(control):
    """A run with a model; the window was told of it."""
    run = make_run(control.session.project)
    control.session.runs_changed.emit()
    return run


# The process ------------------------------------------------------------------------------------------


def test_a_project_has_one_process_and_closing_ends_it(control, made, small_project):
    assert [answers.path for answers in made] == [str(small_project.path)]
    control.session.close()
    assert made[0].closed
    assert len(made) == 1


def test_nothing_is_asked_before_there_is_a_model(control, made, qtbot):
    qtbot.wait(200)
    assert made[0].asked == []
    control.ask_why(3, 4)
    assert control.told.has("info", "Train first")
    assert not control.accept()
    assert control.told.has("info", "no prediction")


def test_devices_are_known_once_the_process_is_ready(control, made, qtbot):
    with qtbot.waitSignal(control.ready):
        made[0].received.emit(Ready(("cuda", "cpu")))
    assert control.devices == ("cuda", "cpu")


def test_a_process_that_died_is_started_again_but_not_for_ever(control, made, trained, qtbot, monkeypatch):
    control.line.restart.setInterval(1)
    for number in (1, 2):
        made[-1].ended.emit(-9)
        assert control.told.has("warning", "signal 9")
        qtbot.waitUntil(lambda n=number: len(made) == n + 1)
        qtbot.waitUntil(lambda: bool(made[-1].asked_for(Predict)))  # the open picture first
        assert made[-1].asked_for(PredictAll)
    made[-1].ended.emit(1)
    assert control.told.has("error", "isn't started again")
    qtbot.wait(50)
    assert len(made) == 3
    control.ask_why(1, 1)  # goes nowhere, and does no harm
    control.session.runs_changed.emit()


def test_a_process_that_died_isnt_started_again_once_the_project_is_closed(control, made, qtbot):
    control.line.restart.setInterval(1)
    made[-1].ended.emit(-9)
    control.session.close()
    qtbot.wait(50)
    assert len(made) == 1


# The shown prediction ---------------------------------------------------------------------------------


def test_the_open_picture_is_asked_for_and_shown(control, made, asked, trained):
    session = control.session
    question = asked(Predict)
    assert (question.picture_id, question.run_id, question.shrink) == (session.picture.id, trained.id, 1)
    made[0].received.emit(prediction(question, SIZE))
    shown = session.prediction
    assert not shown.live
    assert shown.run_id == trained.id
    assert (shown.labels == 1).all()
    assert shown.probabilities.shape == (3, *SIZE)
    assert (shown.uncertainty == 99).all()


def test_a_stored_prediction_is_there_at_once_and_is_followed_by_an_answer(
    control, made, asked, trained, small_project
):
    labels = np.zeros(SIZE, np.uint8)
    labels[:, 40:] = 2
    store_prediction(small_project, trained, "second", labels)
    control.session.step(1)
    np.testing.assert_array_equal(control.session.prediction.labels, labels)
    assert control.session.prediction.probabilities is None
    made[0].received.emit(prediction(asked(Predict), SIZE, label=0))
    assert control.session.prediction.probabilities is not None


def test_only_the_picture_one_stops_at_is_asked_for(control, made, trained, small_project, qtbot):
    qtbot.waitUntil(lambda: bool(made[0].asked_for(Predict)))
    made[0].asked.clear()
    for step in (1, 1, -1):
        control.session.step(step)
    qtbot.waitUntil(lambda: bool(made[0].asked_for(Predict)))
    qtbot.wait(200)
    (question,) = made[0].asked_for(Predict)
    assert question.picture_id == control.session.picture.id == small_project.picture("second").id


def test_a_late_answer_is_dropped(control, made, asked, trained):
    old = asked(Predict)
    control.session.step(1)
    made[0].received.emit(prediction(old, SIZE))
    assert control.session.prediction is None


def test_a_new_question_takes_the_old_one_back(control, made, asked, trained):
    first = asked(Predict)
    control.session.runs_changed.emit()
    control._ask()
    assert Cancel(first.request) in made[0].asked
    assert asked(Predict).request > first.request


def test_a_damaged_prediction_is_told_and_not_shown(control, trained, small_project):
    store_prediction(small_project, trained, "second", np.zeros(SIZE, np.uint8))
    (small_project.predictions_folder / trained.id / "second.png").write_bytes(b"no picture")
    control.session.step(1)
    assert control.session.prediction is None
    assert control.told.lines[-1][0] == "error"


def test_answers_in_the_codes_of_yesterday_are_dropped(control, made, asked, trained):
    question = asked(Predict)
    made[0].received.emit(prediction(question, SIZE))
    control._ask()
    question = asked(Predict)
    control.session.edit_classes(lambda project: project.add_class("root"), "added")
    assert control.session.prediction is None
    made[0].received.emit(prediction(question, SIZE))
    assert control.session.prediction is None
    control._ask()
    made[0].received.emit(prediction(asked(Predict), SIZE, classes=4))
    assert control.session.prediction.probabilities.shape[0] == 4


def test_during_training_previews_are_left_alone(control, made, asked, trained):
    question = asked(Predict)
    control.training.append(True)
    session = control.session
    live = ShownPrediction(session.picture.id, "run-0002", 1, np.zeros(SIZE, np.uint8), live=True)
    session.show_prediction(live)
    made[0].received.emit(prediction(question, SIZE))
    assert session.prediction is live
    made[0].asked.clear()
    session.runs_changed.emit()
    control._ask()
    assert made[0].asked_for(Predict) == []
    assert made[0].asked_for(PredictAll) == []


# All pictures -----------------------------------------------------------------------------------------


def test_all_pictures_are_labelled_with_a_new_model(control, made, trained, qtbot):
    question = made[0].asked_for(PredictAll)[-1]
    assert (question.run_id, question.first) == (trained.id, control.session.picture.id)
    told, stored = [], []
    control.progressed.connect(lambda *progress: told.append(progress))
    control.session.predictions_stored.connect(stored.append)
    made[0].received.emit(Stored(question.request, trained.id, 2, 1, 3))
    made[0].received.emit(Stored(question.request - 1, trained.id, 2, 1, 3))  # of a run before
    assert told == [(1, 3)]
    assert stored == [frozenset({2})]


def test_the_machine_is_left_to_a_training(control, made, trained):
    question = made[0].asked_for(PredictAll)[-1]
    control.pause_predicting()
    assert Cancel(question.request) in made[0].asked
    count = len(made[0].asked)
    control.pause_predicting()
    assert len(made[0].asked) == count


def test_predicted_ids(control, trained, small_project):
    assert control.predicted_ids() == set()
    store_prediction(small_project, trained, "third", np.zeros((60, 40), np.uint8))
    assert control.predicted_ids() == {small_project.picture("third").id}


# Regions, reasons, failures -----------------------------------------------------------------------------


def test_regions_are_asked_for_with_the_pick_tool(control, made, asked, small_project):
    assert control.region_labels() is None
    control.session.set_tool(Tool.PICK)
    question = asked(FindRegions)
    assert question.count == 300
    labels = np.arange(SIZE[0] * SIZE[1], dtype=np.int32).reshape(SIZE)
    made[0].received.emit(Regions(question.request, question.picture_id, 1, labels))
    assert control.region_labels() is labels
    control.set_region_count(80)
    assert control.region_labels() is None
    assert asked(FindRegions).count == 80
    control.session.step(1)
    assert asked(FindRegions).picture_id == small_project.picture("second").id


def test_why(control, made, asked, trained, qtbot):
    control.ask_why(10.5, 20.5)
    question = asked(AskWhy)
    assert (question.picture_id, question.y, question.x) == (control.session.picture.id, 10.5, 20.5)
    answer = Reasons(question.request, question.picture_id, 10.5, 20.5, (Reason("first", 1, 2, 0, 0.9),))
    with qtbot.waitSignal(control.reasons_found) as signal:
        made[0].received.emit(answer)
    assert signal.args == [answer]


def test_a_failure_is_told_if_somebody_waits_for_the_answer(control, made, asked, trained):
    question = asked(Predict)
    made[0].received.emit(Failed("It is broken.", "Mend it.", question.request))
    made[0].received.emit(Failed("Nobody asked.", "", question.request + 1000))
    made[0].received.emit(Failed("Of the process.", ""))
    assert control.told.lines == [("error", "It is broken. Mend it."), ("error", "Of the process.")]


# Comparing --------------------------------------------------------------------------------------------


def test_what_changed_since_the_run_before(control, made, asked, trained, small_project):
    session = control.session
    session.view(mode=OverlayMode.DIFFERENCE)
    assert control.told.has("info", "no earlier run")
    newer = make_run(small_project)
    session.runs_changed.emit()
    control._ask()
    now, before = (q for q in made[0].asked_for(Predict)[-2:])
    assert (now.run_id, before.run_id) == (newer.id, trained.id)
    made[0].received.emit(prediction(now, SIZE, label=1))
    answer = prediction(before, SIZE, label=1)
    answer.labels[:5] = 2
    made[0].received.emit(answer)
    difference = session.prediction.difference
    assert difference[:5].all()
    assert not difference[5:].any()
    assert control.compared_run().id == trained.id
    oldest = make_run(small_project, model=False)
    assert control.compared_run().id == trained.id  # one without a model is none to compare with
    session.view(compared_run=oldest.id)
    assert control.compared_run() is None
    control.compare_again()
    assert session.prediction.difference is None


# Accepting and what comes next --------------------------------------------------------------------------


def test_accepting_the_picture_or_one_class(control, made, asked, trained):
    session = control.session
    answer = prediction(asked(Predict), SIZE, label=1)
    answer.labels[20:30, 10:40] = 2
    made[0].received.emit(answer)
    assert control.accept(2)
    patch = list(session.marks().values())[-1]
    assert isinstance(patch, Patch)
    assert (patch.top, patch.left, patch.labels.shape, patch.accepted) == (20, 10, (10, 30), "class")
    assert not session.is_reviewed()
    assert control.accept()
    assert session.is_reviewed()
    patch = list(session.marks().values())[-1]
    np.testing.assert_array_equal(patch.labels, answer.labels)
    session.undo()
    assert not session.is_reviewed()
    kinds = [type(mark) for mark in session.marks().values()]
    assert kinds == [Scribble, Point, Box, Patch]
    assert not control.accept(0)  # there is nothing of it
    assert control.told.has("warning", "nothing of this")


def test_labels_of_a_picture_that_is_shown_smaller(control, trained, small_project):
    session = control.session
    labels = np.random.default_rng(0).integers(0, 3, SIZE).astype(np.uint8)
    small = labels[::3, ::3]
    session.show_prediction(ShownPrediction(session.picture.id, trained.id, 3, small))
    full = control.full_labels()  # nothing stored: as it is seen
    assert full.shape == SIZE
    np.testing.assert_array_equal(full[::3, ::3], small)
    store_prediction(small_project, trained, "first", labels)
    np.testing.assert_array_equal(control.full_labels(), labels)
    live = ShownPrediction(session.picture.id, trained.id, 3, small, live=True)
    session.show_prediction(live)
    assert control.full_labels().shape == SIZE
    assert not np.array_equal(control.full_labels(), labels)  # what is seen is what is accepted


def test_a_damaged_file_is_told_when_accepted(control, trained, small_project):
    session = control.session
    store_prediction(small_project, trained, "first", np.zeros(SIZE, np.uint8))
    (small_project.predictions_folder / trained.id / "first.png").write_bytes(b"no picture")
    session.show_prediction(ShownPrediction(session.picture.id, trained.id, 3, np.zeros((16, 22), np.uint8)))
    assert not control.accept()
    assert control.told.lines[-1][0] == "error"


def test_the_next_picture_is_the_most_uncertain_one_without_marks(control, trained, small_project):
    store_prediction(small_project, trained, "first", np.zeros(SIZE, np.uint8), 0.9, (0.0, 0.0))
    store_prediction(small_project, trained, "second", np.zeros(SIZE, np.uint8), 0.1, (1.0, 0.0))
    store_prediction(small_project, trained, "third", np.zeros((60, 40), np.uint8), 0.8, (0.0, 1.0))
    control.go_to_next()
    assert control.session.picture.name == "third"
    control.go_to_next()
    assert control.session.picture.name == "second"


def test_there_is_an_end_to_the_next_pictures(control, small_project):
    for name, size in (("first", SIZE), ("second", SIZE), ("third", (60, 40))):
        patch = Patch(0, 0, np.zeros(size, np.uint8), accepted="picture")
        small_project.add_marks({small_project.picture(name).id: [patch]}, "Accept picture")
    control.go_to_next()
    assert control.told.has("info", "nothing is left")


def test_without_a_project_nothing_happens(qtbot):
    control = PredictionControl(Session(), FakeAnswers, lambda: False)
    control.go_to_next()
    control.ask_why(0, 0)
    control.set_region_count(7)
    assert control.predicted_ids() == set()
    assert control.full_labels() is None
    assert control.compared_run() is None
    assert not control.accept()
