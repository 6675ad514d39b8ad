"""Films dropped on the picture: they belong to the project, and napari needn't ask which plugin reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import ref

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QDropEvent

from spml_core.films import is_film
from spml_napari.docks.paths import dropped_paths
from spml_napari.tools.native import drop_target


class FilmDrops(QObject):
    """Catches films before napari makes layers of them; whatever else is dropped goes to napari.

    Parameters
    ----------
    viewer : napari.Viewer
    take : callable
        Given the films' paths.
    """

    def __init__(
        self, viewer: Any, take: Callable[[Sequence[Path]], object], parent: QObject | None = None
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
        """Take a drop of nothing but films."""
        if not isinstance(event, QDropEvent) or event.type() != QEvent.Type.Drop:
            return False
        paths = dropped_paths(event.mimeData())
        if not paths or not all(map(is_film, paths)):
            return False
        event.acceptProposedAction()
        self._take(paths)
        return True
