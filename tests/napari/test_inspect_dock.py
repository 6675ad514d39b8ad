"""The inspect dock with a control whose answering process a test plays."""

import numpy as np
import pytest
from answers import FakeAnswers, make_run, prediction, store_prediction
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QRadioButton

from spml_core.annotations import Box
from spml_core.engine.background.messages import AskSeeds, AskWhy, Predict, Reason, Reasons, SeedsAnswer
from spml_napari.docks.heat_legend import HeatLegend
from spml_napari.docks.inspect import InspectDock
from spml_napari.docks.probability_bars import ProbabilityBars
from spml_napari.docks.reasons import ReasonsList
from spml_napari.prediction_control import PredictionControl
from spml_napari.seed_control import SeedControl
from spml_napari.session import Session
from spml_napari.view_state import OverlayMode, ShownPrediction, Tool

SIZE = (48, 64)


@pytest.fixture
def control(small_project):
    session = Session()
    made = []
    control = PredictionControl(
        session, lambda path: made.append(FakeAnswers(path)) or made[-1], lambda: False
    )
    control.made = made
    control.seeds = SeedControl(session, control.line, control.current_run)
    session.adopt(small_project)
    yield control
    control.close()
    session.close()


@pytest.fixture
def dock(control, executor, qtbot):
    dock = InspectDock(control.session, control, control.seeds, executor.submit)
    qtbot.addWidget(dock)
    dock.resize(300, 700)
    dock.show()
    return dock


@pytest.fixture
def shown(control, dock, small_project, qtbot):
    """A run, and its prediction over the open picture: class 1 with 0.8, 0.1 each for the others."""
    run = make_run(small_project)
    control.session.runs_changed.emit()
    control._ask()
    answers = control.made[0]
    answers.received.emit(prediction(answers.asked_for(Predict)[-1], SIZE))
    assert control.session.prediction is not None
    return run


def words(bars):
    return bars.findChild(QLabel).text()


def press(dock, name, qtbot):
    button = dock.findChild(QPushButton, name)
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# The overlay ------------------------------------------------------------------------------------------


def test_the_overlays_look_goes_both_ways(control, dock, qtbot):
    session = control.session
    for mode in (OverlayMode.UNCERTAINTY, OverlayMode.CLASSES):
        button = dock.findChild(QRadioButton, f"mode_{mode}")
        button.click()
        assert session.overlay.mode is mode
        assert dock.legend.isVisible() == (mode is OverlayMode.UNCERTAINTY)
    dock.opacity.setValue(80)
    dock.contour.setValue(3)
    assert (session.overlay.opacity, session.overlay.contour) == (0.8, 3)
    session.view(opacity=0.2, contour=0, mode=OverlayMode.UNCERTAINTY)
    assert (dock.opacity.value(), dock.contour.value()) == (20, 0)
    assert dock.findChild(QRadioButton, "mode_uncertainty").isChecked()


def test_runs_to_compare_with_are_those_with_a_model(control, dock, small_project, qtbot):
    assert dock.runs.count() == 1
    first = make_run(small_project)
    make_run(small_project, model=False)
    last = make_run(small_project)
    control.session.runs_changed.emit()
    assert [dock.runs.itemData(i) for i in range(dock.runs.count())] == [None, last.id, first.id]
    dock.runs.setCurrentIndex(2)
    dock.runs.activated.emit(2)
    assert control.session.overlay.compared_run == first.id
    assert control.session.overlay.mode is OverlayMode.DIFFERENCE
    control.session.runs_changed.emit()  # a list filled anew keeps the choice
    assert dock.runs.currentData() == first.id


# Under the cursor ---------------------------------------------------------------------------------------


def test_probabilities_under_the_cursor(control, dock, shown):
    dock.show_at(10.2, 20.9)
    names = control.session.classes.names
    assert [row[0] for row in dock.bars.rows] == [names[1], names[0], names[2]]
    assert [row[2] for row in dock.bars.rows] == pytest.approx([0.8, 0.102, 0.102], abs=0.001)
    dock.show_at(10.2, 640)
    assert dock.bars.rows == []
    dock.show_at(10.2, 20.9)
    dock.show_nowhere()
    assert dock.bars.rows == []
    dock.show_at(10.2, 20.9)
    control.session.step(1)
    assert dock.bars.rows == []


def test_there_are_no_probabilities_of_a_preview(control, dock):
    dock.show_at(1, 1)
    assert "Point at" in words(dock.bars)
    session = control.session
    session.show_prediction(
        ShownPrediction(session.picture.id, "run-0001", 1, np.zeros(SIZE, np.uint8), live=True)
    )
    dock.show_at(1, 1)
    assert "when training has ended" in words(dock.bars)
    assert "preview" in dock.state.text()


