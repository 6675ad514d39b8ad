"""The training dock: start, pause and stop, watch it learn, and go back to earlier runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSettings, QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from spml_core.errors import SpmlError
from spml_core.project import Run
from spml_core.training.events import StepDone
from spml_napari.docks.following import follow
from spml_napari.docks.loss_plot import LossPlot
from spml_napari.docks.parts import column, heading, note, primary, scrolling
from spml_napari.docks.runs import RunsList
from spml_napari.docks.training_options import TrainingOptions
from spml_napari.qt_types import slot
from spml_napari.readiness import what_is_missing
from spml_napari.run_summaries import last_step, summarize
from spml_napari.training_state import TrainingState

if TYPE_CHECKING:
    from spml_napari.session import Session
    from spml_napari.training_control import TrainingControl

_LOOK_AFTER_MS = 100
_FULL = 1000
_PRIMARY = {
    TrainingState.IDLE: ("Start", "Learn from all marks of the project"),
    TrainingState.PREPARING: ("Pause", "Leave the machine to other work for a while"),
    TrainingState.TRAINING: ("Pause", "Leave the machine to other work for a while"),
    TrainingState.PAUSED: ("Continue", "Go on with the training"),
    TrainingState.STOPPING: ("Stopping…", "The model is being saved"),
}
_SCORE_TIP = (
    "Some of your marks were kept out of the training, and the model was asked for them.\n"
    "The score is how well its answer overlaps with them (mean intersection over union of the classes):\n"
    "100 % is perfect; at 50 % they share half of the area that either of them covers.\n"
    "With few marks it is a rough figure: compare runs by it, and trust your eyes."
)


class TrainingDock(QWidget):
    """Train, watch, and choose among runs.

    Parameters
    ----------
    session : Session
    control : TrainingControl
    memory : QSettings, optional
        Where the time budget is remembered.
    """

    def __init__(
        self,
        session: Session,
        control: TrainingControl,
        memory: QSettings | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("training_dock")
        self.session = session
        self.control = control
        self._state = control.state
        self._plotted: str | None = None
        self.options = TrainingOptions(session, control, memory)
        self.missing = note()
        self.missing.setObjectName("training_missing")
        self.primary = primary("Start")
        self.primary.setObjectName("training_primary")
        self.primary.clicked.connect(control.toggle)
        self.stop = QPushButton("Stop")
        self.stop.setObjectName("training_stop")
        self.stop.clicked.connect(control.stop)
        self.stopped = note()
        self.resume = QPushButton("Resume")
        self.resume.setObjectName("training_resume")
        self.resume.setToolTip("Go on with the stopped training, with its own settings")
        self.resume.clicked.connect(slot(lambda: control.start(resume=True)))
        self.bar = _bar()
        self.status = note()
        self.status.setObjectName("training_status")
        self.plot = LossPlot()
        self.score = note()
        self.score.setObjectName("training_score")
        self.score.setToolTip(_SCORE_TIP)
        self.runs = RunsList(session)
        self.runs.resume_wanted.connect(slot(control.resume))
        self._lay_out()
        self._missing_timer = QTimer(self)
        self._missing_timer.setSingleShot(True)
        self._missing_timer.setInterval(_LOOK_AFTER_MS)
        self._missing_timer.timeout.connect(self._show_missing)
        control.state_changed.connect(self._on_state)
        control.progressed.connect(self._on_progress)
        control.stepped.connect(self._on_step)
        control.finished.connect(self._on_finished)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.marks_changed: self._on_marks,
                session.classes_changed: self._on_marks,
                session.runs_changed: self._on_runs,
            },
        )
        self._on_project()

    def set_devices(self, devices: Iterable[str]) -> None:
        """Offer these devices, as the answering process named them."""
        self.options.set_devices(devices)

    def _lay_out(self) -> None:
        content = QWidget()
        layout = column(content)
        layout.addWidget(self.options)
        layout.addWidget(self.missing)
        buttons = QHBoxLayout()
        buttons.addWidget(self.primary, 2)
        buttons.addWidget(self.stop, 1)
        layout.addLayout(buttons)
        again = QHBoxLayout()
        again.addWidget(self.stopped, 1)
        again.addWidget(self.resume)
        layout.addLayout(again)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        layout.addWidget(self.plot)
        layout.addWidget(self.score)
        layout.addSpacing(4)
        layout.addWidget(heading("Runs"))
        layout.addWidget(self.runs)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(content))

    # What the session says ----------------------------------------------------------------------------

    def _on_project(self) -> None:
        self._plotted = None
        self.plot.clear()
        self.plot.hide()
        self.status.setText("")
        self.score.setText("")
        self._on_runs()
        self._on_state(self.control.state.value)

    def _on_marks(self, _ids: object = None) -> None:
        if not self._missing_timer.isActive():
            self._missing_timer.start()

    def _on_runs(self) -> None:
        run = self.control.resumable()
        self.stopped.setVisible(run is not None)
        self.resume.setVisible(run is not None)
        if run is not None:
            self.stopped.setText(_where_stopped(run))
        if not self.control.is_training:
            self._show_score_of_current()

    def _show_missing(self) -> None:
        """Say what is needed before Start, or nothing."""
        idle = not self.control.is_training
        picture = self.session.picture
        try:
            text = (
                what_is_missing(self.session.project, None if picture is None else picture.id) if idle else ""
            )
        except SpmlError as error:
            text = str(error)
        self.missing.setText(text)
        self.missing.setVisible(bool(text))
        self.primary.setEnabled(not text and self.control.state is not TrainingState.STOPPING)
        self.primary.setToolTip(text or _PRIMARY[self.control.state][1])

    def _show_score_of_current(self) -> None:
        project = self.session.project
        try:
            run = None if project is None else project.current_run()
            score = None if run is None else summarize(run).score
        except SpmlError:
            run, score = None, None
        self._show_score("" if run is None else "the current model", score)

    def _show_score(self, what: str, score: float | None) -> None:
        if score is None:
            text = (
                f"No held-back score of {what}: that takes more marks, and a training not cut short."
                if what
                else ""
            )
        else:
            text = f"Held-back score of {what}: <b>{score:.0%}</b>"
        self.score.setText(text)
        self.score.setVisible(bool(text))

    # What the training says ---------------------------------------------------------------------------

    def _on_state(self, value: str) -> None:
        state = TrainingState(value)
        idle, stopping = state is TrainingState.IDLE, state is TrainingState.STOPPING
        if state is TrainingState.PREPARING and self._state is TrainingState.IDLE:
            self._on_start()
        self._state = state
        self.primary.setText(_PRIMARY[state][0])
        self.stop.setEnabled(not idle)
        self.stop.setText("Stop now" if stopping else "Stop")
        self.stop.setToolTip(
            "Don't wait: keep the model of the last checkpoint"
            if stopping
            else "Stop after this step, keep the model; it can be resumed"
        )
        self.options.setEnabled(idle)
        self.runs.set_busy(not idle)
        self.bar.setVisible(not idle)
        self.status.setVisible(bool(self.status.text()) or not idle)
        if state is TrainingState.PAUSED:
            self.status.setText("Paused. Marks that you make now are learned when it goes on.")
        elif stopping:
            self.status.setText("Stopping: finishing this step and saving the model.")
        self._show_missing()
        self._on_runs()

    def _on_start(self) -> None:
        self.bar.setValue(0)
        self.score.hide()
        if self.control.run_id != self._plotted:  # what is resumed goes on in its plot
            self._plotted = self.control.run_id
            self.plot.clear()
            self.plot.hide()

    def _on_progress(self, stage: str, fraction: float, seconds_left: float) -> None:
        self.bar.setValue(round(fraction * _FULL))
        if self.control.state in (TrainingState.PREPARING, TrainingState.TRAINING):
            left = time_left(seconds_left)
            self.status.setText(f"{stage}. {left}" if left else f"{stage}.")

    def _on_step(self, event: StepDone) -> None:
        if self.plot.isHidden():
            self.plot.show()
        self.plot.append(event.step, event.losses)

    def _on_finished(self, run_id: str, score: float | None) -> None:
        number = int(run_id.rpartition("-")[2])
        # Of a run that can be resumed, the line above says where it was stopped.
        self.status.setText("" if self.control.resumable() else f"Training of run {number} has ended.")
        self.status.setVisible(bool(self.status.text()))


def time_left(seconds: float) -> str:
    """Seconds in the words of a person; empty if they aren't known."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 8:
        return "A few seconds left."
    if seconds < 55:
        return f"About {max(10, 10 * round(seconds / 10))} seconds left."
    minutes = max(1, round(seconds / 60))
    if minutes == 1:
        return "About a minute left."
    if minutes < 60:
        return f"About {minutes} minutes left."
    return f"About {minutes // 60} h {minutes % 60:02d} min left."


def _where_stopped(run: Run) -> str:
    number = int(run.id.rpartition("-")[2])
    steps = last_step(run)
    where = "before its first step" if steps is None else f"at step {steps[0]} of {steps[1]}"
    return f"Run {number} was stopped {where}."


def _bar() -> QProgressBar:
    bar = QProgressBar()
    bar.setObjectName("training_progress")
    bar.setRange(0, _FULL)
    bar.setAccessibleName("Progress of the training")
    bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return bar
