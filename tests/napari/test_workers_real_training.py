"""The real training process behind the dock: from Start to a current model, and closing in the middle."""

import subprocess
import sys
from shutil import copyfile

import numpy as np
import psutil
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_napari.docks.export import ExportDock
from spml_napari.docks.pictures import PicturesDock
from spml_napari.run_summaries import summarize
from spml_napari.session import Session
from spml_napari.training_control import TrainingControl

VERY_LONG = 240_000


@pytest.fixture
def session(tmp_path):
    """Three pictures, the left half dark and the right half light, with clicks on both sides of two of them."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        halves = np.where(np.arange(96) < 48, 60, 190)[None, :, None]
        noisy = rng.normal(halves, 10, (64, 96, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{name}.png")
    session = Session()
    assert session.create(tmp_path / "halves.spml", folder, ClassTable.from_names(["dark", "light"]))
    for name in ("a", "b"):
        session.go_to(session.project.picture(name).id)
        for y in (10, 30, 50):
            session.add_marks([Point(0, y, 12), Point(1, y, 80)], "clicks")
    yield session
    session.close()


@pytest.fixture
def control(session, qtbot):
    control = TrainingControl(session)
    control.ends, control.told, control.steps = [], [], []
    control.finished.connect(lambda *end: control.ends.append(end))
    control.stepped.connect(control.steps.append)
    session.reported.connect(lambda level, text: control.told.append((level, text)))
    yield control
    control.close()
    assert not [c for c in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(c.cmdline())]


def test_the_window_needs_no_torch():
    code = (
        "import sys, spml_napari.docks.training, spml_napari.training_control;"
        "sys.exit(' '.join(m for m in ('torch', 'torchvision', 'timm') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_training_of_ten_seconds(session, control, qtbot):
    live = []
    session.prediction_changed.connect(lambda: session.prediction and live.append(session.prediction))
    assert control.start(max_seconds=10, device="cpu"), control.told
    qtbot.waitUntil(lambda: len(live) > 0 or bool(control.ends), timeout=VERY_LONG)
    session.go_to(session.project.picture("c").id)
    session.add_marks([Point(0, 20, 20)], "click")
    qtbot.waitUntil(lambda: bool(control.ends), timeout=VERY_LONG)
    assert not [text for level, text in control.told if level == "error"]
    run = session.project.current_run()
    assert run is not None
    assert run.id == control.run_id
    assert run.state == "finished"
    assert live
    assert live[0].live
    assert live[0].labels.shape == (64, 96)
    summary = summarize(run)
    assert summary.has_model
    assert summary.steps == control.steps[-1].step
    assert summary.score == control.ends[0][1]


def test_what_is_added_meanwhile_can_be_looked_at(session, control, qtbot, executor, tmp_path):
    dock = PicturesDock(session, executor.submit, set)
    qtbot.addWidget(dock)
    assert control.start(max_seconds=600, device="cpu"), control.told
    qtbot.waitUntil(lambda: len(control.steps) > 0 or bool(control.ends), timeout=VERY_LONG)
    shown = []
    session.prediction_changed.connect(lambda: session.prediction and shown.append(session.prediction))

    def is_previewed():
        return any(p.live and p.picture_id == session.picture.id for p in shown) or bool(control.ends)

    picture = session.project.picture("c").path
    copyfile(picture, tmp_path / "new.png")
    dock.add_pictures([tmp_path / "new.png"])
    qtbot.waitUntil(lambda: len(session.project.pictures) == 4, timeout=VERY_LONG)
    session.go_to(session.project.picture("new").id)
    qtbot.waitUntil(is_previewed, timeout=VERY_LONG)
    (tmp_path / "film").mkdir()
    for number in range(3):
        copyfile(picture, tmp_path / "film" / f"{number}.png")
    dock.add_pictures((), [tmp_path / "film"])
    qtbot.waitUntil(lambda: session.film is not None, timeout=VERY_LONG)
    qtbot.waitUntil(is_previewed, timeout=VERY_LONG)
    assert not control.ends, control.told
    control.stop()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=VERY_LONG)
    assert not [text for level, text in control.told if level == "error"]


def test_a_second_training_takes_nothing_of_the_first_before_it_has_learned(
    session, control, qtbot, executor, tmp_path, monkeypatch
):
    """Meanwhile all pictures are exported as the first labels them; stopped at once, it leaves that model current."""
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: True)
    assert control.start(max_seconds=6, device="cpu"), control.told
    qtbot.waitUntil(lambda: bool(control.ends), timeout=VERY_LONG)
    first = session.project.current_run()
    control.told.clear()
    assert control.start(max_seconds=600, device="cpu", from_scratch=True), control.told
    dock = ExportDock(session, executor.submit)
    qtbot.addWidget(dock)
    dock.show()
    dock.folder.setText(str(tmp_path / "out"))
    qtbot.mouseClick(dock.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.start.isVisible(), timeout=VERY_LONG)
    assert control.is_training
    assert dock.state.text() == "3 pictures exported."
    masks = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "out").rglob("*.png"))]
    assert len(masks) == 3
    for mask in masks:
        assert (mask[:, :40] == 0).mean() > 0.9 and (mask[:, 56:] == 1).mean() > 0.9
    assert control.told == []
    control.close()
    control.ends.clear()
    current = session.project.current_run()  # the second, if it had come to a step
    assert current.id == (session.project.runs()[1] if session.project.runs()[1].steps else first).id
    assert control.start(max_seconds=600, device="cpu", from_scratch=True), control.told
    control.stop()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=VERY_LONG)
    last = session.project.runs()[-1]
    assert last.state == "stopped" and not last.steps
    assert session.project.current_run().id == current.id
    assert control.told[-1][1].startswith("Stopped")
    assert control.told[-1][1].endswith(f" {current.id} stays the current model.")


@pytest.mark.slow
def test_closing_in_the_middle_and_resuming(session, control, qtbot):
    assert control.start(max_seconds=600, device="cpu"), control.told
    qtbot.waitUntil(lambda: len(control.steps) > 0 or bool(control.ends), timeout=VERY_LONG)
    assert not control.ends, control.told
    pid = control._child.pid
    control.close()
    assert not psutil.pid_exists(pid)
    run = control.resumable()
    assert run is not None
    assert run.state == "stopped"
    assert session.project.current_run() == run
    assert control.start(resume=True)
    count = len(control.steps)
    qtbot.waitUntil(lambda: len(control.steps) > count or bool(control.ends), timeout=VERY_LONG)
    assert not control.ends, control.told
    control.stop()
    qtbot.waitUntil(lambda: bool(control.ends), timeout=VERY_LONG)
    assert session.project.runs()[-1].state == "stopped"
    assert not [text for level, text in control.told if level == "error"]
