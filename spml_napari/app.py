"""``spml app``: napari with our docks in place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDialog, QDockWidget, QLabel, QMainWindow, QTabBar, QTabWidget, QWidget

from spml_napari.docks.following import follow
from spml_napari.docks.tools import ToolsDock
from spml_napari.qt_types import slot, there
from spml_napari.readers import prefer_this_reader
from spml_napari.workbench import Workbench

_LEFT = (("tools", "Tools"), ("pictures", "Pictures"))
_RIGHT = (
    ("classes", "Classes"),
    ("training", "Train"),
    ("propagate", "Propagate"),
    ("inspect", "Inspect"),
    ("export", "Export"),
)
_BOTTOM = (("film", "Film"), ("keys", "Keys"))
_TABS = ("training", "propagate", "inspect", "export")
_MENU_TITLES = {"training": "Training"}
"""Docks that ``napari.yaml`` calls otherwise than this window, where room is scarce."""
_OF_FILMS = ("film", "propagate")
_WIDTHS = (250, 310)
_WELCOME_WIDTH = 420
_LARGEST = (1500, 950)
_HINT = "Choose at the right how to begin,\nor drop a project (NAME.spml) or a film here."


def run(project: Path | None = None) -> None:
    """Open the window, with a project or the welcome dock, and return once it is closed."""
    prefer_this_reader()
    viewer = napari.Viewer(title="spml", show=False, show_welcome_screen=False)
    arrangement = Arrangement(viewer)
    viewer.window.show()
    arrangement.settle()
    if project is not None:
        arrangement.bench.session.open(project)
    napari.run()


class Arrangement(QObject):
    """Our docks in a napari window: tools and pictures left, classes and the work right, keys below.

    While no project is open only the welcome dock shows.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.bench = Workbench.of(viewer)
        self._docks: dict[str, QDockWidget] = {}
        self._closed: set[str] = set()
        self._has_met_film = False
        self._hint = viewer.canvas.overlays["text"]
        self._hint.text, self._hint.position, self._hint.font_size = _HINT, "middle_center", 14
        self._add("welcome", "Welcome", "right")
        for name, title in _LEFT:
            self._add(name, title, "left")
        for name, title in _RIGHT:
            self._add(name, title, "right")
        for name, title in _BOTTOM:
            self._add(name, title, "bottom")
            self.docks[name].setTitleBarWidget(QWidget())
            self.docks[name].setMinimumHeight(0)
        self.window.installEventFilter(self)
        tools = self.bench.dock("tools")
        if isinstance(tools, ToolsDock):
            tools.folded.connect(self._fit_tools_soon)
        session = self.bench.session
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.pictures_changed: self._on_picture,
            },
        )
        self._on_project()

    @property
    def docks(self) -> dict[str, QDockWidget]:
        """Our docks by name, without those that the user closed; the Plugins menu brings them back."""
        return {n: dock for n, dock in self._docks.items() if isalive(dock) and n not in self._closed}

    @property
    def window(self) -> QMainWindow:
        """The main window."""
        window = self.docks["keys"].window()
        if not isinstance(window, QMainWindow):
            raise TypeError(f"The docks are in a {type(window).__name__}, not in a main window.")
        return window

    def settle(self) -> None:
        """Give the docks their places and sizes; once the window is shown."""
        window = self.window
        screen = there(window.screen()).availableGeometry()
        window.resize(min(screen.width(), _LARGEST[0]), min(screen.height(), _LARGEST[1]))
        window.move(screen.topLeft())
        # napari's own docks are for people who look for them in its Window menu.
        for name in ("layer list", "layer controls"):
            dock = window.findChild(QDockWidget, name)
            if dock is not None:
                dock.hide()
        # What it says of napari's layers and their keys isn't true of our tools; the key bar has a status of its own.
        if (bar := window.statusBar()) is not None:
            bar.hide()
        QTimer.singleShot(0, self._dismiss_binding_notice)
        window.setTabPosition(Qt.DockWidgetArea.RightDockWidgetArea, QTabWidget.TabPosition.North)
        first = self.docks[_TABS[0]]
        for name in _TABS[1:]:
            window.tabifyDockWidget(first, self.docks[name])
        for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
            bar.setDrawBase(False)  # a line whose colour is none of the theme's
        first.raise_()
        window.splitDockWidget(self.docks["film"], self.docks["keys"], Qt.Orientation.Vertical)
        # Qt shows a dock that was given a place, in its next turn.
        QTimer.singleShot(0, self._on_picture)
        self._size()

    def _dismiss_binding_notice(self) -> None:
        """Close what napari says of PyQt5 at every start: users of an app can't do anything about its Qt."""
        for dialog in self.window.findChildren(QDialog):
            if any("PyQt5 backend" in label.text() for label in dialog.findChildren(QLabel)):
                dialog.close()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """Close without a question when the user says so: everything is on the disk already."""
        if event is None or event.type() != QEvent.Type.Close or not event.spontaneous():
            return False
        # Napari asks only where the window system closes the window, not where the program does.
        event.ignore()
        QTimer.singleShot(0, slot(self.window.close))
        return True

    def _add(self, name: str, title: str, area: str) -> None:
        widget = self.bench.dock(name)
        # Under the name by which the Plugins menu looks for it, so that its entry shows and hides this dock.
        known = f"{_MENU_TITLES.get(name, title)} (spml)"
        dock = self.viewer.window.add_dock_widget(widget, name=known, area=area)
        dock.name = title
        dock.setWindowTitle(title)
        for label in there(dock.titleBarWidget()).findChildren(QLabel):
            label.setText(title if label.text() == known else label.text())
        # napari would delete it at the cross: it shall come back where it was, and as it was.
        dock.destroyOnClose = partial(self._close, name)
        dock.visibilityChanged.connect(partial(self._on_shown, name))
        self._docks[name] = dock

    def _close(self, name: str) -> None:
        self._docks[name].hide()
        self._closed.add(name)

    def _on_shown(self, name: str, is_visible: bool) -> None:
        if is_visible:
            self._closed.discard(name)

    def _on_project(self) -> None:
        project = self.bench.session.project
        for name, dock in self.docks.items():
            if name not in _OF_FILMS:
                dock.setVisible((name == "welcome") == (project is None))
        self._has_met_film = False
        self._hint.visible = project is None
        self.viewer.title = "spml" if project is None else f"{project.path.stem} \u2013 spml"
        first = self.docks.get(_TABS[0])
        if project is not None and first is not None:
            first.raise_()
        self._on_picture()
        if project is not None:
            self._size()

    def _on_picture(self) -> None:
        """Show the film bar under frames of films, and nowhere else; in projects with films, how to propagate."""
        session = self.bench.session
        project, is_film = session.project, session.film is not None
        has_films = project is not None and bool(project.films)
        for name, shows in zip(_OF_FILMS, (is_film, has_films), strict=True):
            dock = self.docks.get(name)
            if dock is not None and dock.isHidden() == shows:
                dock.setVisible(shows)
        if is_film and not self._has_met_film:
            self._has_met_film = True
            if "propagate" in self.docks:
                self.docks["propagate"].raise_()

    def _size(self) -> None:
        if self.bench.session.project is None:
            self._resize({"welcome": _WELCOME_WIDTH}, Qt.Orientation.Horizontal)
            return
        self._resize({"pictures": _WIDTHS[0], "classes": _WIDTHS[1]}, Qt.Orientation.Horizontal)
        self._resize({"classes": 1, _TABS[0]: 2}, Qt.Orientation.Vertical)
        self._fit_tools_soon()

    def _fit_tools_soon(self) -> None:
        # Their height depends on their width, and that on a layout which Qt does in its next turn.
        QTimer.singleShot(0, self._fit_tools)

    def _fit_tools(self) -> None:
        """Give the tools the height that they need, half of the column at most; the rest is for the pictures."""
        if self.bench.session.project is None or not {"tools", "pictures"} <= self.docks.keys():
            return
        tools, pictures = self.docks["tools"], self.docks["pictures"]
        both = tools.height() + pictures.height()
        needed = min(tools.sizeHint().height(), both // 2)
        self._resize({"tools": needed, "pictures": both - needed}, Qt.Orientation.Vertical)

    def _resize(self, sizes: dict[str, int], orientation: Qt.Orientation) -> None:
        """Give docks these sizes, but for those that the user has closed."""
        there = [name for name in sizes if name in self.docks]
        self.window.resizeDocks(
            [self.docks[name] for name in there], [sizes[name] for name in there], orientation
        )
