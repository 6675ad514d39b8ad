"""What napari's Plugins menu opens: each of our docks by itself, as ``napari.yaml`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from spml_napari.workbench import Workbench

if TYPE_CHECKING:
    from napari.viewer import Viewer


def make_welcome_dock(napari_viewer: Viewer) -> QWidget:
    """Dock to open, make or try a project."""
    return Workbench.of(napari_viewer).dock("welcome")


def make_pictures_dock(napari_viewer: Viewer) -> QWidget:
    """Dock with the pictures of the project."""
    return Workbench.of(napari_viewer).dock("pictures")


def make_classes_dock(napari_viewer: Viewer) -> QWidget:
    """Dock with the classes of the project."""
    return Workbench.of(napari_viewer).dock("classes")


def make_tools_dock(napari_viewer: Viewer) -> QWidget:
    """Dock with the tools to mark with."""
    return Workbench.of(napari_viewer).dock("tools")


def make_training_dock(napari_viewer: Viewer) -> QWidget:
    """Dock to train a model and watch it learn."""
    return Workbench.of(napari_viewer).dock("training")


def make_propagate_dock(napari_viewer: Viewer) -> QWidget:
    """Dock to propagate marks through a film."""
    return Workbench.of(napari_viewer).dock("propagate")


def make_inspect_dock(napari_viewer: Viewer) -> QWidget:
    """Dock to look closely at predictions and accept what is right."""
    return Workbench.of(napari_viewer).dock("inspect")


def make_export_dock(napari_viewer: Viewer) -> QWidget:
    """Dock to write masks for other programs."""
    return Workbench.of(napari_viewer).dock("export")


def make_film_dock(napari_viewer: Viewer) -> QWidget:
    """Dock to go through a film."""
    return Workbench.of(napari_viewer).dock("film")
