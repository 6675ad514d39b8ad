"""The training dock with a control whose child processes are really spawned."""

import math
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QComboBox, QPushButton, QScrollArea

from spml_core.annotations import Box, KeyPoint, Point, Scribble, Tag
from spml_core.films import write_zarr_film
from spml_core.project import Project
from spml_napari.docks.duration_box import DurationBox
from spml_napari.docks.training import TrainingDock, time_left
from spml_napari.readiness import what_is_missing
from spml_napari.training_control import TrainingControl

LONG = 30_000


@pytest.fixture
def memory(tmp_path):
    return QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def make_dock(session, qtbot, monkeypatch, memory):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    made = []

    def make(target="train_until_stopped"):
        control = TrainingControl(session, target=f"child_targets:{target}")
        dock = TrainingDock(session, control, memory)
        qtbot.addWidget(dock)
        dock.resize(300, 800)
        dock.show()
        made.append(control)
        return dock

    yield make
    for control in made:
        control.close()


def press(dock, name, qtbot):
    button = dock.findChild(QPushButton, name)
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# What is needed before --------------------------------------------------------------------------------


def test_what_is_missing(session, small_project):
    assert what_is_missing(small_project) == ""
    assert "Open or make" in what_is_missing(None)
    with Project.open(small_project.path, write=False) as reader:
        assert "reading only" in what_is_missing(reader)
    first = small_project.picture("first").id
    box = next(k for k, m in small_project.marks(first).items() if isinstance(m, Box))
    point = next(k for k, m in small_project.marks(first).items() if isinstance(m, Point))
    assert what_is_missing(small_project, first) == ""
    small_project.remove_marks([point])
    small_project.remove_marks([number for number in small_project.marks(first) if number != box])
    assert what_is_missing(small_project) == "", "a box brings background with it"
    small_project.remove_marks([box])
    assert "nothing is marked" in what_is_missing(small_project)
    small_project.add_marks({first: [Scribble(2, ((5, 5),), 3)]}, "scribble")
    assert "only “stem” is marked" in what_is_missing(small_project)
    second = small_project.picture("second").id
    small_project.add_marks({second: [KeyPoint(2, 9, 9, 10)]}, "key point")
    assert what_is_missing(small_project) == "", "and so does a key point"


def test_tags_alone_are_enough_once_they_differ(session, small_project):
    first, second, third = (record.id for record in small_project.pictures)
    small_project.remove_marks(small_project.marks(first))
    small_project.add_marks({first: [Tag(1)], second: [Tag(1)]}, "tags")
    assert "only tags of “leaf”" in what_is_missing(small_project)
    small_project.add_marks({third: [Tag(2, complete=False)]}, "an incomplete list")
    assert what_is_missing(small_project, third) == ""
    small_project.undo()
    small_project.add_marks({third: [Tag(0)]}, "nothing but background")
    assert what_is_missing(small_project, first) == ""


def test_start_is_possible_as_soon_as_two_classes_are_marked(make_dock, session, qtbot):
    dock = make_dock()
    assert dock.primary.isEnabled()
    assert not dock.missing.isVisible()
    session.undo()
    qtbot.waitUntil(lambda: not dock.primary.isEnabled())
    assert "nothing is marked" in dock.missing.text()
    assert dock.primary.toolTip() == dock.missing.text()
    session.add_marks([Point(0, 1, 1)], "a")
    qtbot.waitUntil(lambda: "only “background”" in dock.missing.text())
    session.add_marks([Point(1, 9, 9)], "b")
    qtbot.waitUntil(dock.primary.isEnabled)
    assert not dock.missing.isVisible()
    assert "Learn" in dock.primary.toolTip()


# Training ---------------------------------------------------------------------------------------------


