"""Our entries in napari's own menus, clicked in a plain napari: no ``spml app`` has put anything in place."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDockWidget, QLabel
from test_manifest import DOCKS, MANIFEST

from spml_core.project import Project
from spml_napari import readers
from spml_napari.view_state import Tool
from spml_napari.workbench import Workbench

TITLES = ("Welcome", "Pictures", "Classes", "Tools", "Training", "Propagate", "Inspect", "Export", "Film")
LONG = 30_000

pytestmark = pytest.mark.usefixtures("light_answers")


@pytest.fixture
def plain(npe2pm, make_napari_viewer, qtbot):
    """A plain viewer that knows the plugin."""
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1400, 1000)
        yield viewer
        bench = Workbench.known(viewer)
        if bench is not None:
            bench.close()


def entries(menu, path=()):
    """Path and action of everything in a menu and its submenus, as when the mouse opens it."""
    menu.aboutToShow.emit()
    for action in menu.actions():
        text = action.text().replace("&", "")
        if action.menu() is not None:
            yield from entries(action.menu(), (*path, text))
        elif text:
            yield (*path, text), action


def entry(viewer, *path):
    """The action at a path of the menu bar."""
    for top in viewer.window._qt_window.menuBar().actions():
        if top.menu() is not None and top.text().replace("&", "") == path[0]:
            found = dict(entries(top.menu()))
            return found[path[1:]]
    raise AssertionError(f"no menu {path[0]}")


def dock_of(viewer, title):
    """The dock with this title, if it is on the screen."""
    window = viewer.window._qt_window
    return next(
        (d for d in window.findChildren(QDockWidget) if d.windowTitle() == title and d.isVisible()), None
    )


def close_by_cross(qtbot, dock):
    """Click the cross in a dock's title bar."""
    cross = next(
        button
        for button in dock.titleBarWidget().findChildren(object)
        if getattr(button, "objectName", str)() == "QTitleBarCloseButton"
    )
    qtbot.mouseClick(cross, Qt.MouseButton.LeftButton)


def test_every_dock_is_in_a_menu(plain):
    assert len(TITLES) == len(DOCKS)
    for title in TITLES:
        assert entry(plain, "Plugins", "spml", f"{title} (spml)").isEnabled()


def test_docks_open_from_the_menu_close_by_their_cross_and_come_back(plain, qtbot, project_path):
    for key, title in zip(DOCKS, TITLES, strict=True):
        name = f"{title} (spml)"
        for _ in range(2):
            entry(plain, "Plugins", "spml", name).trigger()
            qtbot.waitUntil(lambda name=name: dock_of(plain, name) is not None, timeout=LONG)
            widget = Workbench.of(plain).docks[key]
            assert widget.isVisible() and widget.window() is plain.window._qt_window
            close_by_cross(qtbot, dock_of(plain, name))
            qtbot.waitUntil(lambda name=name: dock_of(plain, name) is None, timeout=LONG)
    for title in TITLES:
        entry(plain, "Plugins", "spml", f"{title} (spml)").trigger()
    bench = Workbench.of(plain)
    assert bench.session.open(project_path)
    qtbot.waitUntil(lambda: bench.canvas.is_ready, timeout=LONG)
    assert all(bench.docks[key].isVisible() for key in DOCKS)
    assert bench.docks["classes"].model.rowCount() == 3


def test_the_menu_hides_a_dock_and_shows_it_again(plain, qtbot):
    for shown in (True, False, True):
        entry(plain, "Plugins", "spml", "Classes (spml)").trigger()
        qtbot.waitUntil(lambda shown=shown: (dock_of(plain, "Classes (spml)") is not None) == shown)


@pytest.mark.parametrize(
    ("menu", "titles"),
    [("Annotate", TITLES[:4]), ("Segment", TITLES[4:])],
)
def test_docks_open_from_the_menu_of_the_layers(plain, qtbot, menu, titles):
    for title in titles:
        entry(plain, "Layers", menu, f"{title} (spml)").trigger()
        qtbot.waitUntil(lambda title=title: dock_of(plain, f"{title} (spml)") is not None, timeout=LONG)
    assert set(Workbench.of(plain).docks) == set(DOCKS[TITLES.index(titles[0]) :][: len(titles)])


def test_in_a_plain_napari_a_project_is_opened_marked_and_kept(plain, qtbot, project_path):
    for title in ("Welcome", "Pictures", "Classes", "Tools"):
        entry(plain, "Plugins", "spml", f"{title} (spml)").trigger()
    assert plain.open(str(project_path), plugin="spml-napari") == []
    bench = Workbench.of(plain)
    qtbot.waitUntil(lambda: bench.canvas.is_ready, timeout=LONG)
    assert bench.docks["pictures"].isVisible() and bench.session.picture.name == "first"
    qtbot.wait(100)
    window = plain.window._qt_window
    qtbot.keyClick(window, Qt.Key.Key_S)
    assert bench.session.tool is Tool.SCRIBBLE
    qtbot.keyClick(window, Qt.Key.Key_2)
    assert bench.session.class_index == 1
    before = len(bench.session.marks())
    native = plain.window._qt_viewer.canvas.native
    middle = native.rect().center()
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=middle)
    for step in range(1, 6):
        qtbot.mouseMove(native, middle + QPoint(6 * step, 0))
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=middle + QPoint(30, 0))
    qtbot.waitUntil(lambda: len(bench.session.marks()) == before + 1, timeout=LONG)
    bench.close()
    with Project.open(project_path, write=False) as project:
        assert len(project.marks(project.picture("first").id)) == before + 1


