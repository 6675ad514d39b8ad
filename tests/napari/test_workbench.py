"""All of the plugin in a real viewer: what belongs together, what goes wrong, and what is left when it closes."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name
from qtpy.QtCore import QSettings, Qt

import spml_napari
from spml_core.annotations import Patch, Point, Scribble
from spml_core.project import Project
from spml_napari import workbench
from spml_napari.tools.native import unwrapped
from spml_napari.view_state import OverlayMode, ShownSeeds, Tool
from spml_napari.workbench import DOCKS, Workbench

MANIFEST = Path(spml_napari.__file__).parent / "napari.yaml"
LONG = 30_000


pytestmark = pytest.mark.usefixtures("light_answers")


@pytest.fixture
def bench(viewer):
    """The viewer's workbench, with what it reports."""
    bench = Workbench.of(viewer)
    bench.told = []
    bench.session.reported.connect(lambda level, text: bench.told.append((level, text)))
    yield bench
    bench.close()


@pytest.fixture
def opened(bench, project_path, qtbot):
    """A workbench with the project in it, its first picture on the canvas."""
    assert bench.session.open(project_path)
    qtbot.waitUntil(lambda: bench.canvas.picture.layer.visible, timeout=LONG)
    return bench


def told(bench, level, words):
    return any(said == level and words in text for said, text in bench.told)


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("spml-")]


def our_processes():
    """Child processes, without the one that Python itself keeps for cleaning up."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "resource_tracker" not in " ".join(child.cmdline())
    ]


# What belongs together ----------------------------------------------------------------------------------


def test_all_docks_of_the_manifest_share_one_workbench(viewer, opened):
    manifest = PluginManifest.from_file(MANIFEST)
    commands = {command.id: command for command in manifest.contributions.commands}
    makers = [
        import_python_name(commands[widget.command].python_name) for widget in manifest.contributions.widgets
    ]
    for make in makers:
        viewer.window.add_dock_widget(make(viewer))
    assert set(opened.docks) == set(DOCKS) - {"keys"}  # which are the app's alone
    assert Workbench.of(viewer) is opened
    opened.session.edit_classes(lambda project: project.add_class("root"), "added")
    assert "root" in [opened.docks["tools"].session.classes.names[-1]]


def test_two_viewers_have_two_workbenches(viewer, opened, make_napari_viewer_proxy, small_project):
    other = Workbench.of(make_napari_viewer_proxy())
    assert other is not opened
    assert other.session.project is None
    other.session.set_tool(Tool.SCRIBBLE)
    assert opened.session.tool is Tool.MOVE
    heard = []
    other.session.reported.connect(lambda level, text: heard.append((level, text)))
    assert not other.session.open(small_project.path)  # it is open already, in the first
    assert heard[0][0] == "error"
    assert opened.session.add_marks([Point(0, 1, 1)], "point")
    other.close()
    assert opened.session.add_marks([Point(0, 2, 2)], "point")


def test_a_closed_workbench_is_forgotten(viewer):
    first = Workbench.of(viewer)
    first.close()
    first.close()
    second = Workbench.of(viewer)
    assert second is not first
    second.close()


def test_opening_a_project_loads_no_torch(project_path):
    script = """
import sys
import spml_napari.app
from spml_napari.session import Session
session = Session()
assert session.open(sys.argv[1])
session.close()
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", script, str(project_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_predictions_reach_the_canvas_and_the_inspect_dock(viewer, opened, qtbot):
    from answers import make_run

    inspect = opened.dock("inspect")
    opened.session.view(suggested=False)
    make_run(opened.session.project)
    opened.session.runs_changed.emit()
    qtbot.waitUntil(lambda: opened.session.prediction is not None, timeout=LONG)
    assert opened.canvas.overlay.labels.visible
    opened.canvas.cursor_moved.emit(10.0, 20.0)
    assert inspect.bars.rows[0][0] == "leaf"
    opened.canvas.cursor_left.emit()
    assert inspect.bars.rows == []
    opened.session.set_tool(Tool.PICK)
    qtbot.waitUntil(lambda: opened.predictions.region_labels() is not None, timeout=LONG)
    opened.session.set_tool(Tool.WHY)
    opened.canvas.on_why(5.0, 6.0)
    qtbot.waitUntil(lambda: inspect.reasons.count() == 1, timeout=LONG)


