"""Asking the user for files and folders, and what was dropped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import QMimeData
from qtpy.QtWidgets import QFileDialog, QWidget

from spml_core.images.listing import ALL_SUFFIXES
from spml_core.project.choosing import FILM_FILES


def _filter(name: str, suffixes: Iterable[str]) -> str:
    """Qt's words for files with some suffixes, in small and in capital letters."""
    small = [f"*{suffix}" for suffix in sorted(suffixes)]
    return f"{name} ({' '.join([*small, *(pattern.upper() for pattern in small)])})"


_PICTURES = _filter("Pictures", ALL_SUFFIXES)

_FILMS = f"{_filter('Films', FILM_FILES)};;All files (*)"


def ask_for_folder(parent: QWidget, title: str, start: Path | None = None) -> Path | None:
    """Let the user choose a folder; None if they don't."""
    chosen = QFileDialog.getExistingDirectory(parent, title, str(start or ""))
    return Path(chosen) if chosen else None


def ask_for_pictures(parent: QWidget) -> list[Path]:
    """Let the user choose picture files; none if they don't."""
    chosen, _ = QFileDialog.getOpenFileNames(parent, "Add pictures", "", _PICTURES)
    return [Path(path) for path in chosen]


def ask_for_film(parent: QWidget, start: Path | None = None) -> Path | None:
    """Let the user choose a video or a TIFF stack; None if they don't. A zarr array is a folder: it can be dropped."""
    chosen, _ = QFileDialog.getOpenFileName(parent, "Choose a film", str(start or ""), _FILMS)
    return Path(chosen) if chosen else None


def dropped_paths(data: QMimeData | None) -> list[Path]:
    """Return the files and folders in what is dragged or dropped."""
    if data is None:
        return []
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
