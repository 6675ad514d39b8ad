"""The overlay of seeds: asked for while it is shown, drawn hatched, picked from."""

import numpy as np
import pytest
from answers import FakeAnswers, make_run

from spml_core.annotations import Box, Point, Tag
from spml_core.classes import IGNORE
from spml_core.engine.background.messages import AskSeeds, Failed, SeedsAnswer
from spml_napari.layers.marks_raster import VOID
from spml_napari.layers.overlay import Overlay, seed_values
from spml_napari.prediction_control import PredictionControl
from spml_napari.seed_control import SeedControl, seed_regions
from spml_napari.session import Session
from spml_napari.view_state import OverlayMode, ShownSeeds

SIZE = (48, 64)


@pytest.fixture
def made():
    return []


@pytest.fixture
def control(small_project, made, qtbot):
    """A control in a session in which ``small_project`` was just opened."""
    session = Session()
    predictions = PredictionControl(
        session, lambda path: made.append(FakeAnswers(path)) or made[-1], lambda: False
    )
    control = SeedControl(session, predictions.line, predictions.current_run)
    session.adopt(small_project)
    yield control
    predictions.close()
    session.close()


def questions(made):
    return made[-1].asked_for(AskSeeds)


def is_newer(made, question):
    return bool(questions(made)) and questions(made)[-1].request > question.request


def answer(made, question, label=1):
    labels = np.full(SIZE, 3, np.uint8)
    labels[5:20, 5:20] = label
    painted = np.zeros(SIZE, bool)
    painted[5:8, 5:8] = True
    made[-1].received.emit(
        SeedsAnswer(question.request, question.picture_id, question.shrink, labels, painted)
    )


def show(control, made, qtbot):
    control.session.view(mode=OverlayMode.SEEDS)
    qtbot.waitUntil(lambda: bool(questions(made)))
    return questions(made)[-1]


def test_nobody_asks_until_seeds_are_shown(control, made, qtbot):
    control.session.add_marks([Box(1, 2, 2, 9, 9)], "box")
    qtbot.wait(350)
    assert questions(made) == []
    question = show(control, made, qtbot)
    assert (question.picture_id, question.run_id, question.shrink) == (control.session.picture.id, None, 1)
    assert control.is_waiting
    answer(made, question)
    assert not control.is_waiting
    assert control.session.seeds.labels[10, 10] == 1 and control.session.seeds.painted[6, 6]
    control.session.view(mode=OverlayMode.CLASSES)
    assert control.session.seeds is None


def test_a_new_mark_asks_anew_once_and_the_old_answer_is_dropped(control, made, qtbot):
    first = show(control, made, qtbot)
    for mark in (Box(1, 2, 2, 9, 9), Tag(2), Point(1, 3, 3)):
        control.session.add_marks([mark], "mark")
    assert questions(made) == [], "what was asked about the marks of before is cancelled"
    answer(made, first)
    assert control.session.seeds is None
    qtbot.waitUntil(lambda: bool(questions(made)))
    (second,) = questions(made)
    answer(made, second, 2)
    assert control.session.seeds.labels[10, 10] == 2
    shown = control.session.seeds
    control.session.undo()
    assert control.session.seeds is shown, "the old ones stay until the new ones come"
    qtbot.waitUntil(lambda: is_newer(made, second))


def test_another_picture_has_seeds_of_its_own(control, made, qtbot):
    question = show(control, made, qtbot)
    answer(made, question)
    control.session.step(1)
    assert control.session.seeds is None
    qtbot.waitUntil(lambda: is_newer(made, question))
    assert questions(made)[-1].picture_id == control.session.picture.id
    answer(made, question)
    assert control.session.seeds is None


def test_marks_of_other_pictures_change_nothing(control, made, qtbot):
    answer(made, show(control, made, qtbot))
    asked = len(questions(made))
    other = control.session.project.picture("second").id
    control.session.project.add_marks({other: [Tag(1)]}, "tag")
    control.session.marks_changed.emit(frozenset({other}))
    qtbot.wait(350)
    assert len(questions(made)) == asked


def test_the_current_model_is_used_once_there_is_one(control, made, small_project, qtbot):
    first = show(control, made, qtbot)
    answer(made, first)
    assert not control.has_model
    run = make_run(small_project)
    control.session.runs_changed.emit()
    qtbot.waitUntil(lambda: is_newer(made, first))
    assert questions(made)[-1].run_id == run.id and control.has_model


def test_an_edited_class_table_drops_the_old_codes(control, made, qtbot):
    answer(made, show(control, made, qtbot))
    control.session.edit_classes(lambda project: project.move_class(2, 0), "moved")
    assert control.session.seeds is None
    qtbot.waitUntil(lambda: bool(questions(made)))


def test_what_cannot_be_answered_is_told_and_not_waited_for(control, made, qtbot):
    told = []
    control.session.reported.connect(lambda level, text: told.append((level, text)))
    question = show(control, made, qtbot)
    made[-1].received.emit(Failed("No memory.", "Close other programs.", question.request))
    assert told == [("error", "No memory. Close other programs.")]
    assert not control.is_waiting


def test_regions_are_the_connected_seeds_and_not_what_is_painted(control, made, qtbot):
    assert control.regions() is None
    answer(made, show(control, made, qtbot))
    regions = control.regions()
    assert regions is control.regions(), "found once"
    assert regions[10, 10] == 0 and regions[6, 6] == -1 and regions[40, 40] == -1


def test_seed_regions_tell_classes_and_pieces_apart():
    labels = np.full((6, 9), 2, np.uint8)
    labels[:, :2], labels[:, 2:4], labels[:, 6:] = 0, 1, 0
    regions = seed_regions(ShownSeeds(1, 1, labels, np.zeros(labels.shape, bool)), 2)
    assert len(set(regions[0, [0, 2, 7]])) == 3 and (regions[:, 4:6] == -1).all()
    assert (regions[:, 6:] == regions[0, 7]).all()


# How they look ----------------------------------------------------------------------------------------


def test_seeds_are_hatched_and_paint_is_filled():
    labels = np.full((60, 80), 3, np.uint8)
    labels[10:50, 10:70] = 1
    labels[55:, :5] = IGNORE
    painted = np.zeros(labels.shape, bool)
    painted[20:30, 20:30] = True
    seeds = ShownSeeds(1, 1, labels, painted)
    values = seed_values(seeds, 3, 0)
    assert (values[labels == 3] == 0).all() and (values[labels == IGNORE][:1] == VOID).all()
    assert (values[painted] == 2).all()
    inside = values[12:48, 12:68][~painted[12:48, 12:68]]
    assert 0.4 < (inside == 2).mean() < 0.7 and (inside == 0).any()
    assert (values[10, 10:70] == 2).all(), "with a rim"
    rims = seed_values(seeds, 3, 1)
    assert (rims[10, 10:70] == 2).all() and (rims[12:48, 12:68] == 0).all()


def test_overlay_shows_seeds_in_their_mode_and_background_too(session, qtbot):
    overlay = Overlay(session)
    labels = np.zeros(SIZE, np.uint8)
    session.show_seeds(ShownSeeds(session.picture.id, 1, labels, np.ones(SIZE, bool)))
    assert not overlay.labels.visible
    session.view(mode=OverlayMode.SEEDS)
    assert overlay.labels.visible and (overlay.labels.data == 1).all()
    assert 0 in session.overlay.hidden
    assert overlay.labels.colormap.color_dict[1][3] == 1, "else it couldn't be told from what isn't known"
    session.show_seeds(None)
    assert not overlay.labels.visible
