"""The pictures dock: all pictures and films of the project with how they stand, and the way from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from spml_core.project import FilmRecord, Project
from spml_core.wording import counted
from spml_napari.adding import Addition, add_to_project
from spml_napari.docks.add_button import AddButton
from spml_napari.docks.badges import Badge, badge_icon
from spml_napari.docks.film_times import contents_in_words
from spml_napari.docks.following import follow
from spml_napari.docks.import_button import ImportButton
from spml_napari.docks.job_progress import CancelledError, JobProgress
from spml_napari.docks.parts import column, note
from spml_napari.docks.paths import ask_for_folder, dropped_paths
from spml_napari.docks.picture_model import (
    Key,
    PictureFilter,
    PictureModel,
    PictureStates,
    film_key,
    missing_pictures,
)
from spml_napari.docks.picture_selection import PictureSelection
from spml_napari.docks.rows import RowList
from spml_napari.docks.thumbnail_loader import ThumbnailLoader
from spml_napari.docks.warning_words import shortened
from spml_napari.film_overview import FilmOverviews
from spml_napari.qt_types import slot, there

if TYPE_CHECKING:
    from spml_napari.session import Session

_FILTERS: tuple[tuple[PictureFilter, str, Badge | None], ...] = (
    (PictureFilter.ALL, "All", None),
    (PictureFilter.UNTOUCHED, "Untouched", Badge.UNTOUCHED),
    (PictureFilter.MARKED, "Marked", Badge.MARKED),
    (PictureFilter.PREDICTED, "Predicted", Badge.PREDICTED),
    (PictureFilter.REVIEWED, "Reviewed", Badge.REVIEWED),
    (PictureFilter.NEEDS_LOOK, "Needs a look", Badge.MISSING),
)
_REFRESH_MS = 150


class PicturesDock(QWidget):
    """List the pictures, go from one to the next, add more, find those that were moved.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    predicted_ids : callable
        Gives the ids of the pictures that the current model has labelled.
    on_next_to_mark : callable
        Goes to the picture whose marks would help the model most.
    overviews : FilmOverviews, optional
        How the frames of films stand.
    """

    def __init__(
        self,
        session: Session,
        submit: Callable[..., Future[Any]],
        predicted_ids: Callable[[], set[int]] = set,
        on_next_to_mark: Callable[[], object] = lambda: None,
        overviews: FilmOverviews | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("pictures_dock")
        self.setAcceptDrops(True)
        self._session = session
        self._submit = submit
        self._predicted_ids = predicted_ids
        self._predicted: frozenset[int] = frozenset()
        self._adding = False
        self._model = PictureModel(ThumbnailLoader(submit, parent=self), self)
        self._overviews = overviews
        if overviews is not None:
            self._model.set_overviews(overviews.of)
            overviews.changed.connect(self._on_film)
        # States change with every stroke and, while all pictures are predicted, in bursts: one look for many.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_REFRESH_MS)
        self._soon.timeout.connect(self.refresh)
        self._build(on_next_to_mark)
        self._model.problems_changed.connect(self._show_state)
        self._model.modelReset.connect(self._show_state)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.pictures_changed: self._on_pictures,
                session.picture_changed: self._on_picture,
                session.marks_changed: self._on_states,
                session.runs_changed: self._on_runs,
                session.predictions_stored: self._on_stored,
            },
        )
        self._on_project()

    def _build(self, on_next_to_mark: Callable[[], object]) -> None:
        layout = column(self)
        self.search = QLineEdit()
        self.search.setObjectName("picture_search")
        self.search.setPlaceholderText("Find by name")
        self.search.setToolTip("List only pictures whose names hold this text")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._on_filter)
        self.filter = QComboBox()
        self.filter.setObjectName("picture_filter")
        self.filter.setToolTip(
            "Which pictures are listed. Needs a look: predicted but not reviewed, or not readable."
        )
        self.filter.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for chosen, text, badge in _FILTERS:
            self.filter.addItem(text, chosen)
            if badge is not None:
                self.filter.setItemIcon(self.filter.count() - 1, badge_icon(badge))
        self.filter.currentIndexChanged.connect(self._on_filter)
        self.list = RowList("picture_list")
        self.list.setMinimumHeight(100)
        self.list.setModel(self._model)
        self.list.setToolTip(
            "Click a picture to show it; with Shift or Ctrl, or with Ctrl+A, select several to tag them all at once.\n"
            "Drop pictures, films or folders here to add them."
        )
        self.selection = PictureSelection(self._session, self.list, self._model, self)
        self.empty = note()
        self.empty.setObjectName("pictures_empty")
        self.missing = note()
        self.missing.setObjectName("pictures_missing")
        self.find_moved = self._button(
            "Find moved pictures...", "find_moved", "Search a folder for them by content", self._ask_relink
        )
        self.previous = self._button(
            "Previous", "previous_picture", "Previous picture (Shift+N)", partial(self.step, -1)
        )
        self.next = self._button("Next", "next_picture", "Next picture (N)", partial(self.step, 1))
        self.position = QLabel()
        self.position.setObjectName("picture_position")
        self.position.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.next_to_mark = self._button(
            "Next picture to mark",
            "pictures_next_to_mark",
            "Go to the picture that would teach the model most (J)",
            on_next_to_mark,
        )
        self.add = AddButton()
        self.add.chosen.connect(self.add_pictures)
        self.import_marks = ImportButton(self._session, self._submit)
        self.progress = JobProgress("add_progress", "Add nothing")
        walk = QHBoxLayout()
        for widget in (self.previous, self.position, self.next):
            walk.addWidget(widget)
        top = QHBoxLayout()
        top.addWidget(self.search, 1)
        top.addWidget(self.add)
        top.addWidget(self.import_marks)
        layout.addLayout(top)
        layout.addWidget(self.filter)
        layout.addWidget(self.list, 1)
        for widget in (self.empty, self.missing, self.find_moved):
            layout.addWidget(widget)
        layout.addLayout(walk)
        layout.addWidget(self.next_to_mark)
        layout.addWidget(self.progress)

    def _button(self, text: str, name: str, tip: str, on_click: Callable[[], object]) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.clicked.connect(slot(lambda: on_click()))
        return button

    # Following the session ------------------------------------------------------------------------------

    def _on_project(self) -> None:
        self.progress.cancel()
        self.search.clear()
        self.filter.setCurrentIndex(0)
        self._on_pictures()

    def _on_pictures(self) -> None:
        project = self._session.project
        self._model.forget_thumbnails()
        if project is None:
            self._model.set_pictures((), Path(), PictureStates())
        else:
            self._predicted = frozenset(self._predicted_ids())
            folder = project.cache_folder / "thumbnails"
            self._model.set_pictures(project.pictures, folder, self._states(project), project.films)
            self.look_for_missing()
        self._show_state()

    def _on_states(self, _: object) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def _on_runs(self) -> None:
        self._predicted = frozenset(self._predicted_ids())
        self._on_states(None)

    def _on_stored(self, ids: frozenset[int]) -> None:
        self._predicted |= ids
        self._on_states(None)

    def refresh(self) -> None:
        """Ask the project how its pictures stand."""
        if self._session.project is not None:
            place = there(self.list.verticalScrollBar()).value()
            self._model.set_states(self._states(self._session.project), self._kept_keys())
            there(self.list.verticalScrollBar()).setValue(place)
            self._show_state()

    def _states(self, project: Project) -> PictureStates:
        marked: set[Key] = set()
        for record in project.marked_pictures():
            marked.add(record.id if record.film is None else film_key(record.film))
        propagated = frozenset(film_key(film.id) for film in project.films if self._has_results(film))
        return PictureStates(
            marked=frozenset(marked),
            predicted=self._predicted | propagated,
            reviewed=frozenset(record.id for record in project.reviewed_pictures() if record.film is None),
        )

    def _has_results(self, film: FilmRecord) -> bool:
        return self._overviews is not None and self._overviews.of(film).has_results

    def _on_film(self, film_id: int) -> None:
        self._model.film_changed(film_id)
        self._on_states(None)

    def look_for_missing(self) -> None:
        """Ask the disk, in the background, which pictures aren't at their place."""
        if self._session.project is not None:
            records = (*self._session.project.films, *self._session.project.pictures)
            self._submit(missing_pictures, records, done=self._take_missing, failed=self._report)

    def _take_missing(self, missing: dict[Key, str]) -> None:
        self._model.set_missing(missing, self._kept_keys())

    def _kept_keys(self) -> set[Key]:
        """What stays listed, even if the filter is against it: what is selected."""
        film = self._session.film
        return {*self._session.selected, *([] if film is None else [film_key(film.id)])}

    # Going about ----------------------------------------------------------------------------------------

    def step(self, count: int) -> None:
        """Go so many of the listed pictures on (negative: back)."""
        project, row = self._session.project, self.selection.show()
        listed = self._model.rowCount()
        if project is None or listed == 0:
            return
        to = 0 if row is None else min(max(row + count, 0), listed - 1)
        if to != row:
            self.selection.go_to_row(to)

    def _on_filter(self) -> None:
        self._model.set_filter(PictureFilter(self.filter.currentData()), self.search.text().strip())
        self.selection.drop_unlisted()

    def _on_picture(self) -> None:
        self._show_current()
        if self.list.currentIndex().isValid():
            self.list.scrollTo(self.list.currentIndex())

    def _show_current(self) -> None:
        row = self.selection.show()
        listed = self._model.rowCount()
        self.position.setText(f"{'-' if row is None else row + 1} of {listed}")
        self.previous.setEnabled(listed > 0 and row != 0)
        self.next.setEnabled(listed > 0 and row != listed - 1)

    def _show_state(self) -> None:
        is_open = self._session.project is not None
        for widget in (self.search, self.filter, self.next_to_mark):
            widget.setEnabled(is_open)
        self.add.setEnabled(is_open and not self._adding)
        for row, (chosen, text, _) in enumerate(_FILTERS):
            self.filter.setItemText(row, f"{text} ({self._model.count(chosen)})" if is_open else text)
        self.empty.setVisible(self._model.rowCount() == 0)
        self.empty.setText("No picture is like that." if is_open else "No project is open.")
        problems = len(self._model.problems)
        self.missing.setVisible(problems > 0)
        self.find_moved.setVisible(bool(self._model.missing))
        self.missing.setText(
            f"{problems} {'picture' if problems == 1 else 'pictures'} can't be read; the list's tooltips say why."
        )
        self._show_current()

    # Adding and finding again -----------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files and folders."""
        if self._session.project is not None and dropped_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Add what was dropped to the project."""
        event.acceptProposedAction()
        self.add_pictures(dropped_paths(event.mimeData()))

    def add_pictures(self, paths: Sequence[Path], films: Sequence[Path] = ()) -> None:
        """Add picture files, films, and those of folders, to the project; all or none.

        Parameters
        ----------
        paths : sequence of path
            Files, and folders in which pictures and films are looked for.
        films : sequence of path
            Films in any case: of a folder the pictures are the frames.
        """
        if paths or films:
            self.add_by(add_to_project, list(paths), list(films))

    def add_by(self, job: Callable[..., Addition], *what: object) -> None:
        """Have ``job(project, *what, tell)`` add something in the background, and show how far it is."""
        project = self._session.project
        if project is None or self._adding:
            return
        self._adding = True
        tell = self.progress.begin()
        self._submit(job, project, *what, tell, done=self._added, failed=self._not_added)
        self._show_state()

    def _added(self, answer: Addition) -> None:
        self._end_adding()
        project, count, films = answer
        if project is self._session.project:
            self._session.pictures_arrived(f"{contents_in_words(count, len(films))} added")
            if project.warnings:
                self._session.report_text("warning", shortened(project.warnings))
            if films:
                self._session.go_to_film(films[0])

    def _not_added(self, error: Exception) -> None:
        self._end_adding()
        self._report(error)

    def _end_adding(self) -> None:
        self._adding = False
        self.progress.end()
        self._show_state()

    def _ask_relink(self) -> None:
        folder = ask_for_folder(self, "Where are the pictures now?")
        project = self._session.project
        if folder is not None and project is not None:
            self._submit(_relink, project, folder, done=self._relinked, failed=self._report)

    def _relinked(self, answer: tuple[Project, int]) -> None:
        project, count = answer
        if project is not self._session.project:
            return
        if count:
            self._session.pictures_arrived(f"{counted(count, 'picture')} found")
        else:
            self._session.report_text("warning", "None of the missing pictures is in that folder.")

    def _report(self, error: Exception) -> None:
        if not isinstance(error, CancelledError):
            self._session.report(error)


def _relink(project: Project, folder: Path) -> tuple[Project, int]:
    return project, project.relink(folder)
