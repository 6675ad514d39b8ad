"""The Propagate dock alone, and in the whole window: what it says, its choices, keys, tabs, and the end of it all."""

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton

from spml_core.annotations import Scribble
from spml_core.engine.background.film_score_messages import FilmScored
from spml_core.engine.film_results import FilmResults
from spml_napari.docks.frame_scale import runs_of
from spml_napari.docks.frame_strip import FrameStrip
from spml_napari.docks.propagate import PropagateDock
from spml_napari.film_overview import FilmOverview, FilmOverviews
from spml_napari.frame_follower import FrameFollower
from spml_napari.measure_control import MeasureControl
from spml_napari.propagation_control import PropagationControl
from spml_napari.propagation_state import PropagationState
from spml_napari.tools.native import native_canvas

LONG = 60_000
LEFT = Qt.MouseButton.LeftButton


pytestmark = pytest.mark.usefixtures("light_answers")


@pytest.fixture
def dock(film_session, executor, qtbot):
    place = SimpleNamespace(is_ready=True, is_drawing=False, is_playing=False)
    overviews = FilmOverviews(film_session, executor.submit)
    control = PropagationControl(
        film_session,
        overviews,
        executor.submit,
        FrameFollower(film_session, place, place),
        target="propagation_targets:go_on_until_stopped",
    )
    dock = PropagateDock(film_session, control, overviews, MeasureControl(film_session, target="x:y"))
    qtbot.addWidget(dock)
    dock.resize(300, 600)
    dock.show()
    qtbot.waitExposed(dock)
    yield dock
    control.close()
    overviews.close()


def click(button):
    QTest.mouseClick(button, LEFT)


def mark_background(session):
    session.add_marks([Scribble(0, ((2, 2), (2, 40)), 3)], "Background")


def put(project, frames, labels=1, confidence=0.9):
    film = project.films[0]
    with FilmResults.of(project, film) as results:
        for index in frames:
            found = SimpleNamespace(
                index=index,
                labels=np.full((film.height, film.width), labels, np.uint8),
                confidence=confidence,
                source="forward",
                final=True,
                is_cut=False,
            )
            results.put(found, "key")


# What it says -------------------------------------------------------------------------------------------


def test_it_says_what_is_missing_and_how_many_frames_there_are_to_do(dock, film_session, qtbot):
    qtbot.waitUntil(lambda: "only “leaf”" in dock.status.text(), timeout=LONG)
    assert not dock.primary.isEnabled()
    mark_background(film_session)
    qtbot.waitUntil(lambda: dock.primary.text() == "Propagate 30 frames", timeout=LONG)
    assert dock.primary.isEnabled()
    film_session.undo()
    number = next(iter(film_session.marks()))
    film_session.remove_marks([number], "Nothing is left")
    qtbot.waitUntil(
        lambda: dock.status.text() == "Mark an object and what is around it on one frame first.", timeout=LONG
    )


def test_the_range_is_that_of_the_session(dock, film_session, qtbot):
    options = dock.options
    assert (options.first.value(), options.last.value()) == (0, 29)
    assert not options.whole.isEnabled()
    click(options.from_here)
    assert film_session.film_range == (12, 29)
    options.last.setValue(20)
    assert film_session.film_range == (12, 20)
    options.first.setValue(25)
    assert film_session.film_range == (25, 25)
    assert options.last.value() == 25
    options.last.setValue(3)
    assert film_session.film_range == (3, 3)
    click(options.whole)
    assert film_session.film_range is None
    assert (options.first.value(), options.last.value()) == (0, 29)
    film_session.set_film_range((4, 8))
    assert (options.first.value(), options.last.value()) == (4, 8)


def test_its_choices_are_those_of_the_control(dock):
    options, control = dock.options, dock.control
    options.direction.setCurrentIndex(options.direction.findData("backward"))
    options.flow.setCurrentIndex(options.flow.findData("deepflow"))
    options.after_mark.box.click()
    options.follow.box.click()
    choices = control.choices
    assert (choices.direction, choices.flow) == ("backward", "deepflow")
    assert choices.after_every_mark
    assert not choices.follow
    control.choose(direction="both", after_every_mark=False)
    assert options.direction.currentData() == "both"
    assert not options.after_mark.box.isChecked()


