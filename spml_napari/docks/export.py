"""The export dock: masks out of the project, in the format that the next program wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from spml_core.engine.export import FORMATS, export_project, finished_labels
from spml_core.engine.film_export import FILM_FORMATS, export_film
from spml_core.errors import SpmlError
from spml_core.project import FilmRecord, Project
from spml_napari.docks.export_words import FILM_WORDS, PICTURE_WORDS
from spml_napari.docks.following import follow
from spml_napari.docks.parts import column, heading, note, primary, scrolling
from spml_napari.docks.warning_words import shortened
from spml_napari.missing_labels import MissingLabels
from spml_napari.workers import asked_process

if TYPE_CHECKING:
    from spml_napari.session import Session


@dataclass(frozen=True)
class _Written:
    """What an export came to: pictures or frames written and left out, the film, and why some had no labels."""

    written: int
    skipped: int
    film: str | None
    problems: tuple[str, ...] = ()


class ExportDock(QWidget):
    """Choose a format and a folder, and write the masks: of all pictures or, on a frame of a film, of that film.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a function in the background: ``submit(function, *arguments, done=callback)``.
    """

    _progressed = Signal(int, int, str)

    def __init__(
        self, session: Session, submit: Callable[..., object], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("export_dock")
        self._session = session
        self._submit = submit
        self._cancelled = threading.Event()
        self._busy = False
        self._film_shown: FilmRecord | None = None
        content = QWidget()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(content))
        layout = column(content)
        self._build(layout)
        layout.addStretch(1)
        self._progressed.connect(self._on_progress)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.pictures_changed: self._on_picture,
                session.marks_changed: self._show_state,
            },
        )
        self._on_project()

    def _build(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("Export masks"))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.what = QComboBox()
        self.what.setObjectName("export_what")
        self.what.setToolTip("Whether to export the film on the canvas, or the pictures of the project")
        self.what.currentIndexChanged.connect(self._offer_formats)
        self._what_label = QLabel("Export")
        form.addRow(self._what_label, self.what)
        self.format = QComboBox()
        self.format.setObjectName("export_format")
        self.format.currentIndexChanged.connect(self._show_state)
        form.addRow("Format", self.format)
        for box in (self.what, self.format):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.folder = QLineEdit()
        self.folder.setObjectName("export_folder")
        self.folder.setToolTip("Where the files go; made if need be")
        browse = QToolButton()
        browse.setText("…")
        browse.setToolTip("Choose the folder")
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(browse)
        form.addRow("Folder", row)
        layout.addLayout(form)
        self.about = note()
        layout.addWidget(self.about)
        self.reviewed = QCheckBox()
        self.reviewed.setObjectName("export_reviewed")
        self.reviewed.toggled.connect(self._show_state)
        layout.addWidget(self.reviewed)
        self.state = note()
        self.state.setObjectName("export_state")
        layout.addWidget(self.state)
        self.start = primary("Export", "Write the files")
        self.start.setObjectName("export_start")
        self.start.clicked.connect(self.export)
        self.cancel = QPushButton("Cancel")
        self.cancel.setObjectName("export_cancel")
        self.cancel.clicked.connect(self._cancelled.set)
        self.open = QPushButton("Open the folder")
        self.open.setObjectName("export_open")
        self.open.clicked.connect(self._open_folder)
        self.bar = QProgressBar()
        self.bar.setObjectName("export_progress")
        for widget in (self.bar, self.start, self.cancel, self.open):
            layout.addWidget(widget)
        self.open.setVisible(False)

    # Doing --------------------------------------------------------------------------------------------

    def export(self) -> None:
        """Write the files in the background."""
        project, folder = self._session.project, self.folder.text().strip()
        if project is None or self._busy:
            return
        if not folder:
            self._session.report_text("warning", "Choose a folder for the export first.")
            return
        self._cancelled.clear()
        self._busy = True
        self.open.setVisible(False)
        self.bar.setRange(0, 0)
        self._show_state()
        self._submit(
            self._work,
            project.path,
            Path(folder).expanduser(),
            self.format.currentData(),
            self.reviewed.isChecked(),
            None if self.film is None else self.film.name,
            done=self._on_done,
            failed=self._on_done,
        )

    def _work(
        self, path: Path, out: Path, format_: str, only_reviewed: bool, film: str | None
    ) -> _Written | SpmlError:
        """Export; runs in a thread of its own, with a project of its own."""
        written = skipped = 0
        problems: list[str] = []
        try:
            with Project.open(path, write=False) as project, ExitStack() as stack:
                if film is None:
                    start = partial(asked_process, is_wanted=lambda: not self._cancelled.is_set())
                    missing = MissingLabels(project, start, stack)
                    problems = missing.problems
                    labels_of = finished_labels(project, predict=missing)
                    steps = export_project(
                        project, out, format_, labels_of=labels_of, only_reviewed=only_reviewed
                    )
                else:
                    steps = export_film(
                        project, project.film(film), out, format_, only_reviewed=only_reviewed
                    )
                with closing(steps):
                    for exported in steps:
                        written += exported.path is not None
                        skipped += exported.path is None
                        self._progressed.emit(exported.done, exported.total, exported.name)
                        if self._cancelled.is_set():
                            break
        except CancelledError:
            pass
        except SpmlError as error:
            return error
        return _Written(written, skipped, film, tuple(dict.fromkeys(problems)))

    def stop(self) -> None:
        """Let a running export end after its picture: the window closes."""
        self._cancelled.set()

    def _on_progress(self, done: int, total: int, name: str) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.state.setText(f"{done} of {total}: {name}")

    def _on_done(self, result: object) -> None:
        self._busy = False
        self._show_state()
        if isinstance(result, Exception):
            self._session.report(result)
        elif isinstance(result, _Written):
            written, skipped, film = result.written, result.skipped, result.film
            what = "pictures" if film is None else "frames"
            if self._cancelled.is_set():
                left = "what was written is whole" if film is None else "nothing half-written was left"
                self.state.setText(f"Cancelled after {written} {what}; {left}.")
                return
            why = "had no prediction and were left out: train first."
            if result.problems:
                why = "had no prediction and were left out."
                self._session.report_text("warning", shortened(result.problems))
            if film is not None:
                why = f"of {film} have no labels: propagate first."
            left_out = f" {skipped} {why}" if skipped else ""
            self.state.setText(f"{written} {what} exported.{left_out}")
            self.open.setVisible(True)
            self._open_folder()

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self.folder.text()).expanduser())))

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the export", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    # Showing ------------------------------------------------------------------------------------------

    def _on_project(self) -> None:
        project = self._session.project
        self.folder.setText(
            "" if project is None else str(project.path.with_name(f"{project.path.stem}-export"))
        )
        self.open.setVisible(False)
        self._film_shown = None
        self._offer()

    @property
    def film(self) -> FilmRecord | None:
        """The film to be exported; None for the pictures."""
        return self._film_shown if self.what.currentData() == "film" else None

    def _on_picture(self) -> None:
        # Frames pass by many a second while a film is played.
        if self._current_film() != self._film_shown:
            self._offer()

    def _current_film(self) -> FilmRecord | None:
        project, picture = self._session.project, self._session.picture
        return None if project is None or picture is None else project.film_of(picture)

    def _offer(self) -> None:
        """Offer the film on the canvas, if there is one, and the pictures."""
        self._film_shown = film = self._current_film()
        project = self._session.project
        self.what.blockSignals(True)
        self.what.clear()
        if film is not None:
            self.what.addItem("This film", "film")
        if project is None or project.pictures or film is None:
            self.what.addItem("All pictures", "pictures")
        self.what.blockSignals(False)
        for widget in (self._what_label, self.what):
            widget.setVisible(film is not None)
        self._offer_formats()

    def _offer_formats(self) -> None:
        """List the formats of what is to be exported; the one that was chosen stays if it is among them."""
        chosen = self.format.currentData()
        formats = FORMATS if self.film is None else FILM_FORMATS
        self.format.blockSignals(True)
        self.format.clear()
        for key in formats:
            self.format.addItem(self._words[key][0], key)
        self.format.setCurrentIndex(max(self.format.findData(chosen), 0))
        self.format.blockSignals(False)
        what = "pictures" if self.film is None else "frames"
        self.reviewed.setText(f"Reviewed {what} only")
        self.reviewed.setToolTip(f"Leave out {what} that nobody has accepted yet")
        one = "this picture" if self.film is None else "this frame; a file of the whole film isn't written"
        self.cancel.setToolTip(f"Stop after {one}")
        self._show_state()

    @property
    def _words(self) -> dict[str, tuple[str, str]]:
        return PICTURE_WORDS if self.film is None else FILM_WORDS

    def _reviewed_count(self, project: Project) -> int:
        if self.film is not None:
            return sum(state.reviewed for state in project.frame_states(self.film).values())
        return sum(record.film is None for record in project.reviewed_pictures())

    def _show_state(self, *_: object) -> None:
        project = self._session.project
        self.about.setText(self._words.get(self.format.currentData(), ("", ""))[1])
        self.start.setVisible(not self._busy)
        self.start.setEnabled(project is not None)
        self.cancel.setVisible(self._busy)
        self.bar.setVisible(self._busy)
        if self._busy:
            return
        if project is None:
            self.state.setText("Open a project first.")
        elif self.reviewed.isChecked():
            what = "pictures" if self.film is None else "frames"
            self.state.setText(f"{self._reviewed_count(project)} reviewed {what} will be exported.")
        elif self.film is None:
            self.state.setText(
                "Reviewed pictures with their masks, all others as the current model sees them."
            )
        else:
            self.state.setText(
                f"Film {self.film.name}: reviewed frames with their masks, all others as propagated."
            )
