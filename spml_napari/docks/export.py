"""The export dock: masks out of the project, in the format that the next program wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from spml_core.engine.export import FORMATS, export_project
from spml_core.errors import SpmlError
from spml_core.project import Project
from spml_napari.docks.following import follow
from spml_napari.docks.parts import column, heading, note, primary, scrolling

if TYPE_CHECKING:
    from spml_napari.session import Session

_WORDS = {
    "index-png": ("Index PNG", "One value a class, with the PASCAL VOC palette. Read by most training code."),
    "coco": ("COCO JSON", "One JSON file of polygons and run lengths, an entry for each connected object."),
    "yolo-seg": ("YOLO segmentation", "A text file of polygons for each picture, and data.yaml."),
    "tiff": ("Label TIFF", "One label image a picture, for Fiji, QuPath and the like."),
    "ome-zarr": ("OME-Zarr", "Picture and labels together, for napari and cloud viewers."),
    "overlay": ("Overlay pictures", "The picture with the classes laid over it, to show others."),
}


class ExportDock(QWidget):
    """Choose a format and a folder, and write the masks.

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
        content = QWidget()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(content))
        layout = column(content)
        self._build(layout)
        layout.addStretch(1)
        self._progressed.connect(self._on_progress)
        follow(self, {session.project_changed: self._on_project, session.marks_changed: self._show_state})
        self._on_project()

    def _build(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("Export masks"))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.format = QComboBox()
        self.format.setObjectName("export_format")
        self.format.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for key in FORMATS:
            self.format.addItem(_WORDS.get(key, (key, ""))[0], key)
        self.format.currentIndexChanged.connect(self._show_state)
        form.addRow("Format", self.format)
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
        self.reviewed = QCheckBox("Reviewed pictures only")
        self.reviewed.setObjectName("export_reviewed")
        self.reviewed.setToolTip("Leave out pictures that nobody has accepted yet")
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
        self.cancel.setToolTip("Stop after this picture")
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
            done=self._on_done,
            failed=self._on_done,
        )

    def _work(self, path: Path, out: Path, format_: str, only_reviewed: bool) -> tuple[int, int] | SpmlError:
        """Export; runs in a thread of its own, with a project of its own."""
        written = skipped = 0
        try:
            with Project.open(path, write=False) as project:
                for exported in export_project(project, out, format_, only_reviewed=only_reviewed):
                    written += exported.path is not None
                    skipped += exported.path is None
                    self._progressed.emit(exported.done, exported.total, exported.name)
                    if self._cancelled.is_set():
                        break
        except SpmlError as error:
            return error
        return written, skipped

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
        if isinstance(result, SpmlError):
            self._session.report(result)
        elif isinstance(result, Exception):
            self._session.report_text("error", f"The export failed: {result}")
        elif isinstance(result, tuple):
            written, skipped = result
            if self._cancelled.is_set():
                self.state.setText(f"Cancelled after {written} pictures; what was written is whole.")
                return
            left_out = f" {skipped} had no prediction and were left out: train first." if skipped else ""
            self.state.setText(f"{written} pictures exported.{left_out}")
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
        self._show_state()

    def _show_state(self, *_: object) -> None:
        project = self._session.project
        self.about.setText(_WORDS.get(self.format.currentData(), ("", ""))[1])
        self.start.setVisible(not self._busy)
        self.start.setEnabled(project is not None)
        self.cancel.setVisible(self._busy)
        self.bar.setVisible(self._busy)
        if self._busy:
            return
        if project is None:
            self.state.setText("Open a project first.")
        elif self.reviewed.isChecked():
            count = len(project.reviewed_pictures())
            self.state.setText(f"{count} reviewed pictures will be exported.")
        else:
            self.state.setText(
                "Reviewed pictures with their masks, all others as the current model sees them."
            )