def test_the_learned_flow_is_there_only_where_its_weights_are(tmp_path, monkeypatch):
    from spml_napari.propagation_outlook import raft_is_here

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert not raft_is_here()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "raft_small_C_T_V2-01064c6d.pth").touch()
    assert raft_is_here()


def test_start_pause_stop_and_what_the_buttons_say(dock, film_session, qtbot):
    mark_background(film_session)
    qtbot.waitUntil(dock.primary.isEnabled, timeout=LONG)
    assert not dock.stop.isEnabled()
    click(dock.primary)
    assert dock.control.state is PropagationState.STARTING
    assert dock.primary.text() == "Pause"
    assert not dock.options.direction.isEnabled()
    assert dock.bar.isVisible()
    qtbot.waitUntil(lambda: "done" in dock.status.text(), timeout=LONG)
    assert dock.bar.maximum() == 1000
    qtbot.waitUntil(lambda: "frames a second" in dock.status.text(), timeout=LONG)
    assert dock.options.follow.box.isChecked()
    film_session.go_to_frame(29 - film_session.frame_index)
    assert not dock.options.follow.box.isChecked()  # the user looks elsewhere
    click(dock.primary)
    assert dock.primary.text() == "Continue"
    assert "Paused" in dock.status.text()
    click(dock.stop)
    assert dock.stop.text() == "Stop now"
    qtbot.waitUntil(lambda: dock.control.state is PropagationState.IDLE, timeout=LONG)
    assert dock.status.text().startswith("Stopped: ")
    assert not dock.bar.isVisible()
    assert dock.options.follow.box.isChecked()  # next time again


def test_the_worst_frame_is_gone_to(dock, film_session, qtbot):
    assert not dock.worst.isEnabled()
    put(film_session.project, range(30))
    put(film_session.project, [22], confidence=0.2)
    dock._overviews.refresh(film_session.film)
    qtbot.waitUntil(dock.worst.isEnabled, timeout=LONG)
    click(dock.worst)
    assert film_session.frame_index == 22


def test_numbers_are_shown_with_their_age(dock, film_session):
    measuring = dock.scores.control
    assert dock.scores.numbers.isHidden()
    measuring.scored = FilmScored(30, 2, 29, 0.75, 0.8125, 0.9375, np.zeros((32, 48), np.float32))
    measuring.changed.emit()
    text = dock.scores.numbers.text()
    assert "93.8%" in text
    assert "81.2%" in text
    assert "75.0%" in text
    assert "2 marked frames" in text
    assert "Measured before" not in text
    mark_background(film_session)
    assert "Measured before" in dock.scores.numbers.text()
    measuring.scored = replace(measuring.scored, mean_iou=None, corrected=float("nan"))
    measuring.changed.emit()
    assert "unknown" in dock.scores.numbers.text()
    assert "overlap" not in dock.scores.numbers.text()


def test_every_control_has_a_name_and_a_tip(dock):
    buttons = dock.findChildren(QPushButton)
    assert len(buttons) >= 6
    for button in buttons:
        assert button.objectName()
        assert button.toolTip()


# The whole window -----------------------------------------------------------------------------------------


@pytest.fixture
def app(arrangement):
    arrangement.bench.propagation._target = "propagation_targets:go_on_until_stopped"
    return arrangement


@pytest.fixture
def opened(app, film_project, qtbot):
    """The window with the film in it, frame 12 on the canvas, ready to propagate."""
    film_project.close()
    assert app.bench.session.open(film_project.path)
    qtbot.waitUntil(lambda: app.bench.canvas.is_ready, timeout=LONG)
    mark_background(app.bench.session)
    qtbot.waitUntil(lambda: "frames" in app.bench.docks["propagate"].primary.text(), timeout=LONG)
    return app


def press(app, key):
    QTest.keyClick(native_canvas(app.viewer), key)


def test_the_dock_is_there_in_projects_with_films_only(app, small_project, film_folder, qtbot):
    path = small_project.path
    small_project.close()
    session = app.bench.session
    session.open(path)
    qtbot.wait(50)
    assert app.docks["propagate"].isHidden()
    session.project.add_film(film_folder)
    session.pictures_arrived("a film")
    assert not app.docks["propagate"].isHidden()
    session.go_to_film(session.project.films[0])
    qtbot.waitUntil(lambda: app.bench.docks["propagate"].isVisible(), timeout=LONG)  # its tab is in front
    session.close()
    assert app.docks["propagate"].isHidden()


