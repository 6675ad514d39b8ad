"""What napari's Plugins menu opens: each of our docks by itself, as ``napari.yaml`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from weakref import ref

from napari.settings import get_settings
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QVBoxLayout, QWidget

from spml_napari.docks.following import follow
from spml_napari.workbench import Workbench

if TYPE_CHECKING:
    from napari.viewer import Viewer


class DockWidget(QWidget):
    """Holds one dock of the viewer's workbench.

    A class, since napari hands its viewer to classes only; and not the dock itself, since napari deletes what it is
    given when the user closes it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The name is what napari goes by.
    """

    dock: ClassVar[str]
    title: ClassVar[str]
    """As ``napari.yaml`` has it."""
    area: ClassVar[str] = "right"
    """Where it goes, until the user puts it elsewhere."""
    in_tabs: ClassVar[bool] = False
    """Whether it shares its room with others of these: together they are higher than most screens."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        widget = Workbench.of(napari_viewer).dock(self.dock)
        layout.addWidget(widget)
        widget.show()  # it was hidden if it was in another window before
        self._is_placed = not self.in_tabs
        # napari looks here next, for where the user had it the last time.
        get_settings().application.plugin_widget_positions.setdefault(menu_title(type(self)), self.area)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Join the others, the first time."""
        super().showEvent(event)
        if not self._is_placed:
            self._is_placed = True
            QTimer.singleShot(0, self._join)

    def _join(self) -> None:
        mine, window = _dock_around(self), self.window()
        if mine is None or not isinstance(window, QMainWindow):
            return
        for other in window.findChildren(DockWidget):
            dock = _dock_around(other)
            if other is self or not other.in_tabs or dock is None or dock is mine or dock.isFloating():
                continue
            if window.dockWidgetArea(dock) == window.dockWidgetArea(mine):
                window.tabifyDockWidget(dock, mine)
                mine.raise_()
                return


def _dock_around(widget: QWidget) -> QDockWidget | None:
    around = widget.parentWidget()
    while around is not None and not isinstance(around, QDockWidget):
        around = around.parentWidget()
    return around


def menu_title(kind: type[DockWidget]) -> str:
    """Return what napari calls a dock, in its menu and above it."""
    return f"{kind.title} (spml)"


class WelcomeWidget(DockWidget):
    """Open, make or try a project."""

    dock = "welcome"
    title = "Welcome"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        bench = Workbench.of(napari_viewer)
        self._bench = ref(bench)  # weakly: napari keeps what it was given longer than its viewer
        follow(self, {bench.session.project_changed: self._on_project})

    def _on_project(self) -> None:
        bench = self._bench()
        if bench is not None:
            open_docks(bench.viewer)


class PicturesWidget(DockWidget):
    """The pictures and films of the project."""

    dock = "pictures"
    title = "Pictures"
    area = "left"


class ClassesWidget(DockWidget):
    """The classes of the project."""

    dock = "classes"
    title = "Classes"


class ToolsWidget(DockWidget):
    """What a press on the picture does."""

    dock = "tools"
    title = "Tools"
    area = "left"


class TrainingWidget(DockWidget):
    """Train a model and watch it learn."""

    dock = "training"
    title = "Training"
    in_tabs = True


class PropagateWidget(DockWidget):
    """Propagate marks through a film."""

    dock = "propagate"
    title = "Propagate"
    in_tabs = True


class InspectWidget(DockWidget):
    """Look closely at predictions and accept what is right."""

    dock = "inspect"
    title = "Inspect"
    in_tabs = True


class ExportWidget(DockWidget):
    """Write masks for other programs."""

    dock = "export"
    title = "Export"
    in_tabs = True


class FilmWidget(DockWidget):
    """Go through a film."""

    dock = "film"
    title = "Film"
    area = "bottom"


def open_docks(viewer: Viewer) -> None:
    """Open what one works with, if a project is open in a viewer and nothing of it can be seen but the picture."""
    bench = Workbench.known(viewer)
    project = None if bench is None else bench.session.project
    if bench is None or project is None:  # it may be closing
        return
    if any(dock.isVisible() for name, dock in bench.docks.items() if name != WelcomeWidget.dock):
        return
    kinds: list[type[DockWidget]] = [ToolsWidget, PicturesWidget, ClassesWidget, TrainingWidget]
    if project.films:
        kinds += [PropagateWidget, FilmWidget]
    for kind in kinds:
        viewer.window.add_dock_widget(kind(viewer), name=menu_title(kind))
