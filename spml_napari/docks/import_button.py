"""A button that brings marks from other programs' files into the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from spml_core.engine.imports import ImportSummary
from spml_core.project import Project
from spml_napari.docks.following import follow
from spml_napari.docks.icon_button import IconButton
from spml_napari.docks.paths import ask_for_folder
from spml_napari.docks.warning_words import shortened
from spml_napari.mark_files import import_any
from spml_napari.qt_types import slot

if TYPE_CHECKING:
    from spml_napari.session import Session

_FILES = "Marks (*.csv *.tsv *.json *.xml *.txt);;All files (*)"


class ImportButton(IconButton):
    """Asks for a file or folder, finds out what is in it, and adds its marks as one step of the history.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    """

    def __init__(
        self, session: Session, submit: Callable[..., object], parent: QWidget | None = None
    ) -> None:
        super().__init__(
            "import",
            "Import marks... Tags and points (CSV), boxes and key points (COCO, Pascal VOC, YOLO), labelme files,"
            " masks and scribbles (index PNG)",
            parent=parent,
        )
        self.setObjectName("import_marks")
        self._session = session
        self._submit = submit
        self._busy = False
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for name, text, tip, choose in (
            (
                "import_file",
                "Import marks from a file...",
                "A table, or COCO or labelme JSON",
                self._ask_file,
            ),
            (
                "import_folder",
                "Import marks from a folder...",
                "Pascal VOC, YOLO, labelme or ScribbleSup files, masks or scribbles as index PNGs",
                self._ask_folder,
            ),
        ):
            action = menu.addAction(text)
            assert action is not None
            action.setObjectName(name)
            action.setToolTip(tip)
            action.triggered.connect(slot(choose))
        self.setMenu(menu)
        self.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        follow(self, {session.project_changed: self._show_state})
        self._show_state()

    def import_marks(self, path: Path) -> None:
        """Import what is in a file or folder, in the background; all of it, or nothing if something is wrong."""
        project = self._session.project
        if project is None or self._busy:
            return
        self._busy = True
        self._show_state()
        self._session.saved.emit(f"reading {path.name}")
        self._submit(_job, project, path, done=self._on_done, failed=self._on_failed)

    def _ask_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Import marks from a file", "", _FILES)
        if chosen:
            self.import_marks(Path(chosen))

    def _ask_folder(self) -> None:
        if (folder := ask_for_folder(self, "Import marks from a folder")) is not None:
            self.import_marks(folder)

    def _on_done(self, answer: tuple[Project, Path, str, ImportSummary]) -> None:
        self._end()
        project, path, kind, summary = answer
        if project is not self._session.project:
            return
        count = summary.pictures
        said = f"{kind} of {count} {'picture' if count == 1 else 'pictures'} imported from {path.name}"
        self._session.marks_arrived(said)
        self._session.report_text("info", f"{said[0].upper()}{said[1:]}. Undo takes them back.")
        if summary.warnings:
            self._session.report_text("warning", shortened(summary.warnings))

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self._session.report(error)

    def _end(self) -> None:
        self._busy = False
        self._show_state()

    def _show_state(self) -> None:
        project = self._session.project
        self.setEnabled(project is not None and project.writable and not self._busy)


def _job(project: Project, path: Path) -> tuple[Project, Path, str, ImportSummary]:
    return project, path, *import_any(project, path)