def test_without_a_key_bar_what_is_said_stands_in_the_status(plain, qtbot):
    entry(plain, "Plugins", "spml", "Tools (spml)").trigger()
    bench = Workbench.of(plain)
    bench.canvas.said.emit("Nothing is here to undo.")
    assert plain.status == "Nothing is here to undo."


def test_a_layer_becomes_a_film_from_the_menu(plain, qtbot, project_path):
    entry(plain, "Plugins", "spml", "Pictures (spml)").trigger()
    bench = Workbench.of(plain)
    assert bench.session.open(project_path)
    rng = np.random.default_rng(0)
    layer = plain.add_image(rng.integers(0, 255, (5, 32, 48), np.uint8), name="walk")
    plain.layers.selection = {layer}
    entry(plain, "Layers", "Segment", "Segment this layer as a film (spml)").trigger()
    qtbot.waitUntil(lambda: [f.name for f in bench.session.project.films] == ["walk"], timeout=LONG)


def test_samples_open_from_the_file_menu(plain, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "samples_folder", lambda: tmp_path)
    for title in ("Nuclei: a micrograph and its mask", "People: a photo and its mask"):
        before = len(plain.layers)
        entry(plain, "File", "Open Sample", "spml", title).trigger()
        qtbot.waitUntil(lambda before=before: len(plain.layers) == before + 2, timeout=LONG)
    entry(plain, "File", "Open Sample", "spml", "Film of nuclei: mark a frame, segment them all").trigger()
    qtbot.waitUntil(lambda: Workbench.of(plain).session.project is not None, timeout=LONG)
    assert [film.name for film in Workbench.of(plain).session.project.films] == ["film"]


def test_a_project_that_is_opened_first_brings_its_docks_and_keys(plain, qtbot, project_path):
    assert plain.open(str(project_path), plugin="spml-napari") == []
    bench = Workbench.of(plain)
    qtbot.waitUntil(lambda: bench.canvas.is_ready, timeout=LONG)
    for title in ("Tools", "Pictures", "Classes", "Training"):
        assert dock_of(plain, f"{title} (spml)") is not None
    qtbot.keyClick(plain.window._qt_window, Qt.Key.Key_P)
    assert bench.session.tool is Tool.POINT
    for title in ("Tools", "Pictures", "Classes", "Training"):
        close_by_cross(qtbot, dock_of(plain, f"{title} (spml)"))
    qtbot.keyClick(plain.window._qt_window, Qt.Key.Key_B)
    assert bench.session.tool is Tool.BOX  # keys need no dock
    entry(plain, "Plugins", "spml", "Tools (spml)").trigger()
    qtbot.waitUntil(lambda: dock_of(plain, "Tools (spml)") is not None, timeout=LONG)


def test_a_film_that_is_opened_from_the_welcome_dock_brings_the_film_bar(plain, qtbot, film_project):
    film_project.close()
    entry(plain, "Plugins", "spml", "Welcome (spml)").trigger()
    bench = Workbench.of(plain)
    assert bench.docks["welcome"]._open(film_project.path)
    for key in ("welcome", "tools", "pictures", "classes", "propagate", "film"):
        qtbot.waitUntil(lambda key=key: key in bench.docks and bench.docks[key].isVisible(), timeout=LONG)
    window = plain.window._qt_window
    assert window.dockWidgetArea(dock_of(plain, "Film (spml)")) == Qt.DockWidgetArea.BottomDockWidgetArea
    training = next(d for d in window.findChildren(QDockWidget) if d.windowTitle() == "Training (spml)")
    qtbot.waitUntil(lambda: bool(window.tabifiedDockWidgets(training)), timeout=LONG)
    assert [d.windowTitle() for d in window.tabifiedDockWidgets(training)] == ["Propagate (spml)"]


def test_the_whole_picture_stays_in_view_when_docks_come_and_go(plain, qtbot, project_path):
    entry(plain, "Plugins", "spml", "Tools (spml)").trigger()
    bench = Workbench.of(plain)
    assert bench.session.open(project_path)
    qtbot.waitUntil(lambda: bench.canvas.is_ready, timeout=LONG)
    qtbot.wait(100)

    def seen():
        height, width = (
            bench.canvas.picture.layer.extent.world[1] - bench.canvas.picture.layer.extent.world[0]
        )
        zoom = plain.scene.camera.zoom
        room = np.array(plain.canvas.size)
        return bool((np.array([height, width]) * zoom <= room + 1).all())

    plain.window._qt_window.resize(800, 600)
    for title in ("Classes", "Training"):
        entry(plain, "Plugins", "spml", f"{title} (spml)").trigger()
    qtbot.wait(300)
    assert seen()
    plain.scene.camera.zoom *= 5  # what the user looks at stays
    zoom = plain.scene.camera.zoom
    entry(plain, "Plugins", "spml", "Classes (spml)").trigger()
    qtbot.wait(300)
    assert plain.scene.camera.zoom == zoom


def test_in_the_app_docks_close_by_their_cross_and_come_back_by_the_menu(
    npe2pm, arrangement, qtbot, project_path
):
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)):
        viewer = arrangement.viewer
        assert arrangement.bench.session.open(project_path)
        qtbot.waitUntil(lambda: arrangement.docks["export"].isVisible(), timeout=LONG)
        for name, title in (("tools", "Tools"), ("classes", "Classes"), ("export", "Export")):
            dock = arrangement.docks[name]
            assert dock.windowTitle() == title
            assert title in [label.text() for label in dock.titleBarWidget().findChildren(QLabel)]
            close_by_cross(qtbot, dock)
            assert not dock.isVisible()
            entry(viewer, "Plugins", "spml", f"{title} (spml)").trigger()
            qtbot.waitUntil(dock.isVisible, timeout=LONG)
            assert arrangement.bench.docks[name].window() is arrangement.window