def test_one_button_starts_pauses_and_goes_on(make_dock, session, qtbot):
    dock = make_dock()
    assert dock.primary.text() == "Start"
    assert not dock.stop.isEnabled()
    assert not dock.bar.isVisible()
    press(dock, "training_primary", qtbot)
    assert dock.primary.text() == "Pause"
    assert dock.bar.isVisible()
    assert not dock.options.isEnabled()
    qtbot.waitUntil(lambda: "Learning, step" in dock.status.text(), timeout=LONG)
    assert "About 10 seconds left" in dock.status.text()
    qtbot.waitUntil(lambda: dock.plot._plot.isVisible() and bool(dock.plot._curves), timeout=LONG)
    assert set(dock.plot.terms) == {"total", "cross_entropy"}
    press(dock, "training_primary", qtbot)
    assert dock.primary.text() == "Continue"
    assert "Paused" in dock.status.text()
    qtbot.wait(50)
    assert "Paused" in dock.status.text()  # steps that were under way don't overwrite it
    press(dock, "training_primary", qtbot)
    assert dock.primary.text() == "Pause"
    press(dock, "training_stop", qtbot)
    assert dock.stop.text() == "Stop now"
    assert not dock.primary.isEnabled()
    qtbot.waitUntil(lambda: dock.primary.text() == "Start", timeout=LONG)
    assert dock.primary.isEnabled()
    assert dock.options.isEnabled()
    assert not dock.bar.isVisible()
    assert "Run 1 was stopped before its first step" in dock.stopped.text()  # the stand-in writes no metrics
    press(dock, "training_resume", qtbot)
    assert dock.control.run_id == "run-0001"
    assert dock.plot.terms  # a resumed run goes on in its plot
    assert not dock.resume.isVisible()


def test_a_finished_run_is_listed_with_its_score(make_dock, session, qtbot):
    dock = make_dock("train_to_the_end")
    press(dock, "training_primary", qtbot)
    qtbot.waitUntil(lambda: "has ended" in dock.status.text(), timeout=LONG)
    assert "current" in dock.runs._view.item(0).text()
    assert not dock.resume.isVisible()
    # The stand-in writes no metrics, so there is no score to read.
    assert "No held-back score" in dock.score.text()
    run = session.project.runs()[0]
    run.append_metrics({"event": "finished", "step": 5, "seconds": 1.0, "held_back_score": 0.83})
    session.runs_changed.emit()
    assert "83%" in dock.score.text()
    assert "kept out" in dock.score.toolTip()
    assert dock.options.beginning.currentText() == "Run 1 (current)"


def test_what_kills_the_training_leaves_the_dock_ready(make_dock, session, qtbot):
    dock = make_dock("train_and_be_killed")
    told = []
    session.reported.connect(lambda level, text: told.append(text))
    press(dock, "training_primary", qtbot)
    qtbot.waitUntil(lambda: any("killed" in text for text in told), timeout=LONG)
    assert dock.primary.text() == "Start"
    assert dock.primary.isEnabled()
    assert dock.resume.isVisible()


def test_the_dock_without_a_project(make_dock, session, qtbot):
    dock = make_dock()
    session.close()
    assert not dock.primary.isEnabled()
    assert "Open or make a project" in dock.missing.text()
    assert dock.score.text() == ""


def test_a_dock_whose_qt_half_is_gone_is_not_called(make_dock, session, qtbot):
    dock = make_dock()
    control = dock.control
    dock.deleteLater()
    qtbot.waitSignal(dock.destroyed).wait()
    session.runs_changed.emit()
    session.marks_changed.emit(frozenset())
    control.state_changed.emit("idle")


# Options ----------------------------------------------------------------------------------------------


def test_options_fill_the_choices(make_dock, session, qtbot):
    dock = make_dock()
    choices = dock.control.choices
    assert (choices.preset, choices.max_seconds, choices.device) == ("quick", 180.0, "auto")
    dock.findChild(DurationBox, "training_time").setValue(75)
    box = dock.findChild(QComboBox, "training_device")
    box.setCurrentIndex(box.findData("cpu"))
    assert (dock.control.choices.max_seconds, dock.control.choices.device) == (75.0, "cpu")
    dock.options.preset.setCurrentIndex(1)
    assert (dock.control.choices.preset, dock.control.choices.max_seconds) == ("standard", 1200.0)
    assert "slower" in dock.options.about.text()
    dock.options.preset.setCurrentIndex(0)
    assert dock.options.time.value() == 75  # each preset remembers its own
    assert make_dock().control.choices.max_seconds == 75.0  # and a new window, too


