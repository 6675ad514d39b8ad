"""Keeps in mind what a propagation of the shown film would find to do, looked up in the background."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.project import FilmRecord
from spml_napari.docks.following import follow
from spml_napari.propagation_outlook import PropagationOutlook, look_ahead
from spml_napari.propagation_state import PropagationChoices

if TYPE_CHECKING:
    from spml_napari.session import Session

_LOOK_AFTER_MS = 120


class OutlookWatch(QObject):
    """Looks again whenever film, range, marks or classes change; who changes choices says :meth:`look_soon`.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    choices : callable
        How a propagation is to be.

    Attributes
    ----------
    outlook : PropagationOutlook or None
        None while nothing is known of the film that is shown.
    """

    changed = Signal()

    def __init__(
        self,
        session: Session,
        submit: Callable[..., Future[Any]],
        choices: Callable[[], PropagationChoices],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.outlook: PropagationOutlook | None = None
        self._session = session
        self._submit = submit
        self._choices = choices
        self._film: FilmRecord | None = None
        self._question = self._answered = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_AFTER_MS)
        self._timer.timeout.connect(self._look)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.marks_changed: self.look_soon,
                session.classes_changed: self.look_soon,
                session.film_range_changed: self.look_soon,
            },
        )
        self._on_picture()

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has changed since :attr:`outlook` was asked for."""
        return self.outlook is not None and self._answered == self._question

    def look_soon(self) -> None:
        """Look again: what is being looked up now is of yesterday."""
        self._question += 1
        if self._session.film is not None:
            self._timer.start()

    def forget(self) -> None:
        """Want no answer that is outstanding."""
        self._timer.stop()
        self._question += 1

    def _on_project(self) -> None:
        self._film = None
        self._on_picture()

    def _on_picture(self) -> None:
        film = self._session.film
        if film != self._film:
            self._film, self.outlook = film, None
            self.look_soon()
            self.changed.emit()

    def _look(self) -> None:
        project, film = self._session.project, self._session.film
        if project is None or film is None:
            return
        self._question += 1
        question, choices = self._question, self._choices()
        self._submit(
            look_ahead,
            project,
            film,
            self._session.film_range,
            choices.direction,
            choices.flow,
            done=lambda outlook: self._on_answer(question, outlook),
            failed=lambda error: self._on_failed(question, error),
        )

    def _on_answer(self, question: int, outlook: PropagationOutlook) -> None:
        if question == self._question:
            self.outlook, self._answered = outlook, question
            self.changed.emit()

    def _on_failed(self, question: int, error: Exception) -> None:
        if question != self._question:
            return  # perhaps the project was closed meanwhile
        self._session.report(error)
