"""Measures what was propagated through a film, in a process of its own: it loads torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from spml_core.engine.background.film_score_messages import FilmScored, ScoreOrder, ScoreProgress
from spml_core.engine.background.messages import Failed
from spml_core.errors import ProjectError
from spml_napari.docks.following import follow
from spml_napari.workers import ChildProcess

if TYPE_CHECKING:
    from spml_napari.session import Session

MEASURE = "spml_core.engine.background.film_score_process:serve_film_scores"


class MeasureControl(QObject):
    """One measurement at a time.

    Parameters
    ----------
    session : Session
    target : str
        What runs in the process.

    Attributes
    ----------
    scored : FilmScored or None
        What was measured of the film that is shown.
    is_old : bool
        Whether marks or results have changed since.
    shows_flicker : bool
        Whether the flicker map lies over the frames.
    """

    changed = Signal()
    progressed = Signal(int, int)
    """Frames looked at, and all."""

    def __init__(self, session: Session, parent: QObject | None = None, target: str = MEASURE) -> None:
        super().__init__(parent)
        self.session = session
        self.scored: FilmScored | None = None
        self.is_old = False
        self.shows_flicker = False
        self._target = target
        self._film: int | None = None
        self._child: ChildProcess | None = None
        follow(
            self,
            {
                session.project_closing: self.close,
                session.picture_changed: self._on_picture,
                session.marks_changed: self.note_change,
            },
        )

    @property
    def is_measuring(self) -> bool:
        """Whether the process is at work."""
        return self._child is not None

    def measure(self, flow: str = "dis", device: str = "auto") -> None:
        """Measure the film that is shown."""
        project, film = self.session.project, self.session.film
        if self._child is not None or project is None or film is None:
            return
        child = ChildProcess(self._target, parent=self)
        child.received.connect(self._on_message)
        child.ended.connect(self._on_death)
        try:
            child.start()
        except OSError as error:
            self.session.report(
                ProjectError(f"The measuring process can't be started: {error}.", "Close other programs.")
            )
            return
        self._child, self._film = child, film.id
        self.is_old = False
        child.send(ScoreOrder(str(project.path), film.name, flow, device))
        self.changed.emit()

    def show_flicker(self, shows: bool) -> None:
        """Lay the flicker map over the frames, or take it away."""
        if shows != self.shows_flicker:
            self.shows_flicker = shows
            self.changed.emit()

    def note_change(self, _: object = None) -> None:
        """Take in that what is or was measured has changed."""
        if not self.is_old and (self.scored is not None or self.is_measuring):
            self.is_old = True
            self.changed.emit()

    def close(self) -> None:
        """End the process, and forget what was measured."""
        self._end()
        self.scored, self.shows_flicker = None, False
        self.changed.emit()

    def cancel(self) -> None:
        """End the process; what was measured before stays."""
        self._end()
        self.changed.emit()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.received.disconnect(self._on_message)
            child.ended.disconnect(self._on_death)
            child.close(timeout=0)
            child.deleteLater()

    def _on_picture(self) -> None:
        """Numbers of another film say nothing about this one."""
        film = self.session.film
        if self._film is not None and (film is None or film.id != self._film):
            self._film = None
            self.close()

    def _on_message(self, message: object) -> None:
        if isinstance(message, ScoreProgress):
            self.progressed.emit(message.done, message.total)
        elif isinstance(message, FilmScored):
            self._end()
            self.scored = message
            self.changed.emit()
        elif isinstance(message, Failed):
            self._end()
            self.changed.emit()
            self.session.report(ProjectError(message.error, message.remedy))

    def _on_death(self, code: int) -> None:
        self._end()
        self.changed.emit()
        self.session.report_text(
            "error", f"Measuring ended unexpectedly (exit code {code}): nothing is lost, measure again."
        )
