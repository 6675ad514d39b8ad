"""The welcome dock: go on with a project, make a new one, or try a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from spml_napari.docks.film_times import contents_in_words
from spml_napari.docks.following import follow
from spml_napari.docks.new_project import NewProjectForm, files_of_layers
from spml_napari.docks.parts import column, heading, note, primary, scrolling
from spml_napari.docks.paths import ask_for_folder
from spml_napari.docks.recent_list import RecentList
from spml_napari.qt_types import slot, there
from spml_napari.recent import RecentProjects
from spml_napari.samples import SAMPLES, make_sample_project, samples_folder
from spml_napari.settings import load_settings

if TYPE_CHECKING:
    from spml_napari.session import Session

_FIRST_TIME = (
    "Draw on a few pictures, press Start, and correct what the model gets wrong: it learns from every mark."
    " In a film, draw on a frame and press Propagate. A sample shows it in five minutes."
)

_START = "Press Start to see it learn."
_PROPAGATE = "Press Propagate to carry its marks through the film."


class WelcomeDock(QWidget):
    """Open a project, or get one.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    viewer : napari viewer, optional
        Its open image layers can become a project.
    recent : RecentProjects, optional
        The list to keep.
    samples : Path, optional
        Where sample projects are made.
    """

    def __init__(
        self,
        session: Session,
        submit: Callable[..., Future[Any]],
        viewer: Any = None,
        recent: RecentProjects | None = None,
        samples: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("welcome_dock")
        self._session = session
        self._submit = submit
        self._viewer = viewer
        self._recent = recent if recent is not None else RecentProjects()
        self._samples = samples
        content = QWidget()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(content))
        layout = column(content)
        self.start = QWidget()
        self._build_start()
        self.form = NewProjectForm(session, submit, self._layer_files)
        self.form.closed.connect(self._leave_form)
        self.form.hide()
        layout.addWidget(self.start)
        layout.addWidget(self.form)
        layout.addStretch(1)
        follow(self, {session.project_changed: self._on_project, session.pictures_changed: self._on_project})
        self._on_project()

    def _build_start(self) -> None:
        layout = QVBoxLayout(self.start)
        layout.setContentsMargins(0, 0, 0, 0)
        self.open_now = note()
        self.open_now.setObjectName("open_now")
        self.first_time = note(_FIRST_TIME)
        self.recent_heading = heading("Recent projects")
        self.recent = RecentList(self._submit)
        self.recent.chosen.connect(slot(self._open))
        self.recent.gone_chosen.connect(self._tell_gone)
        self.recent.removed.connect(self._forget)
        self.new = primary("New project...", "Make a project of a folder of pictures, or of a film")
        self.new.clicked.connect(lambda: self.ask_for_project())
        self.open = QPushButton("Open project...")
        self.open.setObjectName("open_project")
        self.open.setToolTip("Open a project folder, NAME.spml")
        self.open.clicked.connect(self._ask_open)
        self.sample = QPushButton("Try the sample")
        self.sample.setObjectName("try_sample")
        self.sample.setToolTip("Copy a small project with marks, ready to train or to propagate, and open it")
        menu = QMenu(self.sample)
        for name, text in SAMPLES.items():
            action = there(menu.addAction(text))
            action.setObjectName(f"try_{name}")
            action.triggered.connect(partial(self.try_sample, name))
        self.sample.setMenu(menu)
        for widget in (self.open_now, self.first_time, self.recent_heading, self.recent):
            layout.addWidget(widget)
        for button in (self.new, self.open, self.sample):
            layout.addWidget(button)

    # What the buttons do --------------------------------------------------------------------------------

    def ask_for_project(self, folder: Path | None = None) -> None:
        """Show the form for a new project, filled in for this folder of pictures, or film, if one is given."""
        self.start.hide()
        self.form.show()
        self.form.begin(folder)

    def _leave_form(self) -> None:
        self.form.hide()
        self.start.show()

    def _open(self, path: Path) -> bool:
        """Open a project, unless it is the open one: a click and a double click may both come here."""
        project = self._session.project
        if project is not None and project.path.resolve() == path.resolve():
            return False
        return self._session.open(path)

    def _ask_open(self) -> None:
        folder = ask_for_folder(self, "Open project")
        if folder is not None:
            self._open(folder)

    def try_sample(self, name: str, *_: object) -> None:
        """Make the sample project of this name, unless it was made before, and open it."""
        self.sample.setEnabled(False)
        folder = self._samples if self._samples is not None else samples_folder()
        self._submit(make_sample_project, name, folder, done=self._open_sample, failed=self._sample_failed)

    def _open_sample(self, path: Path) -> None:
        self.sample.setEnabled(True)
        project = self._session.project if self._open(path) else None
        if project is not None:
            what_next = _PROPAGATE if project.films else _START
            self._session.report_text("info", f"The sample project is in {path}. {what_next}")

    def _sample_failed(self, error: Exception) -> None:
        self.sample.setEnabled(True)
        self._session.report(error)

    def _tell_gone(self, path: Path) -> None:
        self._session.report_text(
            "warning", f"{path} isn't there any more. Open it at its new place, or remove it from the list."
        )

    def _forget(self, path: Path) -> None:
        self._recent.forget(path)
        self._show_recent()

    # Following the session ------------------------------------------------------------------------------

    def _on_project(self) -> None:
        project = self._session.project
        if project is not None:
            self._recent.remember(project)
            contents = contents_in_words(
                len(project.pictures), len(project.films), sum(film.count for film in project.films)
            )
            self.open_now.setText(f"Open now: {project.path.stem}, {contents}")
        self.open_now.setVisible(project is not None)
        self._show_recent()

    def _show_recent(self) -> None:
        entries = self._recent.entries(load_settings().recent_projects)
        self.recent.show_entries(entries)
        for widget in (self.recent_heading, self.recent):
            widget.setVisible(bool(entries))
        self.first_time.setVisible(not entries)

    def _layer_files(self) -> Sequence[Path]:
        return files_of_layers(self._viewer.layers) if self._viewer is not None else []
