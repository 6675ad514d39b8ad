"""What napari's Plugins menu opens: each of our docks by itself, as ``napari.yaml`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qtpy.QtWidgets import QVBoxLayout, QWidget

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

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        widget = Workbench.of(napari_viewer).dock(self.dock)
        layout.addWidget(widget)
        widget.show()  # it was hidden if it was in another window before


class WelcomeWidget(DockWidget):
    """Open, make or try a project."""

    dock = "welcome"


class PicturesWidget(DockWidget):
    """The pictures and films of the project."""

    dock = "pictures"


class ClassesWidget(DockWidget):
    """The classes of the project."""

    dock = "classes"


class ToolsWidget(DockWidget):
    """What a press on the picture does."""

    dock = "tools"


class TrainingWidget(DockWidget):
    """Train a model and watch it learn."""

    dock = "training"


class PropagateWidget(DockWidget):
    """Propagate marks through a film."""

    dock = "propagate"


class InspectWidget(DockWidget):
    """Look closely at predictions and accept what is right."""

    dock = "inspect"


class ExportWidget(DockWidget):
    """Write masks for other programs."""

    dock = "export"


class FilmWidget(DockWidget):
    """Go through a film."""

    dock = "film"