def test_probabilities_of_a_picture_that_is_shown_smaller(control, dock):
    session = control.session
    values = np.zeros((3, 12, 16), np.uint8)
    values[2, 5, 10] = 255
    session.show_prediction(
        ShownPrediction(session.picture.id, "r", 4, np.zeros((12, 16), np.uint8), values, values[0])
    )
    dock.show_at(22.0, 41.0)
    assert dock.bars.rows[0][0] == session.classes.names[2]
    assert dock.bars.rows[0][2] == 1.0


def test_bars_show_the_most_probable_classes_first_and_keep_their_height(qtbot):
    bars = ProbabilityBars()
    qtbot.addWidget(bars)
    bars.resize(260, bars.sizeHint().height())
    height = bars.sizeHint().height()
    rows = [(f"class number {i}", (10 * i, 0, 0), i / 45) for i in range(10)]
    bars.show_rows(rows)
    assert [row[0] for row in bars.rows] == [f"class number {i}" for i in (9, 8, 7, 6, 5)]
    assert bars.sizeHint().height() == height
    full = bars.grab().toImage()
    bars.say("Nothing to see.")
    assert bars.rows == []
    assert bars.grab().toImage() != full
    assert bars.sizeHint().height() == height


def test_the_legend_goes_from_dark_to_light(qtbot):
    legend = HeatLegend()
    qtbot.addWidget(legend)
    legend.resize(200, legend.sizeHint().height())
    image = legend.grab().toImage()
    ratio = image.devicePixelRatio()
    lights = [image.pixelColor(int(x * ratio), int(4 * ratio)).lightness() for x in (2, 60, 120, 197)]
    assert lights == sorted(lights)
    assert lights[-1] - lights[0] > 150


# Review -----------------------------------------------------------------------------------------------


def test_accepting_and_taking_back(control, dock, shown, qtbot):
    session = control.session
    assert "Look it over" in dock.state.text()
    assert not dock.take_back.isVisible()
    press(dock, "accept_picture", qtbot)
    assert session.is_reviewed()
    assert "Reviewed" in dock.state.text()
    assert not dock.accept_picture.isEnabled()
    count = len(session.marks())
    press(dock, "take_back", qtbot)
    assert not session.is_reviewed()
    assert len(session.marks()) == count - 1  # what was drawn by hand stays
    session.set_class(1)
    assert "leaf" in dock.accept_class.text()
    press(dock, "accept_class", qtbot)
    assert len(session.marks()) == count
    assert not session.is_reviewed()


def test_without_a_prediction_there_is_nothing_to_accept(control, dock):
    assert "no prediction" in dock.state.text()
    assert not dock.accept_picture.isEnabled()
    assert not dock.accept_class.isEnabled()
    control.session.close()
    assert "No picture" in dock.state.text()
    assert not dock.next.isEnabled()
    assert not dock.why.isEnabled()


def test_next_picture_to_mark(control, dock, shown, small_project, qtbot):
    store_prediction(small_project, shown, "third", np.zeros((60, 40), np.uint8), 0.9)
    press(dock, "next_to_mark", qtbot)
    assert control.session.picture.name == "third"


def test_a_long_class_name_does_not_widen_the_dock(control, dock):
    control.session.edit_classes(
        lambda p: p.rename_class(0, "Hintergrundbereichsbezeichnung der Versuchsreihe"), "renamed"
    )
    assert dock.minimumSizeHint().width() <= 300
    assert dock.accept_class.fontMetrics().horizontalAdvance(dock.accept_class.text()) < 300
    assert "…" in dock.accept_class.text()


# Why --------------------------------------------------------------------------------------------------


def test_the_why_button_is_the_why_tool(control, dock, qtbot):
    session = control.session
    press(dock, "ask_why", qtbot)
    assert session.tool is Tool.WHY
    session.set_tool(Tool.SCRIBBLE)
    assert not dock.why.isChecked()
    press(dock, "ask_why", qtbot)
    press(dock, "ask_why", qtbot)
    assert session.tool is Tool.MOVE


