"""Pictures and films dropped on the canvas: they belong to the project, not to napari as layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import ref

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QDropEvent

from spml_core.films import is_film
from spml_core.images import PROJECT_DATABASE
from spml_core.images.listing import ALL_SUFFIXES
from spml_napari.docks.paths import dropped_paths
from spml_napari.tools.native import drop_target


class Drops(QObject):
    """Catches what a project can take before napari makes layers of it; whatever else is dropped goes to napari.

    Parameters
    ----------
    viewer : napari.Viewer
    take : callable
        Given the paths of pictures, films and folders of both; False leaves them to napari.
    """

    def __init__(
        self, viewer: Any, take: Callable[[Sequence[Path]], bool], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._take = take
        target = drop_target(viewer)
        # Weakly: napari's viewer must be able to go, whoever still knows this object.
        self._target = None if target is None else ref(target)
        if target is not None:
            target.installEventFilter(self)

    def detach(self) -> None:
        """Leave drops to napari."""
        target = None if self._target is None else self._target()
        if target is not None and isalive(target):
            target.removeEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """Take a drop of nothing but pictures and films."""
        if not isinstance(event, QDropEvent) or event.type() != QEvent.Type.Drop:
            return False
        paths = dropped_paths(event.mimeData())
        if not paths or not all(map(_holds_pixels, paths)) or not self._take(paths):
            return False
        event.acceptProposedAction()
        return True


def _holds_pixels(path: Path) -> bool:
    """Whether a path is a picture, a film, or a folder with one of them somewhere in it; a project is none."""
    if is_film(path) or (path.is_file() and _is_picture(path)):
        return True
    if not path.is_dir():
        return False
    for folder, subfolders, files in os.walk(path):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if PROJECT_DATABASE in files:
            if Path(folder) == path:
                return False
            subfolders.clear()
        elif any(_is_picture(Path(name)) or is_film(Path(folder, name)) for name in files if name[0] != "."):
            return True
    return False


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ALL_SUFFIXES
