"""Propagation from the window: starts the process, tells it what the user does, and listens to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from spml_core.engine.background.messages import Continue, Failed, MarksChanged, Pause, Stop
from spml_core.engine.background.propagate_messages import (
    FrameDone,
    Propagated,
    PropagateOrder,
    Warned,
)
from spml_core.engine.worst_frame import worst_frame
from spml_core.errors import ProjectError, SpmlError
from spml_core.project import FilmRecord
from spml_napari.docks.following import follow
from spml_napari.frame_follower import FrameFollower
from spml_napari.leaving_children import LeavingChildren
from spml_napari.outlook_watch import OutlookWatch
from spml_napari.propagation_outlook import PropagationOutlook
from spml_napari.propagation_state import Pace, PropagationChoices, PropagationProgress, PropagationState
from spml_napari.workers import ChildProcess

if TYPE_CHECKING:
    from spml_napari.film_overview import FilmOverviews
    from spml_napari.session import Session

PROPAGATION = "spml_core.engine.background.propagate_process:serve_propagation"


class PropagationControl(QObject):
    """One propagation at a time, in a process of its own; what is computed is on the disk at once, and stays.

    Parameters
    ----------
    session : Session
    overviews : FilmOverviews
        Told of each frame that is done.
    submit : callable
        Runs a job in the background: ``submit(job, *arguments, done=..., failed=...)``.
    follower : FrameFollower
    target : str
        What runs in the process.

    Attributes
    ----------
    state : PropagationState
    choices : PropagationChoices
        What :meth:`start` starts with.
    film : FilmRecord or None
        The film that is being propagated, or was last.
    """

    state_changed = Signal(str)
    choices_changed = Signal()
    outlook_changed = Signal()
    progressed = Signal(object)
    """A :class:`PropagationProgress`."""
    finished = Signal(object)
    """A :class:`~spml_core.engine.propagation_events.Propagated`; None if it was broken off."""

    def __init__(
        self,
        session: Session,
        overviews: FilmOverviews,
        submit: Callable[..., Future[Any]],
        follower: FrameFollower,
        parent: QObject | None = None,
        target: str = PROPAGATION,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.state = PropagationState.IDLE
        self.choices = PropagationChoices()
        self.film: FilmRecord | None = None
        self.follower = follower
        self._overviews = overviews
        self._target = target
        self._child: ChildProcess | None = None
        self._leaving = LeavingChildren(self)
        self._before_pause = PropagationState.IDLE
        self._pace = Pace()
        self._warned: set[str] = set()
        self._starts_with: int | None = None
        self._watch = OutlookWatch(session, submit, lambda: self.choices, self)
        self._watch.changed.connect(self._on_outlook)
        follow(
            self,
            {
                session.project_closing: self.close,
                session.marks_changed: self._on_marks,
                session.classes_changed: self._on_classes,
            },
        )

    # What the user wants ------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a propagation goes on, paused or not."""
        return self.state is not PropagationState.IDLE

    def start(self, follows: bool | None = None) -> bool:
        """Propagate the shown film's marks, as :attr:`choices` say; whether it was begun.

        What was computed from the same marks before isn't computed again, so this also goes on after a stop.

        Parameters
        ----------
        follows : bool, optional
            Whether the canvas goes along; as chosen by default.
        """
        session, film = self.session, self.session.film
        if self.is_busy:
            return False
        if session.project is None or film is None:
            session.report(ProjectError("No film is shown.", "Choose one in the list of pictures first."))
            return False
        first, last = session.film_range or (None, None)
        choices = self.choices
        order = PropagateOrder(
            str(session.project.path),
            film.name,
            first,
            last,
            choices.direction,
            choices.flow,
            choices.device,
            session.frame_index,
        )
        child = ChildProcess(self._target, farewell=Stop(), parent=self)
        child.received.connect(self._on_message)
        child.ended.connect(self._on_death)
        try:
            child.start()
        except OSError as error:
            session.report(
                ProjectError(f"The propagating process can't be started: {error}.", "Close other programs.")
            )
            return False
        self._child, self.film = child, film
        self._warned.clear()
        self._pace.begin()
        child.send(order)
        self._set_state(PropagationState.STARTING)
        session.view(
            suggested=True
        )  # what is propagated is seen where the model's own prediction isn't asked for
        if choices.follow if follows is None else follows:
            self.follower.begin()
        return True

    def pause(self) -> None:
        """Compute nothing until :meth:`go_on`."""
        if self._child is not None and self.state in (PropagationState.STARTING, PropagationState.RUNNING):
            self._child.send(Pause())
            self._before_pause = self.state
            self._set_state(PropagationState.PAUSED)

    def go_on(self) -> None:
        """Go on after a pause."""
        if self._child is not None and self.state is PropagationState.PAUSED:
            self._child.send(Continue())
            self._pace.begin()
            self._set_state(self._before_pause)

    def stop(self) -> None:
        """Stop after this frame; asked a second time, stop at once. All frames that are done stay."""
        if self._child is None:
            return
        self._starts_with = None
        if self.state is PropagationState.STOPPING:
            self._child.close(timeout=0)
            self._conclude(None)
            return
        self._child.send(Stop())
        self._set_state(PropagationState.STOPPING)

    def toggle(self) -> None:
        """Start, pause, or go on: what the primary button does."""
        if self.state is PropagationState.IDLE:
            # What was missing a moment ago may have been drawn since.
            if self._watch.is_fresh and self.outlook is not None and self.outlook.missing:
                self.session.report_text("info", self.outlook.missing)
            else:
                self.start()
        elif self.state is PropagationState.PAUSED:
            self.go_on()
        else:
            self.pause()

    def choose(self, **changes: Any) -> None:
        """Change fields of :attr:`choices`."""
        before, self.choices = self.choices, replace(self.choices, **changes)
        if self.choices == before:
            return
        if (before.direction, before.flow) != (self.choices.direction, self.choices.flow):
            self._watch.look_soon()
        self.choices_changed.emit()

    def set_following(self, follows: bool) -> None:
        """Let the canvas go along from now on, or not: now, if a propagation of its film goes on, and next time."""
        self.choose(follow=follows)
        if not follows:
            self.follower.end()
        elif self.is_busy and self._is_shown():
            self.follower.begin()

    def worst_frame(self) -> int | None:
        """The frame of the shown film where a mark helps most; None if there is none."""
        film = self.session.film
        if film is None:
            return None
        overview = self._overviews.of(film)
        return worst_frame(_Known(overview.confidences), overview.marked)

    def go_to_worst(self) -> None:
        """Go to the frame where a mark helps most."""
        film = self.session.film
        if film is None:
            return
        index = self.worst_frame()
        if index is not None:
            self.session.go_to_frame(index)
        elif self._overviews.of(film).has_results:
            self.session.report_text("info", "There is no frame left where a mark would help much.")
        else:
            self.session.report_text("info", "Nothing was propagated yet: mark a frame or two and propagate.")

    def close(self, timeout: float = 1.0) -> None:
        """End a propagation that goes on, within two seconds: the next one goes on from there."""
        self._leaving.close()
        if self._child is not None:
            self._child.close(timeout)
            self._conclude(None)
        self._watch.forget()

    # Looking ahead --------------------------------------------------------------------------------------

    @property
    def outlook(self) -> PropagationOutlook | None:
        """What a propagation of the shown film would find to do; None while that isn't known."""
        return self._watch.outlook

    def _on_outlook(self) -> None:
        film, outlook = self.session.film, self.outlook
        # Frames that come are up to date sooner than it could be looked up.
        if film is not None and outlook is not None and not self.is_busy:
            self._overviews.show_outdated(film, outlook.outdated)
        self.outlook_changed.emit()
        if outlook is not None and not self.is_busy:
            film_id, self._starts_with = self._starts_with, None
            if film_id == outlook.film_id and outlook.todo:
                self.start(follows=False)  # who marks a frame wants to stay there

    # What the user does meanwhile -------------------------------------------------------------------------

    def _on_marks(self, pictures: frozenset[int]) -> None:
        film = self.session.film
        if self._child is not None and self.film is not None and self._are_of(pictures, self.film):
            self._child.send(MarksChanged(tuple(pictures)))
        if film is not None and self._are_of(pictures, film):
            self._starts_with = film.id if self.choices.after_every_mark else None

    def _on_classes(self) -> None:
        if self._child is not None:
            self._child.send(MarksChanged(()))

    def _are_of(self, pictures: frozenset[int], film: FilmRecord) -> bool:
        """Whether some of these are frames of the film."""
        project = self.session.project
        shown = self.session.picture
        if shown is not None and shown.id in pictures and shown.film == film.id:
            return True
        try:
            return project is not None and any(project.record(number).film == film.id for number in pictures)
        except SpmlError:
            return True  # to look once too often does no harm

    def _is_shown(self) -> bool:
        return (
            self.film is not None and self.session.film is not None and self.session.film.id == self.film.id
        )

    # What the process says ------------------------------------------------------------------------------

    def _on_message(self, message: object) -> None:
        if isinstance(message, FrameDone):
            self._on_frame(message)
        elif isinstance(message, Warned) and message.message not in self._warned:
            self._warned.add(message.message)
            self.session.report_text("warning", message.message)
        elif isinstance(message, Propagated):
            self._conclude(message)
        elif isinstance(message, Failed):
            self._conclude(None)
            self.session.report(ProjectError(message.error, message.remedy))

    def _on_frame(self, event: FrameDone) -> None:
        film = self.film
        if film is None or self.session.project is None:
            return
        if self.state is PropagationState.STARTING:
            self._set_state(PropagationState.RUNNING)
        self._before_pause = PropagationState.RUNNING
        self._pace.note()
        try:
            self._overviews.note_frame(film, event.index, event.confidence, event.is_cut)
        except SpmlError as error:
            self.session.report(error)
        self.follower.show(event.index)
        self.progressed.emit(
            PropagationProgress(
                film.id,
                event.index,
                event.done,
                event.total,
                event.share,
                event.final,
                self._pace.frames_per_second,
                event.seconds_left,
            )
        )

    def _on_death(self, code: int) -> None:
        if code < 0:
            why = f"Propagation was killed (signal {-code}), perhaps for lack of memory."
        else:
            why = f"Propagation ended unexpectedly (exit code {code})."
        self._conclude(None)
        self.session.report_text(
            "error", f"{why} All frames done so far are kept: Propagate goes on from there."
        )

    def _conclude(self, end: Propagated | None) -> None:
        """Let the child go, and be idle."""
        child, self._child = self._child, None
        if child is not None:
            child.received.disconnect(self._on_message)
            child.ended.disconnect(self._on_death)
            self._leaving.let_leave(child)
        if end is None:
            self.follower.end()
        else:
            self.follower.finish()
        self._set_state(PropagationState.IDLE)
        self.finished.emit(end)
        self._watch.look_soon()

    def _set_state(self, state: PropagationState) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state.value)


class _Known:
    """Confidences that are in memory already, for :func:`worst_frame`."""

    def __init__(self, confidences: NDArray[np.float32]) -> None:
        self._confidences = confidences

    def confidences(self) -> NDArray[np.float32]:
        """As they are."""
        return self._confidences