def test_reasons_are_shown_with_their_pictures_and_lead_there(control, dock, shown, qtbot):
    control.ask_why(5, 6)
    answers = control.made[0]
    question = answers.asked_for(AskWhy)[-1]
    reasons = (
        Reason("second", 20.0, 30.0, 1, 0.93),
        Reason("third", 55.0, 2.0, 0, 0.5),
        Reason("gone", 1.0, 1.0, 2, 0.4),  # a picture that was taken out since
        Reason("first", 1.0, 1.0, 9, 0.3),  # a class that was deleted since
    )
    answers.received.emit(Reasons(question.request, question.picture_id, 5, 6, reasons))
    listed = dock.reasons
    assert listed.isVisible()
    assert [listed.item(i).text() for i in range(listed.count())] == [
        "leaf\n93% alike",
        "background\n50% alike",
        "stem\n40% alike",
    ]
    assert "“leaf” in second" in dock.answer.text()
    qtbot.waitUntil(lambda: not listed.item(0).icon().isNull() and not listed.item(1).icon().isNull())
    assert listed.item(2).icon().isNull()
    with qtbot.waitSignal(dock.place_chosen) as signal:
        listed.itemClicked.emit(listed.item(1))
    assert signal.args == ["third", 55.0, 2.0]
    control.session.step(1)
    assert not listed.isVisible()


def test_no_reasons(control, dock, shown):
    control.ask_why(5, 6)
    answers = control.made[0]
    question = answers.asked_for(AskWhy)[-1]
    answers.received.emit(Reasons(question.request, question.picture_id, 5, 6))
    assert not dock.reasons.isVisible()
    assert "train again" in dock.answer.text()


def test_a_late_thumbnail_does_not_land_on_another_reason(control, executor, qtbot):
    waiting = []
    listed = ReasonsList(control.session, lambda job, *args, done, failed: waiting.append((job, args, done)))
    qtbot.addWidget(listed)
    listed.show_reasons(Reasons(1, 1, 0, 0, (Reason("first", 5, 5, 0, 0.9),)))
    listed.show_reasons(Reasons(2, 1, 0, 0, (Reason("second", 5, 5, 1, 0.8),)))
    (job, args, done), (_, newer, done_newer) = waiting
    done(job(*args))
    assert listed.item(0).icon().isNull()
    done_newer(job(*newer))
    assert not listed.item(0).icon().isNull()


def test_the_picture_of_a_reason_that_cant_be_read_is_left_blank(control, dock, shown, small_project, qtbot):
    small_project.picture("second").path.write_bytes(b"no picture")
    dock.reasons.show_reasons(
        Reasons(1, 1, 0, 0, (Reason("second", 5, 5, 0, 0.9), Reason("third", 5, 5, 0, 0.9)))
    )
    qtbot.waitUntil(lambda: not dock.reasons.item(1).icon().isNull())
    assert dock.reasons.item(0).icon().isNull()


def test_a_dock_whose_qt_half_is_gone_is_not_called(control, executor, qtbot):
    dock = InspectDock(control.session, control, control.seeds, executor.submit)
    dock.deleteLater()
    qtbot.waitUntil(lambda: not isalive(dock))
    control.session.runs_changed.emit()
    control.reasons_found.emit(Reasons(1, 1, 0, 0))


def test_seeds_are_explained_while_they_are_shown(control, dock, small_project, qtbot):
    text = dock.findChild(QLabel, "seeds_note")
    assert not text.isVisible()
    dock.findChild(QRadioButton, "mode_seeds").click()
    assert control.session.overlay.mode is OverlayMode.SEEDS
    assert "worked out" in text.text()
    question = control.made[0].asked_for(AskSeeds)[-1]
    labels = np.full(SIZE, 3, np.uint8)
    control.made[0].received.emit(SeedsAnswer(question.request, question.picture_id, 1, labels, labels == 0))
    assert "Hatched" in text.text() and "training" not in text.text(), "there is a box"
    control.session.set_tag(1, True)
    assert "Hatched" in text.text() and "before the first training" in text.text()
    box = next(number for number, mark in control.session.marks().items() if isinstance(mark, Box))
    control.session.remove_marks([box], "no box")
    assert "Hatched" not in text.text() and "before the first training" in text.text()
    control.session.set_tag(1, False)
    assert "no box" in text.text()
    dock.findChild(QRadioButton, "mode_classes").click()
    assert not text.isVisible()


def test_the_crop_of_a_reason_may_come_from_a_frame_of_a_film(film_session, executor, qtbot):
    listed = ReasonsList(film_session, executor.submit)
    qtbot.addWidget(listed)
    name = film_session.project.frame(film_session.film, 20).name
    listed.show_reasons(Reasons(1, 1, 0, 0, (Reason(name, 5, 5, 0, 0.9),)))
    qtbot.waitUntil(lambda: not listed.item(0).icon().isNull(), timeout=10_000)
    middle = listed.item(0).icon().pixmap(80, 80).toImage().pixelColor(40, 40)
    assert abs(middle.red() - 20 * 8) <= 2
