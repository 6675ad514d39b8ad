"""Suggestions in the window: asked for at each stroke, shown until the next one, answered by clicks and keys."""

import numpy as np
import pytest
from answers import FakeAnswers, make_run, prediction, shown, suggested
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QComboBox, QPushButton, QWidget

from spml_core.annotations import Box, Patch, Point
from spml_core.engine.background.messages import Cancel, Failed, Predict
from spml_core.engine.background.suggest_messages import Ranked, RankPictures, Suggest
from spml_napari.docks.suggest_options import SuggestOptions
from spml_napari.layers.colors import HATCHING
from spml_napari.layers.overlay import Overlay, suggestion_values
from spml_napari.prediction_control import PredictionControl
from spml_napari.ranking_control import RankingControl
from spml_napari.session import Session
from spml_napari.suggestion_control import Live, Quality, SuggestionControl
from spml_napari.view_state import OverlayMode, ShownPrediction

SIZE = (48, 64)


@pytest.fixture
def made():
    return []


@pytest.fixture
def memory(tmp_path):
    return QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def control(small_project, made, memory, qtbot):
    """A control in a session in which ``small_project`` was just opened; its process is started."""
    session = Session()
    control = SuggestionControl(session, lambda path: made.append(FakeAnswers(path)) or made[-1], memory)
    session.adopt(small_project)
    control.start()
    yield control
    control.close()
    session.close()


def questions(made):
    return made[-1].asked_for(Suggest)


def answer(made, question, size=SIZE, **options):
    made[-1].received.emit(suggested(question, size, **options))


# Asking -------------------------------------------------------------------------------------------------


def test_each_mark_asks_at_once_and_only_the_last_answer_counts(control, made, small_project):
    session, changes = control.session, []
    session.suggestion_changed.connect(lambda: changes.append(session.suggestion))
    first = questions(made)[0]
    assert (first.picture_id, first.shrink, first.quality, first.level, first.regions) == (
        session.picture.id,
        1,
        "pixels",
        300,
        True,
    )
    for _ in range(1000):
        session.marks_changed.emit(frozenset({session.picture.id}))
    session.add_marks([Point(1, 3, 3)], "point")
    asked = questions(made)
    assert len(asked) == 1002, "strokes don't wait"
    for question in (first, asked[500], asked[-2]):
        answer(made, question)
    assert changes == [] and control.is_waiting
    answer(made, asked[-1])
    assert len(changes) == 1 and not control.is_waiting
    assert session.suggestion.next_region == 1 and (session.suggestion.labels == 1).all()


def test_regions_are_sent_once_for_a_picture_and_a_level(control, made):
    session = control.session
    answer(made, questions(made)[-1])
    regions = session.suggestion.regions
    session.add_marks([Point(1, 3, 3)], "point")
    assert not questions(made)[-1].regions
    answer(made, questions(made)[-1], label=2)
    assert session.suggestion.regions is regions and (session.suggestion.labels == 2).all()
    control.set_level(77)
    assert questions(made)[-1].regions and questions(made)[-1].level == 77
    assert session.suggestion is not None, "the one before stays"
    answer(made, questions(made)[-1])
    assert session.suggestion.regions is not regions


def test_the_last_one_stays_until_the_next_is_there(control, made):
    answer(made, questions(made)[-1])
    before = control.session.suggestion
    control.session.add_marks([Point(1, 3, 3)], "point")
    assert control.session.suggestion is before and control.is_waiting
    control.session.undo()
    answer(made, questions(made)[-1], label=0)
    assert control.session.suggestion is not before


def test_a_second_answer_to_the_same_question_counts_too(control, made):
    question = questions(made)[-1]
    answer(made, question, label=0)
    answer(made, question, label=2)
    assert (control.session.suggestion.labels == 2).all()


def test_another_picture_drops_what_was_asked(control, made, qtbot):
    first = questions(made)[-1]
    control.session.step(1)
    assert control.session.suggestion is None
    assert Cancel(first.request) in made[-1].asked
    answer(made, first)
    assert control.session.suggestion is None
    control.session.step(1)
    qtbot.waitUntil(lambda: len(questions(made)) == 1)
    (question,) = questions(made)
    assert question.picture_id == control.session.picture.id, "stepping through asks for the last only"
    answer(made, question, (60, 40))
    assert control.session.suggestion.picture_id == control.session.picture.id


def test_an_edited_class_table_drops_the_old_codes(control, made):
    answer(made, questions(made)[-1])
    control.session.add_marks([Point(1, 3, 3)], "point")
    old = questions(made)[-1]
    control.session.edit_classes(lambda project: project.delete_class(2), "deleted")
    assert control.session.suggestion is None
    answer(made, old, label=2)
    assert control.session.suggestion is None
    answer(made, questions(made)[-1], label=1)
    assert control.session.suggestion.says_something