def test_films_are_asked_about_where_there_are_any(make_dock, session, tmp_path, qtbot):
    dock = make_dock()
    films = dock.findChild(QComboBox, "training_films")
    assert not films.isVisible()
    path = write_zarr_film(np.zeros((3, 20, 24, 3), np.uint8), tmp_path / "film.zarr")
    session.project.add_film(path)
    session.pictures_arrived("A film")
    assert films.isVisible()
    films.setCurrentIndex(films.findData("etc"))
    assert dock.control.choices.video == "etc"
    press(dock, "training_primary", qtbot)
    assert session.project.runs()[-1].config["video"] == "etc"


def test_damaged_memory_is_survived(make_dock, memory):
    memory.setValue("training/quick/seconds", "long")
    assert make_dock().control.choices.max_seconds == 180.0


def test_devices_are_offered_as_they_become_known(make_dock):
    dock = make_dock()
    box = dock.options.device
    assert [box.itemData(i) for i in range(box.count())] == ["auto", "cpu"]
    box.setCurrentIndex(1)
    dock.set_devices(("cuda", "cpu"))
    assert [box.itemData(i) for i in range(box.count())] == ["auto", "cuda", "cpu"]
    assert box.currentData() == "cpu"


def test_where_to_begin(make_dock, session):
    dock = make_dock()
    box = dock.options.beginning
    assert not box.isEnabled()
    assert not dock.control.choices.from_scratch
    run = session.project.new_run({})
    (run.folder / "model.safetensors").write_text("{}")
    session.project.set_current_run(run.id)
    session.runs_changed.emit()
    assert box.isEnabled()
    assert box.currentText() == "Run 1 (current)"  # the default as soon as there is one
    box.setCurrentIndex(1)
    assert dock.control.choices.from_scratch
    session.runs_changed.emit()
    assert box.currentText() == "From scratch"


def test_durations(qtbot):
    box = DurationBox(90, least=10)
    qtbot.addWidget(box)
    assert box.text() == "1:30"
    for typed, seconds in {"2:05": 125, "7": 420, "0:45": 45, " 3 ": 180, "61:00": 3660}.items():
        box.lineEdit().setText(typed)
        box.interpretText()
        assert box.value() == seconds, typed
    for typed in ("", "1:", "0:05", "0:7", "99999"):
        assert box.validate(typed, 0)[0] != box.validate("1:00", 0)[0] or typed == "1:"
    assert box.validate("1:99", 0)[0] != box.validate("1:00", 0)[0]
    assert box.validate("a", 0)[0] not in (box.validate("1:00", 0)[0], box.validate("", 0)[0])
    box.stepUp()
    assert box.text() == "61:30"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (math.nan, ""),
        (-1, ""),
        (0, "A few seconds left."),
        (11, "About 10 seconds left."),
        (44, "About 40 seconds left."),
        (58, "About a minute left."),
        (61, "About a minute left."),
        (200, "About 3 minutes left."),
        (3599, "About 1 h 00 min left."),
        (5400, "About 1 h 30 min left."),
    ],
)
def test_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


def test_nothing_is_cut_off_at_300_pixels(make_dock, session, qtbot):
    for state in ("stopped", "finished"):
        session.project.set_run_state(session.project.new_run({}).id, state)
    dock = make_dock()
    german = {
        "training_primary": "Fortsetzen",
        "training_stop": "Sofort beenden",
        "training_resume": "Fortsetzen",
        "make_run_current": "Aktuell machen",
        "resume_run": "Fortsetzen",
        "compare_run": "Mit dem aktuellen vergleichen",
    }
    for name, text in german.items():
        dock.findChild(QPushButton, name).setText(text)
    content = dock.findChild(QScrollArea).widget()
    assert content.minimumSizeHint().width() <= 284  # a scroll bar fits beside it
    qtbot.wait(50)
    for name in german:
        button = dock.findChild(QPushButton, name)
        assert button.isHidden() or button.width() >= button.minimumSizeHint().width(), name