def test_suggestions_come_to_the_canvas_and_are_answered_by_keys(opened, tmp_path, qtbot):
    opened.suggestions._memory = QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)
    session, inspect = opened.session, opened.dock("inspect")
    qtbot.waitUntil(lambda: session.suggestion is not None, timeout=LONG)
    assert opened.canvas.overlay.labels.visible and opened.canvas.asked.layer.visible
    opened.canvas.cursor_moved.emit(10.0, 60.0)
    assert "Suggested: leaf" in inspect.bars._words.text()
    before, actions = set(session.marks()), opened.actions()
    actions["next_region"]()
    assert session.tool is Tool.ANSWER and opened.canvas.answer.region == 1
    actions["enter"]()
    (mark,) = [mark for number, mark in session.marks().items() if number not in before]
    assert mark == Patch(0, 32, np.ones((48, 32), np.uint8), accepted="class")
    qtbot.waitUntil(lambda: not opened.suggestions.is_waiting, timeout=LONG)
    assert not opened._give_class(2), "what was chosen by key is answered"
    actions["next_region"]()
    assert opened._give_class(2) and len(session.marks()) == len(before) + 2
    session.set_tool(Tool.SCRIBBLE)
    assert not opened._give_class(2), "then a number chooses a class"
    # Whoever waits for Enter gets it when marks have changed, and accepts when they haven't.
    opened.suggestions.set_live("enter")
    session.undo()
    shown = session.suggestion
    actions["enter"]()
    qtbot.waitUntil(lambda: session.suggestion is not shown, timeout=LONG)
    opened.suggestions.set_live("off")
    assert session.suggestion is None and not opened.canvas.asked.layer.visible
    actions["next_region"]()
    actions["enter"]()


def test_training_shows_its_previews_and_the_next_mark_its_suggestion(opened, qtbot):
    session = opened.session
    qtbot.waitUntil(lambda: session.seen_suggestion is not None, timeout=LONG)
    opened.training.state_changed.emit("preparing")
    assert session.seen_suggestion is None
    session.add_marks([Point(1, 3, 3)], "point")
    assert session.seen_suggestion is not None


def test_seeds_come_to_the_canvas_and_the_pick_tool_makes_them_marks(opened, qtbot):
    session = opened.session
    session.view(mode=OverlayMode.SEEDS)
    qtbot.waitUntil(lambda: session.seeds is not None, timeout=LONG)
    assert opened.canvas.overlay.labels.visible
    labels = np.full((48, 64), 3, np.uint8)
    labels[20:30, 20:40] = 1
    session.show_seeds(ShownSeeds(session.picture.id, 1, labels, np.zeros(labels.shape, bool)))
    qtbot.waitUntil(lambda: bool((opened.canvas.overlay.labels.data[20, 20:40] == 2).all()))
    before = set(session.marks())
    session.set_tool(Tool.PICK)
    session.set_class(1)
    opened.canvas.pick.press((25, 30))
    opened.canvas.pick.release((25, 30))
    (mark,) = [mark for number, mark in session.marks().items() if number not in before]
    assert isinstance(mark, Patch)
    assert (mark.top, mark.left, mark.labels.shape) == (20, 20, (10, 20)) and (mark.labels == 1).all()
    asked = session.seeds
    qtbot.waitUntil(lambda: session.seeds is not asked, timeout=LONG)


def test_the_training_dock_learns_the_devices(opened, qtbot):
    qtbot.waitUntil(lambda: opened.predictions.devices == ("cpu",), timeout=LONG)
    options = opened.dock("training").options
    assert options.device.findData("cpu") >= 0


def test_a_place_in_another_picture_is_gone_to(opened, qtbot):
    opened.go_to_place("third", 50.0, 10.0)
    assert opened.session.picture.name == "third"
    qtbot.waitUntil(lambda: tuple(opened.viewer.scene.camera.center[-2:]) == (50.0, 10.0), timeout=LONG)
    opened.go_to_place("third", 20.0, 30.0)
    assert tuple(opened.viewer.scene.camera.center[-2:]) == (20.0, 30.0)


# The app ------------------------------------------------------------------------------------------------


def test_without_a_project_only_the_welcome_dock_is_there(arrangement, project_path, qtbot):
    def visible():
        return {name for name, dock in arrangement.docks.items() if not dock.isHidden()}

    assert visible() == {"welcome"}
    session = arrangement.bench.session
    session.open(project_path)
    assert visible() == set(DOCKS) - {"welcome", "film", "propagate"}
    assert arrangement.window.windowTitle().startswith("small")
    assert not arrangement.window.statusBar().isVisible()  # napari's; ours is in the key bar
    session.close()
    assert visible() == {"welcome"}
    assert not arrangement.window.windowTitle().startswith("small")


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_picture_keeps_most_of_the_window(arrangement, project_path, size, qtbot):
    arrangement.bench.session.open(project_path)
    window = arrangement.window
    window.resize(*size)
    arrangement._size()
    qtbot.wait(200)
    assert (window.width(), window.height()) == size
    canvas = arrangement.viewer.window._qt_viewer
    assert canvas.width() * canvas.height() > 0.45 * size[0] * size[1]