def test_marks_elsewhere_and_new_models_ask_anew(control, made, small_project):
    before = len(questions(made))
    control.session.marks_changed.emit(frozenset({small_project.picture("second").id}))
    make_run(small_project)
    control.session.runs_changed.emit()
    assert len(questions(made)) == before + 2


def test_a_failure_is_told_and_not_waited_for(control, made):
    told = []
    control.session.reported.connect(lambda level, text: told.append((level, text)))
    made[-1].received.emit(Failed("No memory.", "Close other programs.", questions(made)[-1].request))
    assert told == [("error", "No memory. Close other programs.")] and not control.is_waiting


def test_a_process_that_dies_is_started_again_and_asked_again(control, made):
    told = []
    control.session.reported.connect(lambda level, text: told.append(text))
    made[-1].ended.emit(-9)
    assert "suggests labels was killed" in told[0]
    control.line.restart.timeout.emit()
    assert len(made) == 2 and len(questions(made)) == 1


def test_on_enter_marks_wait_for_enter(control, made, memory):
    answer(made, questions(made)[-1])
    control.set_live(Live.ENTER)
    asked = len(questions(made))
    control.session.add_marks([Point(1, 3, 3)], "point")
    assert len(questions(made)) == asked and control.is_stale
    assert control.session.suggestion is not None
    assert control.ask_now() and len(questions(made)) == asked + 1
    assert not control.ask_now(), "nothing has changed since"
    assert memory.value("suggest/live") == "enter"


def test_off_ends_the_process_and_on_starts_it(control, made, memory, small_project):
    answer(made, questions(made)[-1])
    control.set_live("off")
    assert made[-1].closed and control.session.suggestion is None
    control.session.add_marks([Point(1, 3, 3)], "point")
    control.start()
    assert len(made) == 1
    control.set_live("on")
    assert len(made) == 2 and len(questions(made)) == 1


def test_choices_are_remembered_and_nonsense_is_not(small_project, memory, qtbot):
    memory.setValue("suggest/live", "enter")
    memory.setValue("suggest/quality", "superb")
    control = SuggestionControl(Session(), FakeAnswers, memory)
    assert (control.live, control.quality) == (Live.ENTER, Quality.PIXELS)
    control.set_quality("crf")
    assert SuggestionControl(Session(), FakeAnswers, memory).quality is Quality.CRF


# What is seen ---------------------------------------------------------------------------------------------


def test_the_suggestion_lies_over_the_prediction_and_y_turns_it(session, qtbot):
    overlay = Overlay(session)
    picture = session.picture.id
    session.show_prediction(ShownPrediction(picture, "run-0001", 1, np.full(SIZE, 2, np.uint8)))
    assert (overlay.labels.data == 3).all()
    session.show_suggestion(shown(picture))
    assert session.seen_suggestion is not None and (overlay.labels.data[:, 32:] == 2).all()
    session.view(suggested=False)
    assert session.seen_suggestion is None and (overlay.labels.data == 3).all()
    session.view(suggested=True, mode=OverlayMode.UNCERTAINTY)
    assert overlay.heat.visible and overlay.heat.data[0, 0] == 200
    session.view(mode=OverlayMode.CLASSES)
    session.show_suggestion(shown(picture, label=3))
    assert (overlay.labels.data == 3).all(), "one that says nothing hides no prediction"
    session.show_suggestion(shown(picture + 1))
    assert session.suggestion.picture_id == picture, "another picture's is dropped"


def test_a_new_suggestion_shows_at_once_but_not_during_a_stroke(session, qtbot):
    overlay = Overlay(session)
    session.show_suggestion(shown(session.picture.id, 0))
    overlay.hold(True)
    session.show_suggestion(shown(session.picture.id, 1))
    assert (overlay.labels.data[:, 32:] == 1).all()
    overlay.hold(False)
    session.show_suggestion(shown(session.picture.id, 2))
    assert (overlay.labels.data[:, 32:] == 3).all()


def test_unsure_places_are_hatched_also_on_hidden_classes():
    suggestion = shown(1, 0, size=(300, 400))
    suggestion.labels[:10] = 3
    values = suggestion_values(suggestion, 3, 0)
    assert (values[:10] == 0).all(), "what nothing is said of isn't hatched"
    left, right = values[10:, :200], values[10:, 200:]
    assert 0.05 < (left == HATCHING).mean() < 0.4 and set(np.unique(left)) == {1, HATCHING}
    assert (right == 1).all()
    rims = suggestion_values(suggestion, 3, 2)
    assert (rims[50:, 200:] == 0).all() and (rims[50:, :200] == HATCHING).any()


