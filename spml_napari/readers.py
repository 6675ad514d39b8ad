"""Dropped projects, and sample projects, open in the session of the viewer that they were dropped on. No Qt."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spml_core.errors import SpmlError
from spml_core.images import PROJECT_DATABASE
from spml_napari.samples import SAMPLES, make_sample_project, samples_folder

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from spml_napari.session import Session

Reader = Callable[[Any], list[tuple[None]]]

SAMPLE_SCHEME = "spml-sample://"
"""What the addresses of samples begin with that napari's File menu opens as projects."""


def project_reader(path: str | Sequence[str]) -> Reader | None:
    """Return what opens the project at a path, for napari; None if there is none.

    Parameters
    ----------
    path : str or sequence of str
        A project's folder, or the database in it. Of several paths none is read.
    """
    if not isinstance(path, str) or project_folder(path) is None:
        return None
    return _open


def sample_reader(path: str | Sequence[str]) -> Reader | None:
    """Return what opens the sample project at an address, for napari; None if there is none.

    Parameters
    ----------
    path : str or sequence of str
        :data:`SAMPLE_SCHEME` and the name of a sample: napari's samples are data, unless they have an address.
    """
    if not isinstance(path, str) or path.removeprefix(SAMPLE_SCHEME) not in SAMPLES:
        return None
    return _open_sample


def project_folder(path: Path | str) -> Path | None:
    """Return the folder of the project that a path means: itself, or the one it is the database of."""
    folder = Path(path)
    if folder.name == PROJECT_DATABASE:
        folder = folder.parent
    return folder if (folder / PROJECT_DATABASE).is_file() else None


def prefer_this_reader() -> None:
    """Let napari open dropped ``.spml`` folders without asking which plugin shall: every plugin for folders reads them.

    What the user once chose stays.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    pattern = f"*.spml{os.sep}"  # napari ends the path of a folder so
    if pattern not in plugins.extension2reader:
        plugins.extension2reader = {**plugins.extension2reader, pattern: "spml-napari"}


def _open(path: str) -> list[tuple[None]]:
    from napari import current_viewer

    from spml_napari.workbench import Workbench

    folder, viewer = project_folder(path), current_viewer()
    if folder is not None and viewer is not None:
        _show(viewer, Workbench.of(viewer).session, folder)
    return [(None,)]  # napari's word for: read, and no layer to add


def _open_sample(address: str) -> list[tuple[None]]:
    from napari import current_viewer

    from spml_napari.workbench import Workbench

    viewer = current_viewer()
    if viewer is not None:
        session = Workbench.of(viewer).session
        try:
            folder = make_sample_project(address.removeprefix(SAMPLE_SCHEME), samples_folder())
        except SpmlError as error:
            session.report(error)
        else:
            _show(viewer, session, folder)
    return [(None,)]


def _show(viewer: Viewer, session: Session, folder: Path) -> None:
    if session.project is not None and session.project.path.resolve() == folder.resolve():
        return
    if session.open(folder):
        from spml_napari.widgets import open_docks

        open_docks(viewer)