def test_keys_work_wherever_the_focus_is(arrangement, project_path, qtbot):
    session = arrangement.bench.session
    session.open(project_path)
    window = arrangement.window
    qtbot.waitUntil(lambda: arrangement.bench._shortcuts is not None)
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_S)
    assert session.tool is Tool.SCRIBBLE
    qtbot.keyClick(window, Qt.Key.Key_N)
    assert session.picture.name == "second"
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert arrangement.bench.training.is_training
    qtbot.keyClick(window, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    assert arrangement.bench.training.state in ("stopping", "idle")
    arrangement.bench.training.close(timeout=0)
    assert [run.state for run in session.project.runs()] == ["stopped"]


# Bad input ----------------------------------------------------------------------------------------------


def test_a_project_that_is_open_elsewhere(bench, project_path, viewer):
    with Project.open(project_path):
        assert not bench.session.open(project_path)
    level, text = bench.told[-1]
    assert level == "error"
    assert "open" in text
    assert notification_manager.records[-1].message == text
    assert bench.session.project is None
    assert bench.session.open(project_path)


def test_a_project_for_reading_only(bench, project_path, qtbot):
    session = bench.session
    session.adopt(Project.open(project_path, write=False))
    bench.dock("training")
    assert not session.add_marks([Point(0, 1, 1)], "point")
    assert told(bench, "error", "reading only")
    bench.told.clear()
    bench.training.toggle()
    assert told(bench, "error", "reading only")
    assert not bench.training.is_training
    session.step(1)
    assert session.picture.name == "second"


def test_pictures_deleted_while_open(opened, project_path, qtbot):
    session = opened.session
    session.project.picture("second").path.unlink()
    session.project.picture("third").path.unlink()
    opened.canvas.loader.forget()
    session.go_to(session.project.picture("third").id)
    qtbot.waitUntil(lambda: told(opened, "error", "third"), timeout=LONG)
    assert not opened.canvas.picture.layer.visible
    opened.training.toggle()
    assert told(opened, "error", "Relink")
    assert not opened.training.is_training
    session.go_to(session.project.picture("first").id)
    qtbot.waitUntil(lambda: opened.canvas.picture.layer.visible, timeout=LONG)
    assert session.add_marks([Point(0, 1, 1)], "point")


def test_a_picture_that_cannot_be_read(bench, project_path, qtbot):
    with Project.open(project_path, write=False) as project:
        project.picture("second").path.write_bytes(b"no picture")
    docks = [bench.dock(name) for name in ("pictures", "classes")]
    bench.session.open(project_path)
    qtbot.waitUntil(lambda: bench.canvas.picture.layer.visible, timeout=LONG)
    bench.session.step(1)
    qtbot.waitUntil(lambda: told(bench, "error", "second"), timeout=LONG)
    bench.session.step(1)
    qtbot.waitUntil(lambda: bench.canvas.picture.layer.visible, timeout=LONG)
    assert bench.session.picture.name == "third"
    assert all(docks)


def test_training_without_marks(opened):
    session = opened.session
    while session.project.mark_counts() != (0, 0, 0) and any(session.project.mark_counts()):
        session.undo()
    opened.training.toggle()
    assert told(opened, "error", "nothing is marked")
    assert not opened.training.is_training
    session.add_marks([Scribble(0, ((1, 1), (5, 5)), 3)], "one class")
    opened.training.toggle()
    assert told(opened, "error", "only “background” is marked")
    assert session.project.runs() == ()


def test_a_training_goes_on_when_pictures_are_turned_and_classes_edited(opened, monkeypatch, qtbot):
    monkeypatch.setattr(opened.training, "_target", "child_targets:train_until_stopped")
    session = opened.session
    opened.training.toggle()
    qtbot.waitUntil(lambda: opened.training.state == "training", timeout=LONG)
    session.step(1)
    session.add_marks([Point(0, 1, 1)], "point")
    session.undo()
    session.edit_classes(lambda project: project.rename_class(1, "blade"), "renamed")
    assert opened.training.state == "training"
    session.close()
    assert not opened.training.is_training
    with Project.open(session_path(opened), write=False) as project:
        assert [run.state for run in project.runs()] == ["stopped"]
        assert project.current_run() is not None  # its model is kept


def session_path(bench):
    return bench.training._project.path


# The end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("docks", [tuple(DOCKS), ()])
def test_closing_the_window_leaves_nothing(viewer, bench, project_path, docks, qtbot):
    for name in docks:
        viewer.window.add_dock_widget(bench.dock(name))
    bench.session.open(project_path)
    qtbot.waitUntil(lambda: bench.canvas.picture.layer.visible, timeout=LONG)
    qtbot.waitUntil(lambda: bench._window is not None)
    assert our_threads()
    assert our_processes()
    unwrapped(viewer).close()
    qtbot.waitUntil(lambda: bench.session.project is None)
    assert our_threads() == []
    assert our_processes() == []
    with Project.open(project_path) as project:  # nobody holds it any more
        assert len(project.marks(project.picture("first").id)) == 3


def test_a_process_that_dies_is_told_of(viewer, bench, project_path, monkeypatch, qtbot):
    monkeypatch.setattr(workbench, "_ANSWERS", "answers:die_at_once")
    bench.session.open(project_path)
    qtbot.waitUntil(lambda: told(bench, "error", "isn't started again"), timeout=LONG)
    assert len([text for _, text in bench.told if "started again; " in text or "is started" in text]) >= 2
    assert bench.session.add_marks([Point(0, 1, 1)], "point")
    assert np.all(np.array(bench.session.project.mark_counts()) >= 1)
