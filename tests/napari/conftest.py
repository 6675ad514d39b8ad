"""What all tests of the window share: a small project on the disk, and a session that holds it."""

import os
import sys
import warnings
from pathlib import Path
from weakref import proxy

os.environ["NAPARI_ENSURE_PLUGIN_MAIN_THREAD"] = "1"  # before napari is imported: it reads this once

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of other packages' making, while they are imported
    import napari.viewer
    import napari.window  # noqa: F401

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Box, Point, Scribble
from spml_core.classes import ClassTable
from spml_core.project import Project
from spml_napari.session import Session

sys.path.insert(0, str(Path(__file__).parent))  # for mouse.py

NAPARI_ITSELF = (
    "ignore:System theme detection requires a Qt6 backend",
    "ignore:napari support for the PyQt5 backend is deprecated",
)
"""What napari says of PyQt5, which is still among the bindings that the window runs on."""

SMALL_SIZES = {"first": (48, 64), "second": (48, 64), "third": (60, 40)}
"""Height and width of the pictures of ``small_project``: two alike, one of another size."""


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for words in NAPARI_ITSELF:
                item.add_marker(pytest.mark.filterwarnings(words), append=False)


@pytest.fixture
def small_project(tmp_path):
    """A project, open for writing: three pictures, three classes, and marks on the first picture.

    The marks are a scribble of class 0 along row 10, a point of class 1 at (30, 20) and a box of class 2.
    """
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, (height, width) in SMALL_SIZES.items():
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    table = ClassTable.from_names(["background", "leaf", "stem"])
    with Project.create(tmp_path / "small.spml", folder, table) as project:
        marks = [Scribble(0, ((10, 5), (10, 50)), 5), Point(1, 30, 20), Box(2, 24, 30, 44, 60)]
        project.add_marks({project.picture("first").id: marks}, "First marks")
        yield project


@pytest.fixture
def project_path(small_project):
    """``small_project``, closed."""
    small_project.close()
    return small_project.path


@pytest.fixture
def session(small_project):
    """A session that shows the first picture of ``small_project``."""
    session = Session()
    session.adopt(small_project)
    yield session
    session.close()


@pytest.fixture
def reports(session):
    """What the session tells the user: (level, text)."""
    heard = []
    session.reported.connect(lambda level, text: heard.append((level, text)))
    return heard


@pytest.fixture
def executor(qapp):
    """Threads that decode pictures."""
    from spml_napari.workers import Executor

    executor = Executor()
    yield executor
    executor.close()


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """A viewer on the screen, as plugins get it."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1000, 700)
    return viewer


@pytest.fixture
def light_answers(monkeypatch):
    """Answering processes that need no model."""
    from spml_napari import workbench

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(workbench, "_ANSWERS", "answers:answer_lightly")
    monkeypatch.setattr(workbench, "_SUGGESTIONS", "answers:suggest_lightly")


@pytest.fixture
def arrangement(make_napari_viewer, light_answers):
    """The docks as the app arranges them; it has the viewer itself, not a plugin's proxy."""
    from spml_napari.app import Arrangement

    arrangement = Arrangement(make_napari_viewer(show=True))
    arrangement.settle()
    yield proxy(arrangement)  # pytest keeps what it was given for too long
    arrangement.bench.close()


@pytest.fixture
def opened(monkeypatch):
    """Folders that were shown to the user; none really is."""
    from qtpy.QtGui import QDesktopServices

    found = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: found.append(url.toLocalFile()))
    return found


@pytest.fixture
def export_dock(session, executor, qtbot, opened, tmp_path):
    """The export dock, in ``dock.told`` what its session tells; it writes to ``out``."""
    from spml_napari.docks.export import ExportDock

    dock = ExportDock(session, executor.submit)
    qtbot.addWidget(dock)
    dock.resize(300, 700)
    dock.show()
    dock.told = []
    session.reported.connect(lambda level, text: dock.told.append((level, text)))
    dock.folder.setText(str(tmp_path / "out"))
    yield dock
    dock.stop()


@pytest.fixture
def canvas(viewer, session, executor, qtbot):
    """The canvas with the first picture of ``small_project`` on it."""
    from spml_napari.canvas import Canvas

    canvas = Canvas(viewer, session, executor)
    qtbot.waitUntil(lambda: canvas.picture.layer.visible, timeout=20_000)
    # The window's last resize events come late; after them the picture is fitted as a user sees it.
    qtbot.wait(100)
    canvas.fit()
    qtbot.wait(50)
    yield canvas
    canvas.close()


@pytest.fixture
def mouse(canvas, qtbot):
    """The mouse over the canvas; places are (y, x) in pixels of the picture."""
    from mouse import Mouse  # beside this file

    return Mouse(canvas, qtbot)


FILM_SIZE = (32, 48)
FILM_COUNT = 30


@pytest.fixture
def film_folder(tmp_path):
    """A folder with the frames of a film: all pixels of frame i have the value 8 * i."""
    folder = tmp_path / "flight"
    folder.mkdir()
    for index in range(FILM_COUNT):
        pixels = np.full((*FILM_SIZE, 3), 8 * index, np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture
def film_project(tmp_path, film_folder):
    """A project, open for writing, of one film, with a mark on frame 12; it has no pictures."""
    table = ClassTable.from_names(["background", "leaf", "stem"])
    with Project.create(tmp_path / "film.spml", [], table, films=[film_folder]) as project:
        film = project.films[0]
        project.add_marks({project.frame(film, 12).id: [Point(1, 10, 20)]}, "A point")
        yield project


@pytest.fixture
def film_session(film_project):
    """A session that shows frame 12 of the film of ``film_project``."""
    session = Session()
    session.adopt(film_project)
    yield session
    session.close()
