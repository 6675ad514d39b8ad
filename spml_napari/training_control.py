"""Training from the window: starts the training process, tells it what the user does, and listens to it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from spml_core.config import TrainConfig
from spml_core.engine.background.messages import (
    Continue,
    Failed,
    MarksChanged,
    Pause,
    Preview,
    ShowPicture,
    Stop,
    Trained,
    TrainingOrder,
)
from spml_core.engine.run_control import begin_run, end_run, what_came_of
from spml_core.errors import ProjectError, SpmlError, TrainingError
from spml_core.project import Project, Run, RunState
from spml_core.training.events import CheckpointSaved, StageProgress, StepDone, Warned
from spml_napari.leaving_children import LeavingChildren
from spml_napari.run_summaries import can_resume, has_checkpoint, has_model
from spml_napari.training_state import Choices, Stopwatch, TrainingState
from spml_napari.view_state import ShownPrediction
from spml_napari.workers import ChildProcess

if TYPE_CHECKING:
    from spml_napari.session import Session

TRAINING = "spml_core.engine.background.training_process:serve_training"

_STAGES = {
    "features": "Reading the pictures",
    "start": "First guess",
    "choose": "Choosing settings by held-back marks",
    "second": "Second guess",
    "marks": "Reading new marks",
}


class TrainingControl(QObject):
    """One training at a time, in a process of its own.

    Parameters
    ----------
    session : Session
    parent : QObject, optional
    target : str
        What runs in the process.

    Attributes
    ----------
    state : TrainingState
    choices : Choices
        What :meth:`toggle` starts with.
    run_id : str or None
        The run that is being trained, or was last.
    warnings : list of str
        What this training warned of, in order.
    """

    state_changed = Signal(str)
    progressed = Signal(str, float, float)
    """Stage in words, fraction of all of training (0..1), seconds left (NaN if unknown)."""
    stepped = Signal(object)
    """A :class:`~spml_core.training.events.StepDone`."""
    finished = Signal(str, object)
    """Training ended: its run, and the held-back score (mean IoU, 0..1) or None."""

    def __init__(self, session: Session, parent: QObject | None = None, target: str = TRAINING) -> None:
        super().__init__(parent)
        self.session = session
        self.state = TrainingState.IDLE
        self.choices = Choices()
        self.run_id: str | None = None
        self.warnings: list[str] = []
        self._target = target
        self._child: ChildProcess | None = None
        self._leaving = LeavingChildren(self)
        self._project: Project | None = None
        self._before_pause = TrainingState.IDLE
        self._clock = Stopwatch()
        self._fraction = 0.0
        self._saved_step = 0
        session.project_changed.connect(self._on_project)
        session.picture_changed.connect(self._on_picture)
        session.marks_changed.connect(self._on_marks)
        session.classes_changed.connect(self._on_change)
        session.pictures_changed.connect(self._on_change)

    # What the user wants ------------------------------------------------------------------------------

    @property
    def is_training(self) -> bool:
        """Whether a training goes on, paused or not."""
        return self.state is not TrainingState.IDLE

    def start(
        self,
        preset: str = "quick",
        max_seconds: float | None = None,
        device: str = "auto",
        from_scratch: bool = False,
        resume: bool = False,
        video: str = "",
    ) -> bool:
        """Begin a training; whether it was begun. What is wrong is reported to the session.

        Parameters
        ----------
        preset : str
        max_seconds : float, optional
            Time budget; the preset's own if not given.
        device : str
        from_scratch : bool
            Whether to leave the current model aside; else training goes on from it.
        resume : bool
            Whether to go on with :meth:`resumable` instead, with its own settings.
        video : str
            How to learn from films, if there are any.
        """
        if resume:
            run = self.resumable()
            if run is None:
                self.session.report(
                    TrainingError("There is no stopped training to resume.", "Start a new one.")
                )
                return False
            return self.resume(run)
        project = self._free_project()
        if project is None:
            return False
        try:
            films = video if project.films else ""
            config = TrainConfig.from_preset(preset, max_seconds=max_seconds, device=device, video=films)
            current = None if from_scratch else project.current_run()
            run = begin_run(project, config)
        except SpmlError as error:
            self.session.report(error)
            return False
        start_from = current.id if current is not None and has_model(current) else None
        return self._launch(project, run, resume=False, continue_from=start_from)

    def resume(self, run: Run) -> bool:
        """Go on with a stopped run; whether that was begun."""
        project = self._free_project()
        if project is None:
            return False
        try:
            project.set_run_state(run.id, "running")
        except SpmlError as error:
            self.session.report(error)
            return False
        # One that was stopped before its first step begins anew: that is going on exactly.
        return self._launch(project, run, resume=has_checkpoint(run), continue_from=None)

    def resumable(self) -> Run | None:
        """The newest run, if it was stopped and can be gone on with."""
        project = self.session.project
        if project is None or self.is_training:
            return None
        try:
            runs = project.runs()
        except SpmlError:
            return None
        return runs[-1] if runs and can_resume(runs[-1]) else None

    def pause(self) -> None:
        """Take no further step until :meth:`go_on`."""
        if self._child is not None and self.state in (TrainingState.PREPARING, TrainingState.TRAINING):
            self._child.send(Pause())
            self._before_pause = self.state
            self._clock.stop()
            self._set_state(TrainingState.PAUSED)

    def go_on(self) -> None:
        """Go on after a pause."""
        if self._child is not None and self.state is TrainingState.PAUSED:
            self._child.send(Continue())
            self._clock.go()
            self._set_state(self._before_pause)

    def stop(self) -> None:
        """Stop after this step and keep the model; asked a second time, stop at once with the last checkpoint."""
        if self._child is None:
            return
        if self.state is TrainingState.STOPPING:
            self._child.close(timeout=0)
            self._conclude("stopped")
            self.session.report_text("info", f"Training was stopped at once. {self._what_is_left()}")
            return
        self._child.send(Stop())
        self._set_state(TrainingState.STOPPING)

    def toggle(self) -> None:
        """Start with :attr:`choices`, pause, or go on: what the primary button does."""
        if self.state is TrainingState.IDLE:
            chosen = self.choices
            self.start(
                chosen.preset, chosen.max_seconds, chosen.device, chosen.from_scratch, video=chosen.video
            )
        elif self.state is TrainingState.PAUSED:
            self.go_on()
        else:
            self.pause()

    def choose(self, **changes: Any) -> None:
        """Change fields of :attr:`choices`."""
        self.choices = replace(self.choices, **changes)

    def close(self, timeout: float = 1.0) -> None:
        """End a training that goes on, within two seconds: its run is stopped, and can be resumed."""
        self._leaving.close()
        if self._child is not None:
            self._child.close(timeout)
            self._conclude("stopped")

    # Beginning and end ----------------------------------------------------------------------------------

    def _free_project(self) -> Project | None:
        if self.is_training:
            return None
        if self.session.project is None:
            self.session.report(ProjectError("No project is open.", "Open or make one first."))
        return self.session.project

    def _launch(self, project: Project, run: Run, resume: bool, continue_from: str | None) -> bool:
        picture = self.session.picture
        order = TrainingOrder(
            str(project.path),
            run.id,
            resume,
            continue_from,
            None if picture is None else picture.id,
            self.session.shrink,
            self.choices.preview_seconds,
        )
        self._project, self.run_id = project, run.id
        self.warnings = []
        self._clock = Stopwatch()
        self._clock.go()
        self._fraction, self._saved_step = 0.0, 0
        child = ChildProcess(self._target, farewell=Stop(), parent=self)
        child.received.connect(self._on_message)
        child.ended.connect(self._on_death)
        try:
            child.start()
        except OSError as error:
            self._conclude("failed")
            self.session.report(
                TrainingError(f"The training process can't be started: {error}.", "Close other programs.")
            )
            return False
        self._child = child
        child.send(order)
        self._set_state(TrainingState.PREPARING)
        self.session.runs_changed.emit()
        self._tell_progress("Starting", math.nan)
        return True

    def _conclude(self, outcome: RunState) -> None:
        """Let the child go, write down how the run ended, and be idle."""
        child, self._child = self._child, None
        if child is not None:
            child.received.disconnect(self._on_message)
            child.ended.disconnect(self._on_death)
            self._leaving.let_leave(child)
        self._clock.stop()
        # A project that was closed meanwhile marks the run as stopped when it is opened next.
        if self._project is not None and self._project is self.session.project and self.run_id is not None:
            try:
                end_run(self._project, self.run_id, outcome)
            except SpmlError as error:
                self.session.report(error)
        self._set_state(TrainingState.IDLE)
        self.session.runs_changed.emit()

    def _set_state(self, state: TrainingState) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state.value)

    # What the process says ------------------------------------------------------------------------------

    def _on_message(self, message: object) -> None:
        if isinstance(message, StepDone):
            self._on_step(message)
        elif isinstance(message, StageProgress):
            stage = _STAGES.get(message.stage, message.stage.replace("_", " ").capitalize())
            self._tell_progress(f"{stage}, {message.done} of {message.total}", message.seconds_left)
        elif isinstance(message, Preview):
            self._on_preview(message)
        elif isinstance(message, CheckpointSaved):
            self._saved_step = message.step
        elif isinstance(message, Warned) and message.message not in self.warnings:
            self.warnings.append(message.message)
            self.session.report_text("info", message.message)
        elif isinstance(message, Trained):
            self._on_trained(message)
        elif isinstance(message, Failed):
            self._conclude("failed")
            self.session.report(TrainingError(message.error, message.remedy))
            self._tell_end(None)

    def _on_step(self, event: StepDone) -> None:
        if self.state is TrainingState.PREPARING:
            self._set_state(TrainingState.TRAINING)
        self._before_pause = TrainingState.TRAINING
        self._tell_progress(f"Learning, step {event.step} of {event.total}", event.seconds_left)
        self.stepped.emit(event)

    def _tell_progress(self, stage: str, seconds_left: float) -> None:
        if math.isfinite(seconds_left) and seconds_left >= 0:
            spent = self._clock.seconds
            # Never backwards, though estimates may grow.
            self._fraction = max(self._fraction, spent / max(spent + seconds_left, 1e-9))
        self.progressed.emit(stage, self._fraction, seconds_left)

    def _on_preview(self, preview: Preview) -> None:
        if self.run_id is not None and preview.shrink == self.session.shrink:
            self.session.show_prediction(
                ShownPrediction(preview.picture_id, self.run_id, preview.shrink, preview.labels, live=True)
            )

    def _on_trained(self, message: Trained) -> None:
        self._conclude("stopped" if message.stopped else "finished")
        score = message.held_back_score
        verb = "Stopped" if message.stopped else "Trained"
        known = "." if score is None else f": {score:.0%} on held-back marks."
        run = None if self._project is None else self._run_of(self._project)
        came = "" if run is None else what_came_of(run.steps, message.stopped)
        # Short: a notice shows one line.
        self.session.report_text("warning" if came else "info", f"{came or verb + known}{self._what_stays()}")
        self._tell_end(score)

    def _on_death(self, code: int) -> None:
        self._conclude("stopped")
        if code < 0:
            why = f"Training was killed (signal {-code}), perhaps for lack of memory."
        else:
            why = f"Training ended unexpectedly (exit code {code})."
        self.session.report_text("error", f"{why} {self._what_is_left()}")
        self._tell_end(None)

    def _tell_end(self, score: float | None) -> None:
        if self.run_id is not None:
            self.finished.emit(self.run_id, score)

    def _what_is_left(self) -> str:
        run = None if self._project is None else self._run_of(self._project)
        if run is None or not has_model(run):
            return "It had saved nothing yet; the marks are safe. Resume begins it anew."
        if stays := self._what_stays():
            return f"It had taken no step; the marks are safe.{stays} Resume goes on with it."
        return (
            f"The last checkpoint is usable: the model of step {self._saved_step} is current. "
            "Resume goes on from there."
        )

    def _what_stays(self) -> str:
        """Name the model that is still the current one, if this training's isn't."""
        try:
            current = None if self._project is None else self._project.current_run()
        except SpmlError:
            return ""
        return (
            "" if current is None or current.id == self.run_id else f" {current.id} stays the current model."
        )

    def _run_of(self, project: Project) -> Run | None:
        try:
            return next((run for run in project.runs() if run.id == self.run_id), None)
        except SpmlError:
            return None

    # What the user does meanwhile -----------------------------------------------------------------------

    def _on_project(self) -> None:
        if self._child is not None and self.session.project is not self._project:
            self._child.close(timeout=0.5)
            self._conclude("stopped")

    def _on_picture(self) -> None:
        if self._child is not None:
            picture = self.session.picture
            self._child.send(ShowPicture(None if picture is None else picture.id, self.session.shrink))

    def _on_marks(self, ids: frozenset[int]) -> None:
        if self._child is not None and ids:
            self._child.send(MarksChanged(tuple(sorted(ids))))

    def _on_change(self) -> None:
        """Let the process see the project anew, though no mark has changed."""
        if self._child is not None:
            self._child.send(MarksChanged(()))
