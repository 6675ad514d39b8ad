"""The part of the session that goes from picture to picture, and from frame to frame of a film."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from spml_core.errors import SpmlError
from spml_core.project import FilmRecord, PictureRecord, Project
from spml_napari.session_marks import SessionMarks
from spml_napari.view_state import ShownFilmResult, display_shrink


class SessionPictures(SessionMarks):
    """The current picture; a frame of a film is a picture like any other."""

    # Pictures ---------------------------------------------------------------------------------------

    def go_to(self, picture_id: int) -> None:
        """Show a picture, or a frame of a film."""
        project = self.project
        if project is None or (self.picture is not None and self.picture.id == picture_id):
            return
        record = self._try(lambda opened: opened.record(picture_id))
        if record is not None:
            self._show(record)

    def _show(self, record: PictureRecord) -> None:
        self.settling.emit()
        is_other_film = self.picture is None or self.picture.film != record.film
        self.picture, self.prediction, self.seeds, self.suggestion = record, None, None, None
        self.film_result = self._result_of(record)
        # Who goes on to another picture means that one alone.
        self.selected = frozenset({record.id})
        if record.film is not None and record.frame is not None:
            self._last_frames[record.film] = record.frame
        self.picture_changed.emit()
        if is_other_film:
            self.set_film_range(None)
        self.prediction_changed.emit()
        self.seeds_changed.emit()
        self.suggestion_changed.emit()
        self.selection_changed.emit()

    def select(self, ids: Iterable[int]) -> None:
        """Let tags go to these pictures of the project, and to the current one."""
        if self.project is None or self.picture is None:
            return
        chosen = frozenset(ids)
        stills = {record.id for record in self.project.pictures}
        frames = {number for number in chosen - stills if _is_known(self.project, number)}
        selected = (chosen & (stills | frames)) | {self.picture.id}
        if selected != self.selected:
            self.selected = selected
            self.selection_changed.emit()

    def step(self, count: int, among: Sequence[int] | None = None) -> None:
        """Go ``count`` pictures on (negative: back) in the list's order, or in that of the ids ``among``.

        In the list a film is one picture: stepping passes it as a whole.
        """
        if self.project is None:
            return
        ids = list(among) if among else self.listed_ids()
        if not ids:
            return
        if self.picture is None or self.picture.id not in ids:
            self.go_to(ids[0])
            return
        position = ids.index(self.picture.id) + count
        self.go_to(ids[min(max(position, 0), len(ids) - 1)])

    def listed_ids(self) -> list[int]:
        """Ids in the list's order: of each film the frame that was looked at last, then all pictures."""
        if self.project is None:
            return []
        frames = [self.frame_to_show(film) for film in self.project.films]
        known = [frame.id for frame in frames if frame is not None]
        return [*known, *(record.id for record in self.project.pictures)]

    @property
    def shrink(self) -> int:
        """How many times smaller marks and predictions of the current picture are shown than it is."""
        return 1 if self.picture is None else display_shrink(self.picture.height, self.picture.width)

    # Frames -----------------------------------------------------------------------------------------

    @property
    def film(self) -> FilmRecord | None:
        """The film whose frame is shown; None while a still is, or nothing."""
        if self.project is None or self.picture is None or self.picture.film is None:
            return None
        return self.project.film_of(self.picture)

    @property
    def frame_index(self) -> int | None:
        """Which frame of the film is shown, from 0."""
        return None if self.picture is None else self.picture.frame

    def frame_to_show(self, film: FilmRecord) -> PictureRecord | None:
        """Return the frame of a film that was looked at last; at first the first that is marked, else frame 0.

        None if the film is a sequence that isn't at its place: which frames it has is then not known.
        """
        index = self._last_frames.get(film.id)
        if self.project is None:
            return None
        with contextlib.suppress(SpmlError):
            if index is None:
                index = next(iter(self.project.marked_frames(film)), 0)
            return self.project.frame(film, index)
        return None

    def go_to_film(self, film: FilmRecord) -> None:
        """Show the frame of a film that was looked at last."""
        if self.project is None or (self.film is not None and self.film.id == film.id):
            return
        frame = self.frame_to_show(film)
        if frame is not None:
            self.go_to(frame.id)
        else:
            self._try(lambda project: project.check_film(film))

    def go_to_frame(self, index: int) -> None:
        """Show another frame of the film; the first or last where there is none of this index."""
        film = self.film
        if film is None:
            return
        index = min(max(index, 0), film.count - 1)
        if index != self.frame_index:
            record = self._try(lambda project: project.frame(film, index))
            if record is not None:
                self._show(record)

    def step_frame(self, count: int) -> None:
        """Go ``count`` frames on (negative: back)."""
        if self.frame_index is not None:
            self.go_to_frame(self.frame_index + count)

    def set_passing(self, passing: bool) -> None:
        """Say that frames are passing by, played or dragged through: meanwhile nothing is computed for them."""
        if passing != self.is_passing:
            self.is_passing = passing
            self.passing_changed.emit()

    def set_film_range(self, frames: tuple[int, int] | None) -> None:
        """Choose the frames (first, last) of the current film that work is for; None is all of it."""
        film = self.film
        if film is None:
            frames = None
        elif frames is not None:
            first, last = sorted(min(max(index, 0), film.count - 1) for index in frames)
            frames = (first, last)
        if frames != self.film_range:
            self.film_range = frames
            self.film_range_changed.emit()

    # What was propagated ----------------------------------------------------------------------------

    def show_film_result(self) -> None:
        """Ask :attr:`film_results` anew what was propagated to the current frame: it has changed."""
        if self.picture is not None:
            self.film_result = self._result_of(self.picture)
            self.prediction_changed.emit()

    def _result_of(self, record: PictureRecord) -> ShownFilmResult | None:
        if record.film is None:
            return None
        try:
            return self.film_results(record)
        except SpmlError as error:
            self.report(error)
            return None

    def take_in(self, picture_ids: Iterable[int]) -> None:
        """Say that what was propagated knows the marks of these frames now."""
        self.marked_since -= frozenset(picture_ids)


def _is_known(project: Project, picture_id: int) -> bool:
    try:
        project.record(picture_id)
    except SpmlError:
        return False
    return True