def test_a_mark_shows_its_suggestion_and_other_changes_leave_the_view(control, made):
    session = control.session
    session.view(suggested=False)
    session.edit_classes(lambda project: project.rename_class(2, "trunk"), "renamed")
    assert not session.overlay.suggested
    session.add_marks([Box(1, 3, 3, 9, 9)], "box")
    assert session.overlay.suggested


def test_what_is_seen_is_accepted(small_project, qtbot):
    session, made = Session(), []
    control = PredictionControl(
        session, lambda path: made.append(FakeAnswers(path)) or made[-1], lambda: False
    )
    session.adopt(small_project)
    make_run(small_project)
    session.runs_changed.emit()
    qtbot.waitUntil(lambda: bool(made[-1].asked_for(Predict)))
    made[-1].received.emit(prediction(made[-1].asked_for(Predict)[-1], SIZE, 2))
    session.show_suggestion(shown(session.picture.id, 1))
    assert control.accept()
    (accepted,) = [m for m in session.marks().values() if isinstance(m, Patch)]
    assert (accepted.labels == 1).all() and session.is_reviewed()
    session.undo()
    session.view(suggested=False)
    assert control.accept()
    (accepted,) = [m for m in session.marks().values() if isinstance(m, Patch)]
    assert (accepted.labels == 2).all()
    control.close()
    session.close()


# Settings and ranking ----------------------------------------------------------------------------------------


@pytest.fixture
def ranking(control, small_project, qtbot):
    """A ranking, asked of the same process."""
    return RankingControl(control.session, control.line, lambda: control.live is not Live.OFF)


@pytest.fixture
def options(control, ranking, qtbot):
    options = SuggestOptions(control.session, control, ranking)
    qtbot.addWidget(options)
    options.show()
    return options


def test_settings_go_both_ways_and_say_how_far_it_is(control, made, options, small_project):
    state = options.state
    assert "looked at" in state.text()
    answer(made, questions(made)[-1])
    assert "50%" in state.text()
    quality, live = (options.findChild(QComboBox, name) for name in ("suggest_quality", "suggest_live"))
    quality.setCurrentIndex(2)
    quality.activated.emit(2)
    assert control.quality is Quality.CRF and questions(made)[-1].quality == "crf"
    control.set_live(Live.ENTER)
    assert live.currentData() == "enter"
    control.session.add_marks([Point(1, 3, 3)], "point")
    assert "press Enter" in state.text()
    box = options.findChild(QWidget, "suggest_show")
    box.click()
    assert not control.session.overlay.suggested
    live.setCurrentIndex(2)
    live.activated.emit(2)
    assert control.live is Live.OFF and not state.isVisible() and not quality.isEnabled()


def test_pictures_are_ranked_when_a_person_rests(control, made, ranking, options, small_project):
    session = control.session
    session.add_marks([Point(1, 3, 3)], "point")
    assert made[-1].asked_for(RankPictures) == [] and ranking.order() == []
    ranking._timer.timeout.emit()
    (question,) = made[-1].asked_for(RankPictures)
    made[-1].received.emit(Ranked(question.request, ("third", "second", "first"), 1, 3))
    assert ranking.progress == (1, 3) and "1 of 3" in options.looking.text()
    assert ranking.order() == ["third", "second", "first"]
    small_project.add_marks({small_project.picture("third").id: [Point(1, 3, 3)]}, "since then")
    assert ranking.order() == ["second", "third", "first"]
    options.findChild(QPushButton, "ranking_stop").click()
    assert ranking.progress is None and Cancel(question.request) in made[-1].asked
    made[-1].received.emit(Ranked(question.request, ("second",), 2, 3))
    assert ranking.best[0] == "third", "who cancelled hears no more"
    assert not options.stop.isVisible()


def test_an_opened_project_with_marks_is_ranked_unless_it_may_not_be(small_project, qtbot):
    session, made, may = Session(), [], [True]
    predictions = PredictionControl(
        session, lambda path: made.append(FakeAnswers(path)) or made[-1], lambda: False
    )
    ranking = RankingControl(session, predictions.line, lambda: may[0])
    session.adopt(small_project)
    assert ranking._timer.isActive()
    ranking._timer.timeout.emit()
    assert len(made[-1].asked_for(RankPictures)) == 1 and ranking.progress == (0, 3)
    ranking.cancel()
    may[0] = False
    session.add_marks([Point(1, 3, 3)], "point")
    assert not ranking._timer.isActive()
    predictions.close()
    session.close()


def test_the_next_picture_is_the_ranking_s(small_project, qtbot):
    session = Session()
    predictions = PredictionControl(session, FakeAnswers, lambda: False)
    session.adopt(small_project)
    predictions.suggested_order = lambda: ["first", "third", "second"]
    predictions.go_to_next()
    assert session.picture.name == "third"
    predictions.close()
    session.close()
