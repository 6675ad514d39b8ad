"""``spml app`` and ``spml demo``: the window. Without torch: that is for the window's child processes."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from spml_core.cli.failures import guarded
from spml_core.errors import SpmlError

_BINDINGS = ("PyQt6", "PySide6", "PyQt5")
_INSTALL = 'Install them with: pip install "spml-napari[gui]"'


class Sample(StrEnum):
    """Sample sets."""

    NUCLEI = "nuclei"
    PEOPLE = "people"
    FILM = "film"


@guarded
def open_app(
    project: Annotated[
        Path | None,
        typer.Argument(metavar="[PROJECT]", help="Folder of the project to open.", show_default=False),
    ] = None,
) -> None:
    """Open the window: mark, train, watch, correct, export."""
    from spml_core.project import Project

    require_window()
    if project is not None:
        # What is wrong with it is better said here than in a window that has nothing to show.
        Project.open(project).close()
    _window("app").run(project)


@guarded
def demo(
    sample: Annotated[
        Sample, typer.Argument(metavar="[nuclei|people|film]", help="Which sample to open.")
    ] = Sample.NUCLEI,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to copy it; by default the program's own folder."),
    ] = None,
) -> None:
    """Open the window on a sample project, with marks ready to train on, or to propagate through the film."""
    require_window()
    samples = _window("samples")
    project = samples.make_sample_project(
        sample.value, folder if folder is not None else samples.samples_folder()
    )
    typer.echo(f"The sample project is in {project}.")
    _window("app").run(project)


def require_window() -> None:
    """Check that there can be a window.

    Raises
    ------
    SpmlError
        If napari or a Qt binding isn't installed, or there is no screen.
    """
    if not _is_installed("napari"):
        raise SpmlError("The window needs napari and Qt; napari isn't installed.", _INSTALL)
    if not any(_is_installed(name) for name in _BINDINGS):
        raise SpmlError("The window needs napari and Qt; no Qt binding is installed.", _INSTALL)
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise SpmlError(
            "There is no screen to show the window on: DISPLAY isn't set.", "Start it on a desktop."
        )


def _is_installed(name: str) -> bool:
    return find_spec(name) is not None


def _window(module: str) -> Any:
    """Import a module of the window. By name: the core must not depend on it, nor load it for other commands."""
    return import_module(f"spml_napari.{module}")
