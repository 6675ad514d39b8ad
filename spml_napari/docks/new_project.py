"""The form for a new project: which pictures or film, which classes, and where it is saved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QWidget,
)

from spml_core.classes import ClassTable
from spml_core.errors import FilmError, PictureError, ProjectError, SpmlError
from spml_core.films import is_film, open_film
from spml_core.images import place_of
from spml_core.project import Project
from spml_core.project.choosing import in_folder
from spml_core.wording import counted
from spml_napari.docks.class_names import ClassNames
from spml_napari.docks.film_times import contents_in_words, length_in_words
from spml_napari.docks.job_progress import CancelledError, JobProgress, Tell
from spml_napari.docks.parts import column, heading, note, primary
from spml_napari.docks.paths import ask_for_film, ask_for_folder
from spml_napari.docks.warning_words import shortened
from spml_napari.qt_types import slot

if TYPE_CHECKING:
    from spml_napari.session import Session

_LOOK_MS = 300


class NewProjectForm(QWidget):
    """Ask for what a project needs, make it in the background, and open it.

    Whatever goes wrong is reported, and the form keeps what was typed.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    layer_files : callable
        Gives the files of the image layers that are open in the viewer.
    """

    closed = Signal()
    """The project is there, or the user changed their mind."""

    def __init__(
        self,
        session: Session,
        submit: Callable[..., Future[Any]],
        layer_files: Callable[[], Sequence[Path]] = tuple,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("new_project_form")
        self._session = session
        self._submit = submit
        self._layer_files = layer_files
        self._busy = False
        self._suggested = ""
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._count_pictures)
        self._build()
        self._show_state()

    def _build(self) -> None:
        layout = column(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(heading("New project"))
        self.from_folder = QRadioButton("From a folder of pictures")
        self.from_folder.setObjectName("from_folder")
        self.from_folder.setToolTip(
            "PNG, JPEG, TIFF, BMP, GIF and WebP files in it and its subfolders; they stay where they are"
        )
        self.from_folder.setChecked(True)
        self.from_film = QRadioButton("From a film")
        self.from_film.setObjectName("from_film")
        self.from_film.setToolTip("A video, a TIFF stack or a zarr array; it stays where it is")
        self.from_film.toggled.connect(self._on_source)
        self.one_film = QCheckBox("These pictures are one film")
        self.one_film.setObjectName("one_film")
        self.one_film.setToolTip(
            "Its pictures are frames that follow one another, in the order of their names"
        )
        self.one_film.toggled.connect(self._on_images)
        self.from_layers = QRadioButton()
        self.from_layers.setObjectName("from_layers")
        self.from_layers.setToolTip("Pictures that are open in the viewer and were read from files")
        self.from_layers.toggled.connect(self._on_source)
        self.images, images_row = self._path_row("images_folder", "Folder of pictures", self._ask_images)
        self.images.textChanged.connect(self._on_images)
        self.found = note()
        self.found.setObjectName("pictures_found")
        self.classes = ClassNames()
        self.place, place_row = self._path_row("project_path", "Project, NAME.spml", self._ask_place)
        self.place.textChanged.connect(self._show_state)
        self.create_button = primary("Create project", "Look at every picture once, then open the project")
        self.create_button.clicked.connect(self.start)
        self.cancel = QPushButton("Cancel")
        self.cancel.setObjectName("new_project_cancel")
        self.cancel.setToolTip("Make no project")
        self.cancel.setStyleSheet("QPushButton { padding: 6px; }")  # as high as the button beside it
        self.cancel.clicked.connect(self.closed.emit)
        self.progress = JobProgress("new_project_progress", "Make no project; the form stays as it is")
        for widget in (self.from_folder, self.from_film, self.from_layers):
            layout.addWidget(widget)
        layout.addLayout(images_row)
        layout.addWidget(self.one_film)
        layout.addWidget(self.found)
        layout.addWidget(heading("Classes"))
        layout.addWidget(self.classes)
        layout.addWidget(heading("Save as"))
        layout.addLayout(place_row)
        layout.addWidget(self.progress)
        buttons = QHBoxLayout()
        buttons.addWidget(self.create_button, 1)
        buttons.addWidget(self.cancel)
        layout.addLayout(buttons)

    def _path_row(self, name: str, hint: str, ask: Callable[[], object]) -> tuple[QLineEdit, QHBoxLayout]:
        line = QLineEdit()
        line.setObjectName(name)
        line.setPlaceholderText(hint)
        line.setToolTip(hint)
        line.setMinimumWidth(80)
        button = QPushButton("...")
        button.setObjectName(f"{name}_choose")
        button.setToolTip("Choose a folder")
        button.setAccessibleName("Choose a folder")
        button.clicked.connect(slot(lambda: ask()))
        row = QHBoxLayout()
        row.addWidget(line, 1)
        row.addWidget(button)
        return line, row

    # Filling in -----------------------------------------------------------------------------------------

    def begin(self, folder: Path | None = None) -> None:
        """Get ready for another project, from this folder, or film, if one is given."""
        files = list(self._layer_files())
        self.from_layers.setVisible(bool(files))
        self.from_layers.setText(f"From {counted(len(files), 'open image layer')}" if files else "")
        if folder is not None and is_film(folder):
            self.from_film.setChecked(True)
        elif not self.from_film.isChecked() and (not files or folder is not None):
            self.from_folder.setChecked(True)
        if folder is not None:
            self.images.setText(str(folder))
        self._show_state()
        self.images.setFocus()

    def _ask_images(self) -> None:
        if self.from_film.isChecked():
            if (film := ask_for_film(self, _film(self.images.text()))) is not None:
                self.images.setText(str(film))
            return
        folder = ask_for_folder(self, "Folder of pictures", _folder(self.images.text()))
        if folder is not None:
            self.from_folder.setChecked(True)
            self.images.setText(str(folder))

    def _ask_place(self) -> None:
        now = Path(self.place.text() or "project.spml")
        folder = ask_for_folder(self, "Where to save the project", now.parent)
        if folder is not None:
            self.place.setText(str(folder / now.name))

    def _on_source(self) -> None:
        files = list(self._layer_files())
        if self.from_layers.isChecked() and files:
            self._suggest_place(files[0].parent)
        hint = "Film" if self.from_film.isChecked() else "Folder of pictures"
        self.images.setPlaceholderText(hint)
        self.images.setToolTip(hint)
        self._on_images()

    def _on_images(self) -> None:
        if (path := self._given()) is not None:
            self._suggest_place(path.with_suffix("") if self.from_film.isChecked() else path)
        self.found.clear()
        self._look.start()
        self._show_state()

    def _suggest_place(self, folder: Path) -> None:
        """Fill in a place beside the pictures, unless the user typed one."""
        if self.place.text() == self._suggested:
            self._suggested = str(suggested_place(folder))
            self.place.setText(self._suggested)

    def _given(self) -> Path | None:
        """The folder, or the film, that the form names, if it is there."""
        if self.from_layers.isChecked():
            return None
        return (_film if self.from_film.isChecked() else _folder)(self.images.text())

    def _source(self) -> tuple[str, bool]:
        return self.images.text(), self.from_film.isChecked() or self.one_film.isChecked()

    def _count_pictures(self) -> None:
        path = self._given()
        if path is not None:
            self._submit(_count, self._source(), path, done=self._show_count, failed=self._show_no_film)

    def _show_count(self, answer: tuple[tuple[str, bool], str]) -> None:
        source, words = answer
        if source == self._source() and not self.from_layers.isChecked():
            self.found.setText(words)

    def _show_no_film(self, error: Exception) -> None:
        """A folder that can't be listed, or a film that can't be opened, is reported when the project is made."""
        if isinstance(error, FilmError):
            self.found.setText(error.problem)

    # Making it ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the project as the form says, in the background."""
        if self._busy:
            return
        try:
            images, films = self._chosen_images()
            place, table = self._chosen_place(), self.classes.table()
        except SpmlError as error:
            self._session.report(error)
            return
        self._busy = True
        tell = self.progress.begin()
        self._submit(_create, place, images, films, table, tell, done=self._made, failed=self._failed)
        self._show_state()

    def _chosen_images(self) -> tuple[Path | list[Path], list[Path]]:
        """A folder of pictures, or some, and films."""
        if self.from_layers.isChecked():
            return list(self._layer_files()), []
        text = self.images.text().strip()
        if not text:
            if self.from_film.isChecked():
                raise FilmError("No film is chosen.", "Choose a video, a TIFF stack or a zarr array.")
            raise PictureError("No folder of pictures is chosen.", "Choose the folder that holds them.")
        path = Path(text).expanduser()
        is_one_film = self.from_film.isChecked() or self.one_film.isChecked()
        return ([], [path]) if is_one_film else (path, [])

    def _chosen_place(self) -> Path:
        text = self.place.text().strip()
        if not text:
            raise ProjectError("The project has no place to be saved.", "Type one that ends in .spml.")
        place = Path(text).expanduser()
        if not place.is_absolute():
            raise ProjectError(f"{place} doesn't say in which folder.", "Give the whole path.")
        return place if place.suffix == ".spml" else place.with_name(f"{place.name}.spml")

    def _made(self, made: tuple[Path, tuple[str, ...]]) -> None:
        path, warnings = made
        self._end()
        if self._session.open(path):
            if warnings:
                self._session.report_text("warning", shortened(warnings))
            self._suggested = ""
            for line in (self.images, self.place):
                line.clear()
            self.closed.emit()

    def _failed(self, error: Exception) -> None:
        self._end()
        if not isinstance(error, CancelledError):
            self._session.report(error)

    def _end(self) -> None:
        self._busy = False
        self.progress.end()
        self._show_state()

    def _show_state(self) -> None:
        sources = (self.from_folder, self.from_film, self.from_layers, self.images, self.one_film)
        for widget in (*sources, self.classes, self.place):
            widget.setEnabled(not self._busy)
        self.one_film.setVisible(self.from_folder.isChecked())
        has_images = self.from_layers.isChecked() or bool(self.images.text().strip())
        self.create_button.setEnabled(not self._busy and has_images and bool(self.place.text().strip()))
        self.cancel.setEnabled(not self._busy)


