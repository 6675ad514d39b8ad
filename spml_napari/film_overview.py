"""How the frames of a film stand, and the control that keeps it: marks from the project, results from the disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.engine.film_results import FilmResults
from spml_core.project import FilmRecord, PictureRecord, Project
from spml_napari.docks.following import follow
from spml_napari.view_state import ShownFilmResult, display_shrink

if TYPE_CHECKING:
    from spml_napari.session import Session

# Frames come by the dozen a second while a film is propagated; strips are drawn anew a few times.
_TELL_MS = 200


@dataclass(frozen=True, eq=False)
class FilmOverview:
    """How the frames of a film stand.

    Attributes
    ----------
    confidences : ndarray (count,), float32
        How sure what was propagated is, 0..1; NaN where nothing was yet.
    marked : tuple of int
        Frames with marks, ascending.
    reviewed : frozenset of int
        Those of them that were accepted as a whole.
    cuts : tuple of int
        Frames with which a new scene begins, ascending.
    outdated : frozenset of int
        Frames whose result comes from other marks or choices than are there now.
    """

    confidences: NDArray[np.float32]
    marked: tuple[int, ...] = ()
    reviewed: frozenset[int] = frozenset()
    cuts: tuple[int, ...] = ()
    outdated: frozenset[int] = frozenset()

    @property
    def has_results(self) -> bool:
        """Whether anything was propagated."""
        return bool(np.isfinite(self.confidences).any())


@dataclass(eq=False)
class _Kept:
    overview: FilmOverview
    results: FilmResults
    noted: dict[int, float] = field(default_factory=dict)
    """Came while the disk was being read."""


class FilmOverviews(QObject):
    """Keeps an overview of each film of the open project, and shows what was propagated to the current frame.

    Who propagates calls :meth:`note_frame` for each frame that is on the disk, and :meth:`refresh` where many changed.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    """

    changed = Signal(int)
    """The overview of the film with this id is another."""

    def __init__(
        self, session: Session, submit: Callable[..., Future[Any]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._submit = submit
        self._kept: dict[int, _Kept] = {}
        self._late: set[int] = set()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TELL_MS)
        self._timer.timeout.connect(self._tell)
        session.film_results = self._result_of
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.pictures_changed: self._on_pictures,
                session.marks_changed: self._on_marks,
                session.classes_changed: self._on_classes,
            },
        )
        self._on_project()

    def of(self, film: FilmRecord) -> FilmOverview:
        """Return the overview of a film; without confidences as long as these are being read."""
        return self._entry(film).overview

    def refresh(self, film: FilmRecord) -> None:
        """Read from the disk again what was propagated, and show it."""
        self._read(film)

    def note_frame(self, film: FilmRecord, index: int, confidence: float, is_cut: bool = False) -> None:
        """Take in that the result of a frame, which knows the frame's marks, is on the disk now."""
        project, entry = self._session.project, self._entry(film)
        if project is None:
            return
        entry.overview.confidences[index] = confidence
        entry.noted[index] = confidence
        if is_cut and index not in entry.overview.cuts:
            entry.overview = replace(entry.overview, cuts=tuple(sorted((*entry.overview.cuts, index))))
        if index in entry.overview.outdated:
            entry.overview = replace(entry.overview, outdated=entry.overview.outdated - {index})
        frame = project.frame(film, index)
        self._session.take_in({frame.id})
        if self._session.picture is not None and self._session.picture.id == frame.id:
            self._session.show_film_result()
        self._late.add(film.id)
        if not self._timer.isActive():
            self._timer.start()

    def show_outdated(self, film: FilmRecord, frames: frozenset[int]) -> None:
        """Take in which frames' results come from other marks or choices than are there now."""
        entry = self._entry(film)
        if frames != entry.overview.outdated:
            entry.overview = replace(entry.overview, outdated=frames)
            self.changed.emit(film.id)

    def close(self) -> None:
        """Close the files of the results."""
        self._timer.stop()
        for entry in self._kept.values():
            entry.results.close()
        self._kept.clear()

    # Following the session ------------------------------------------------------------------------------

    def _on_project(self) -> None:
        self.close()
        self._on_pictures()

    def _on_pictures(self) -> None:
        project = self._session.project
        for film in () if project is None else project.films:
            if film.id not in self._kept:
                self._read(film)

    def _on_marks(self, pictures: frozenset[int]) -> None:
        project = self._session.project
        if project is None:
            return
        shown = self._session.picture
        here = {shown.film} if shown is not None and shown.id in pictures else set()
        for film in project.films:
            entry = self._entry(film)
            marked, reviewed = _marked(project, film)
            if film.id in here or (marked, reviewed) != (entry.overview.marked, entry.overview.reviewed):
                entry.overview = replace(entry.overview, marked=marked, reviewed=reviewed)
                self.changed.emit(film.id)

    def _on_classes(self) -> None:
        """What was propagated has other label codes now."""
        self._session.show_film_result()

    # Reading --------------------------------------------------------------------------------------------

    def _entry(self, film: FilmRecord) -> _Kept:
        project = self._session.project
        assert project is not None
        entry = self._kept.get(film.id)
        if entry is None:
            marked, reviewed = _marked(project, film)
            blank = np.full(film.count, np.nan, np.float32)
            overview = FilmOverview(blank, marked, reviewed)
            entry = self._kept[film.id] = _Kept(overview, FilmResults.of(project, film))
        return entry

    def _read(self, film: FilmRecord) -> None:
        entry = self._entry(film)
        entry.noted = {}
        self._submit(_read_results, film.id, entry.results, done=self._on_read, failed=self._on_failed)

    def _on_read(self, answer: tuple[int, FilmResults, NDArray[np.float32], tuple[int, ...]]) -> None:
        film_id, results, confidences, cuts = answer
        entry = self._kept.get(film_id)
        if entry is None or entry.results is not results:  # of a project that was closed meanwhile
            return
        for index, confidence in entry.noted.items():
            confidences[index] = confidence
        entry.overview = replace(entry.overview, confidences=confidences, cuts=cuts)
        shown = self._session.picture
        if shown is not None and shown.film == film_id:
            self._session.show_film_result()
        self.changed.emit(film_id)

    def _on_failed(self, error: Exception) -> None:
        self._session.report(error)

    def _result_of(self, record: PictureRecord) -> ShownFilmResult | None:
        """What was propagated to a frame, as the session asks for it; None where nothing was."""
        project = self._session.project
        if project is None or record.frame is None or (film := project.film_of(record)) is None:
            return None
        entry = self._entry(film)
        confidence = float(entry.overview.confidences[record.frame])
        if np.isnan(confidence):
            return None
        labels = entry.results.labels(record.frame)
        if labels is None or labels.shape != (record.height, record.width):
            return None
        shrink = display_shrink(*labels.shape)
        small = np.ascontiguousarray(labels[::shrink, ::shrink])
        return ShownFilmResult(record.id, "", shrink, small, confidence=confidence)

    def _tell(self) -> None:
        late, self._late = self._late, set()
        for film_id in late:
            self.changed.emit(film_id)


def _marked(project: Project, film: FilmRecord) -> tuple[tuple[int, ...], frozenset[int]]:
    states = project.frame_states(film)
    return tuple(sorted(states)), frozenset(frame for frame, state in states.items() if state.reviewed)


def _read_results(
    film_id: int, results: FilmResults
) -> tuple[int, FilmResults, NDArray[np.float32], tuple[int, ...]]:
    return film_id, results, results.confidences(), results.cuts()
