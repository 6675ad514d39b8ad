"""Asking the user for files and folders, and what was dropped."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QMimeData
from qtpy.QtWidgets import QFileDialog, QWidget

_PICTURES = "Pictures (*.png *.jpg *.jpeg *.tif *.tiff *.PNG *.JPG *.JPEG *.TIF *.TIFF)"

_FILMS = (
    "Films (*.mp4 *.avi *.mov *.mkv *.webm *.m4v *.mpg *.tif *.tiff"
    " *.MP4 *.AVI *.MOV *.MKV *.WEBM *.M4V *.MPG *.TIF *.TIFF);;All files (*)"
)


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
