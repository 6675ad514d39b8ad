"""The dock to propagate marks through a film: start, pause and stop, watch it, and see where to correct."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from spml_core.engine.propagation_events import Propagated
from spml_napari.docks.film_scores import FilmScoresBox
from spml_napari.docks.following import follow
from spml_napari.docks.parts import column, note, primary, scrolling
from spml_napari.docks.propagate_options import PropagateOptions
from spml_napari.docks.training import time_left
from spml_napari.propagation_state import PropagationProgress, PropagationState
from spml_napari.qt_types import slot

if TYPE_CHECKING:
    from spml_core.project import FilmRecord
    from spml_napari.film_overview import FilmOverviews
    from spml_napari.measure_control import MeasureControl
    from spml_napari.propagation_control import PropagationControl
    from spml_napari.session import Session

_FULL = 1000
_PRIMARY = {
    PropagationState.IDLE: ("Propagate", "Carry the marks through the film (R)"),
    PropagationState.STARTING: ("Pause", "Leave the machine to other work for a while (R)"),
    PropagationState.RUNNING: ("Pause", "Leave the machine to other work for a while (R)"),
    PropagationState.PAUSED: ("Continue", "Go on with the propagation (R)"),
    PropagationState.STOPPING: ("Stopping…", "This frame is being finished"),
}
_NO_FILM = "Choose a film in the list of pictures first."
_NOTHING = "Nothing was propagated yet."


class PropagateDock(QWidget):
    """Propagate, watch, and go to the frame where a correction helps most.

    Parameters
    ----------
    session : Session
    control : PropagationControl
    overviews : FilmOverviews
    measuring : MeasureControl
    """

    def __init__(
        self,
        session: Session,
        control: PropagationControl,
        overviews: FilmOverviews,
        measuring: MeasureControl,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("propagate_dock")
        self.session = session
        self.control = control
        self._overviews = overviews
        self._film: FilmRecord | None = None
        self._said = ""
        self.options = PropagateOptions(session, control)
        self.primary = primary("Propagate")
        self.primary.setObjectName("propagate_primary")
        self.primary.clicked.connect(control.toggle)
        self.stop = QPushButton("Stop")
        self.stop.setObjectName("propagate_stop")
        self.stop.clicked.connect(control.stop)
        self.bar = QProgressBar()
        self.bar.setObjectName("propagate_progress")
        self.bar.setRange(0, _FULL)
        self.bar.setAccessibleName("Progress of the propagation")
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.status = note()
        self.status.setObjectName("propagate_status")
        self.worst = QPushButton("Go to the worst frame")
        self.worst.setObjectName("propagate_worst")
        self.worst.clicked.connect(slot(control.go_to_worst))
        self.scores = FilmScoresBox(measuring, control)
        self._lay_out()
        control.state_changed.connect(self._on_state)
        control.progressed.connect(self._on_progress)
        control.finished.connect(self._on_finished)
        control.outlook_changed.connect(self._show)
        overviews.changed.connect(self._on_overview)
        self.scores.shown.connect(self._show_scores)
        follow(
            self,
            {
                session.project_changed: self._on_picture,
                session.picture_changed: self._on_picture,
                session.marks_changed: self._on_marks,
            },
        )
        self._on_state(control.state.value)
        self._on_picture()

    def _lay_out(self) -> None:
        content = QWidget()
        layout = column(content)
        layout.addWidget(self.options)
        buttons = QHBoxLayout()
        buttons.addWidget(self.primary, 2)
        buttons.addWidget(self.stop, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addWidget(self.worst)
        layout.addSpacing(4)
        layout.addWidget(self.scores)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._area = scrolling(content)
        outer.addWidget(self._area)

    # What the session says ----------------------------------------------------------------------------

    def _on_picture(self) -> None:
        film = self.session.film
        if film != self._film:
            self._film, self._said = film, ""
            self._show()
            self._on_overview(None if film is None else film.id)

    def _on_marks(self, _: object = None) -> None:
        self._said = ""  # it told of other marks

    def _on_overview(self, film_id: int | None) -> None:
        film = self.session.film
        if film is not None and film.id != film_id:
            return
        has_results = film is not None and self._overviews.of(film).has_results
        self.worst.setEnabled(has_results)
        self.worst.setToolTip("Where a mark helps most (H)" if has_results else _NOTHING)
        self.scores.set_has_results(has_results)

    def _show_scores(self) -> None:
        # The layout makes room for them in Qt's next turn.
        QTimer.singleShot(0, lambda: self._area.ensureWidgetVisible(self.scores, 0, 0))

    def _show(self) -> None:
        """Say what can be done, and what comes next."""
        state, outlook = self.control.state, self.control.outlook
        words, tip = _PRIMARY[state]
        is_enabled = state is not PropagationState.STOPPING
        if state is PropagationState.IDLE:
            missing = _NO_FILM if self.session.film is None else "" if outlook is None else outlook.missing
            todo = 0 if outlook is None else outlook.todo
            if todo:
                words = f"Propagate {_frames(todo)}"
            is_enabled = bool(todo) and not missing
            self.status.setText(missing or self._said or self._idle_words())
        self.primary.setText(words)
        self.primary.setToolTip(tip)
        self.primary.setEnabled(is_enabled)
        self.status.setVisible(bool(self.status.text()))

    def _idle_words(self) -> str:
        outlook = self.control.outlook
        if outlook is None or outlook.missing:
            return ""
        if not outlook.todo:
            return "All of these frames are up to date. Play the film (L), or go to the worst frame and correct it."
        if outlook.outdated:
            return "Marks have changed: only the frames that depend on them are computed again."
        if outlook.todo < outlook.reached:
            return (
                f"{outlook.reached - outlook.todo} of {_frames(outlook.reached)} are done; the rest is left."
            )
        return ""

    # What the propagation says --------------------------------------------------------------------------

    def _on_state(self, value: str) -> None:
        state = PropagationState(value)
        idle, stopping = state is PropagationState.IDLE, state is PropagationState.STOPPING
        self.stop.setEnabled(not idle)
        self.stop.setText("Stop now" if stopping else "Stop")
        self.stop.setToolTip(
            "Don't wait for this frame" if stopping else "Stop after this frame; what is done stays"
        )
        if state is PropagationState.STARTING and not self.bar.isVisible():
            self._said = ""
            self.bar.setRange(0, 0)  # how much there is to do isn't known before the first frame
            self.status.setText("Getting ready…")
        elif state is PropagationState.PAUSED:
            self.status.setText("Paused. Marks that you make now count when it goes on.")
        elif stopping:
            self.status.setText("Stopping after this frame.")
        self.bar.setVisible(not idle)
        self._show()

    def _on_progress(self, progress: PropagationProgress) -> None:
        self.bar.setRange(0, _FULL)
        self.bar.setValue(round(progress.share * _FULL))
        if self.control.state is PropagationState.RUNNING:
            parts = [
                f"Frame {progress.index}: {progress.done} of {progress.total} done"
                if progress.is_final
                else f"Frame {progress.index}, first of two passes"
            ]
            if math.isfinite(progress.frames_per_second):
                parts.append(f"{progress.frames_per_second:.1f} frames a second")
            left = time_left(progress.seconds_left)
            self.status.setText(", ".join(parts) + "." + (f" {left}" if left else ""))
            self.status.show()

    def _on_finished(self, end: Propagated | None) -> None:
        self._said = "" if end is None else _words_of(end)
        self._show()


def _words_of(end: Propagated) -> str:
    """What came of it, and what to do next."""
    asked = end.last - end.first + 1
    if end.stopped:
        return f"Stopped: {end.frames} of {_frames(asked)} have labels. Propagate goes on from there."
    parts = [f"{_frames(end.computed)} in {_duration(end.seconds)}."]
    if end.worst_frame is None:
        parts.append("Play the film (L) to look at it.")
    else:
        parts.append(f"Play the film (L) and look at it; a correction helps most on frame {end.worst_frame}.")
    return " ".join(parts)


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