def test_keys_propagate_and_go_to_the_worst_frame(opened, qtbot):
    bench = opened.bench
    press(opened, Qt.Key.Key_R)
    assert bench.propagation.is_busy
    qtbot.waitUntil(lambda: bench.propagation.state is PropagationState.RUNNING, timeout=LONG)
    qtbot.waitUntil(lambda: bench.session.frame_index != 12, timeout=LONG)  # the canvas goes along
    press(opened, Qt.Key.Key_R)
    assert bench.propagation.state is PropagationState.PAUSED
    bench.propagation.stop()
    qtbot.waitUntil(lambda: not bench.propagation.is_busy, timeout=LONG)
    put(bench.session.project, range(30))
    put(bench.session.project, [22], confidence=0.2)
    bench.films.refresh(bench.session.film)
    bar = bench.docks["film"]
    qtbot.waitUntil(lambda: bench.films.of(bench.session.film).confidences[22] < 0.3, timeout=LONG)
    press(opened, Qt.Key.Key_H)
    assert bench.session.frame_index == 22
    bench.session.go_to_frame(0)
    click(bar.worst)
    assert bench.session.frame_index == 22


def test_a_frame_on_the_canvas_gets_its_overlay_while_it_is_propagated(opened, qtbot):
    bench = opened.bench
    bench.session.go_to_frame(2)
    qtbot.waitUntil(lambda: bench.canvas.is_ready, timeout=LONG)
    bench.propagation.start(follows=False)
    qtbot.waitUntil(lambda: bench.session.seen_film_result is not None, timeout=LONG)
    qtbot.waitUntil(lambda: bool((np.asarray(bench.canvas.overlay.labels.data) == 2).all()), timeout=LONG)
    assert bench.canvas.overlay.labels.visible


def test_closing_the_window_meanwhile_leaves_no_process(opened, qtbot):
    bench = opened.bench
    bench.propagation.start()
    qtbot.waitUntil(lambda: bench.propagation.state is PropagationState.RUNNING, timeout=LONG)
    pid = bench.propagation._child.pid
    path = bench.session.project.path
    bench.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert path.is_dir()


def test_the_flicker_map_lies_over_the_film_that_was_measured(opened, qtbot):
    bench = opened.bench
    measuring, layers = bench.measuring, opened.viewer.layers
    active = layers.selection.active
    measuring._film = bench.session.film.id
    flicker = np.zeros((32, 48), np.float32)
    flicker[4:8] = 0.5
    flicker[0, 0] = np.nan
    measuring.scored = FilmScored(30, 2, 29, 0.75, 0.8, 0.9, flicker)
    measuring.changed.emit()
    assert "Flicker" not in layers
    bench.docks["propagate"].scores.flicker.box.click()
    layer = layers["Flicker"]
    assert np.isfinite(layer.data).all()
    assert layer.contrast_limits == [0, 0.5]
    assert layers.selection.active is active
    bench.session.go_to_frame(3)
    assert "Flicker" in layers
    bench.docks["propagate"].scores.flicker.box.click()
    assert "Flicker" not in layers
    measuring.show_flicker(True)
    bench.session.close()
    assert "Flicker" not in layers
    assert measuring.scored is None


# The strip ------------------------------------------------------------------------------------------------


def test_runs_of_frames():
    assert runs_of({7, 3, 4, 5, 9, 10}) == [(3, 5), (7, 7), (9, 10)]
    assert runs_of(()) == []


def test_what_is_out_of_date_is_hatched_in_the_strip(qtbot):
    strip = FrameStrip()
    qtbot.addWidget(strip)
    strip.resize(616, strip.sizeHint().height())
    sure = FilmOverview(np.full(30, 0.9, np.float32))
    strip.show_film(sure, None)
    before = strip.grab().toImage()
    strip.show_film(replace(sure, outdated=frozenset({10, 11})), None)
    after = strip.grab().toImage()
    y = strip.height() // 2
    for index, is_changed in ((5, False), (10, True), (11, True), (12, False)):
        x = round(strip.scale.x_of(index) * after.devicePixelRatio())
        assert (before.pixel(x, y) != after.pixel(x, y)) == is_changed, index
    assert "out of date" in strip.words(10)
    assert "out of date" not in strip.words(12)
