"""What the user set in Preferences is what the window begins with."""

from pathlib import Path

import pytest
from napari.settings import get_plugin_settings

import spml_napari
from spml_napari import workbench
from spml_napari.settings import Settings
from spml_napari.training_control import TrainingControl
from spml_napari.training_state import Choices
from spml_napari.workbench import Workbench

LONG = 30_000


@pytest.fixture
def preferences(plugin_settings, npe2pm):
    """Our page of the preferences."""
    with npe2pm.tmp_plugin(manifest=str(Path(spml_napari.__file__).parent / "napari.yaml")):
        yield get_plugin_settings("spml-napari")


@pytest.fixture
def bench(make_napari_viewer, request):
    """A function that makes a workbench."""
    viewer, made = make_napari_viewer(), []

    def make():
        made.append(Workbench.of(viewer))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_a_workbench_begins_as_preferences_say(preferences, bench):
    preferences.training.preset = "standard"
    preferences.training.minutes = 2.5
    preferences.training.device = "cpu"
    preferences.training.preview_seconds = 0.75
    preferences.window.brush = 21
    made = bench()
    assert made.session.brush == 21
    assert made.training.choices == Choices("standard", 150.0, "cpu", preview_seconds=0.75)
    dock = made.dock("training")
    assert dock.options.preset.currentData() == "standard" and dock.options.time.value() == 150
    assert made.training.choices == Choices("standard", 150.0, "cpu", preview_seconds=0.75)
    assert made.dock("tools").brush.number.value() == 21


def test_without_preferences_it_begins_with_the_defaults(plugin_settings, bench):
    made = bench()
    assert made.session.brush == Settings().brush
    assert made.training.choices == Choices()
    assert Choices().preview_seconds == Settings().preview_seconds


def test_the_training_process_is_told_how_often_to_preview(session, qtbot, monkeypatch, request):
    monkeypatch.syspath_prepend(str(request.path.parent))
    told = []
    session.reported.connect(lambda level, text: told.append(text))
    control = TrainingControl(session, target="child_targets:train_to_the_end")
    control.choose(preview_seconds=7.5)
    with qtbot.waitSignal(control.finished, timeout=LONG):
        control.toggle()
    assert any("preview_seconds=7.5" in text for text in told)
    control.close()


def test_the_workbench_reads_the_preferences_once_it_is_made(monkeypatch, bench):
    monkeypatch.setattr(workbench, "load_settings", lambda: Settings(brush=3, preset="standard"))
    made = bench()
    assert (made.session.brush, made.training.choices.preset) == (3, "standard")