def suggested_place(folder: Path) -> Path:
    """Return a free path for a project beside the folder of its pictures, or else in the home folder."""
    place = folder.parent if os.access(folder.parent, os.W_OK) else Path.home()
    stem = folder.name or "project"
    names = [f"{stem}.spml", *(f"{stem}-{number}.spml" for number in range(2, 100))]
    return next((place / name for name in names if not (place / name).exists()), place / names[0])


def files_of_layers(layers: Iterable[Any]) -> list[Path]:
    """Return the picture files that napari's image layers were read from, each once, in order."""
    files: dict[Path, None] = {}
    for layer in layers:
        if layer.as_layer_data_tuple()[2] == "image" and _is_file(layer.source.path):
            files.setdefault(place_of(layer.source.path))
    return list(files)


def _folder(text: str) -> Path | None:
    path = Path(text.strip()).expanduser() if text.strip() else None
    return path if path is not None and path.is_absolute() and path.is_dir() else None


def _film(text: str) -> Path | None:
    path = Path(text.strip()).expanduser() if text.strip() else None
    return path if path is not None and path.is_absolute() and path.exists() else None


def _count(source: tuple[str, bool], path: Path) -> tuple[tuple[str, bool], str]:
    """Say what a project of a folder, or a film, would hold."""
    if source[1]:
        with open_film(path) as film:
            height, width = film.size
            words = f"{length_in_words(film.count, film.frame_rate)}, {width} x {height} pixels"
            return source, "\n".join([words, *film.warnings])
    found, films, warnings = in_folder(path)
    pictures = set(found).difference(films)
    none = "There is no PNG, JPEG or TIFF file, nor any film, in this folder."
    words = contents_in_words(len(pictures), len(films)) if pictures or films else none
    return source, "\n".join([words, *warnings])


def _create(
    place: Path, images: Path | list[Path], films: list[Path], table: ClassTable, tell: Tell
) -> tuple[Path, tuple[str, ...]]:
    # Closed again: the session opens it in the window's thread.
    with Project.create(place, images, table, tell, films) as project:
        return place, project.warnings


def _is_file(path: str | None) -> bool:
    return path is not None and Path(path).is_file()
