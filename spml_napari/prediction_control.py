"""Predictions of the open pictures: asked of the answering process, kept on the disk, shown through the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.engine.background.messages import (
    AskWhy,
    Cancel,
    Failed,
    FindRegions,
    Predict,
    PredictAll,
    Prediction,
    Ready,
    Reasons,
    Regions,
    Stored,
)
from spml_core.engine.predictions import PredictionStore
from spml_core.engine.ranking import next_to_mark
from spml_core.errors import SpmlError
from spml_core.project import Run
from spml_napari.docks.following import follow
from spml_napari.run_summaries import has_model
from spml_napari.view_state import OverlayMode, ShownPrediction, Tool

if TYPE_CHECKING:
    from spml_napari.answers import Answers
    from spml_napari.session import Session

# Stepping quickly through pictures asks for none but the last.
_ASK_AFTER_MS = 120
_RESTART_AFTER_MS = 1000
_MOST_RESTARTS = 2


class PredictionControl(QObject):
    """Keeps the current picture's prediction in the session, and answers regions and whys.

    Parameters
    ----------
    session : Session
    start_answers : callable
        Given a project's path, starts an answering process.
    is_training : callable
        Whether a training goes on: then its previews are shown, and nothing else is computed unasked.

    Attributes
    ----------
    devices : tuple of str
        What the answering process could compute on; empty until it said so.
    """

    ready = Signal()
    regions_changed = Signal()
    reasons_found = Signal(object)
    """A :class:`~spml_core.engine.background.messages.Reasons`."""
    progressed = Signal(int, int)
    """Pictures whose predictions are stored, and all of them."""

    def __init__(
        self,
        session: Session,
        start_answers: Callable[[str], Answers],
        is_training: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.devices: tuple[str, ...] = ()
        self.regions: Regions | None = None
        self.region_count = 300
        self._start_answers = start_answers
        self._is_training = is_training
        self._answers: Answers | None = None
        self._store: PredictionStore | None = None
        self._numbers = count(1)
        self._wanted: dict[str, int] = {}
        self._timer = self._once_after(_ASK_AFTER_MS, self._ask)
        self._restarts = 0
        self._restart = self._once_after(_RESTART_AFTER_MS, self._begin_again)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.runs_changed: self._on_runs,
                session.classes_changed: self._on_classes,
                session.tool_changed: self._ask_regions,
                session.overlay_changed: self._on_overlay,
            },
        )

    def _once_after(self, milliseconds: int, call: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(call)
        return timer

    # Project and picture ----------------------------------------------------------------------------

    def _on_project(self) -> None:
        self.close()
        self.regions, self._store, self._restarts = None, None, 0
        if self.session.project is not None:
            self._store = PredictionStore(self.session.project)
            self._begin()

    def _begin(self) -> None:
        """Start an answering process, and let it label all pictures."""
        project = self.session.project
        if project is None or self._answers is not None:
            return
        self._wanted.clear()
        self._answers = self._start_answers(str(project.path))
        self._answers.received.connect(self._on_answer)
        self._answers.ended.connect(self._on_death)
        if not self._is_training():
            self._predict_all()

    def _begin_again(self) -> None:
        self._begin()
        self._ask()
        self._ask_regions()

    def _on_picture(self) -> None:
        self.regions = None
        self.regions_changed.emit()
        self._show_stored()
        self._timer.start()
        self._ask_regions()

    def _on_runs(self) -> None:
        if not self._is_training():
            self._show_stored()
            self._timer.start()
            self._predict_all()

    def _on_classes(self) -> None:
        # Answers under way have the codes of yesterday.
        for topic in ("predict", "compare", "why"):
            self._wanted.pop(topic, None)
        if self.session.prediction is not None:
            self.session.show_prediction(None)
        self._show_stored()
        self._timer.start()

    def _on_overlay(self) -> None:
        shown = self.session.prediction
        wants = self.session.overlay.mode
        if wants is OverlayMode.DIFFERENCE and (shown is None or shown.difference is None):
            self._ask_compared()

    def close(self) -> None:
        """End the answering process; what it has stored stays."""
        self._timer.stop()
        self._restart.stop()
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()

    # Asking -------------------------------------------------------------------------------------------

    def current_run(self) -> Run | None:
        """The run whose model is used, if it has one."""
        project = self.session.project
        return None if project is None else project.current_run()

    def compared_run(self) -> Run | None:
        """The run to compare with: the chosen one, else the one before the current."""
        project, current = self.session.project, self.current_run()
        if project is None or current is None:
            return None
        chosen = self.session.overlay.compared_run
        others = [run for run in project.runs() if run.id != current.id and has_model(run)]
        if chosen is not None:
            return next((run for run in others if run.id == chosen), None)
        before = [run for run in others if run.id < current.id]
        return before[-1] if before else None

    def _show_stored(self) -> None:
        session, run = self.session, self.current_run()
        if session.picture is None or run is None or self._store is None:
            return
        try:
            labels = self._store.load(run, session.picture)
        except SpmlError as error:
            session.report(error)
            return
        if labels is not None:
            shrink = session.shrink
            session.show_prediction(
                ShownPrediction(session.picture.id, run.id, shrink, labels[::shrink, ::shrink])
            )

    def _ask(self) -> None:
        run, picture = self.current_run(), self.session.picture
        if run is None or picture is None or self._is_training():
            return
        self._send("predict", Predict, picture.id, run.id, self.session.shrink)
        if self.session.overlay.mode is OverlayMode.DIFFERENCE:
            self._ask_compared()

    def _ask_compared(self) -> None:
        run, picture = self.compared_run(), self.session.picture
        if picture is None or self.current_run() is None:
            return
        if run is None:
            self.session.report_text("info", "There is no earlier run to compare with yet.")
            return
        self._send("compare", Predict, picture.id, run.id, self.session.shrink)

    def compare_again(self) -> None:
        """Ask anew what the compared run says: another was chosen."""
        shown = self.session.prediction
        if shown is not None and shown.difference is not None:
            self.session.show_prediction(replace(shown, difference=None))
        self._ask_compared()

    def _ask_regions(self) -> None:
        picture = self.session.picture
        if self.session.tool is not Tool.PICK or picture is None:
            return
        if self.regions is None or self.regions.picture_id != picture.id:
            self._send("regions", FindRegions, picture.id, self.region_count, self.session.shrink)

    def set_region_count(self, number: int) -> None:
        """Cut pictures into about so many regions."""
        if number != self.region_count:
            self.region_count = number
            self.regions = None
            self.regions_changed.emit()
            self._ask_regions()

    def region_labels(self) -> NDArray[np.int32] | None:
        """Regions of the current picture at the display's size, or None while they are being found."""
        picture = self.session.picture
        if picture is None or self.regions is None or self.regions.picture_id != picture.id:
            return None
        return self.regions.labels

    def ask_why(self, y: float, x: float) -> None:
        """Ask which labelled segments decided the pixel (y, x) of the current picture."""
        run, picture = self.current_run(), self.session.picture
        if picture is None:
            return
        if run is None:
            self.session.report_text("info", "Train first: then a click shows what decided a place.")
            return
        self._send("why", AskWhy, picture.id, run.id, y, x)

    def _predict_all(self) -> None:
        run, picture = self.current_run(), self.session.picture
        if run is not None and has_model(run):
            self._send("all", PredictAll, run.id, None if picture is None else picture.id)

    def pause_predicting(self) -> None:
        """Leave the machine to training: forget what was asked for all pictures."""
        if self._answers is not None and "all" in self._wanted:
            self._answers.send(Cancel(self._wanted.pop("all")))

    def _send(self, topic: str, kind: Callable[..., object], *values: object) -> None:
        if self._answers is None:
            return
        old = self._wanted.pop(topic, None)
        if old is not None and topic != "all":
            self._answers.send(Cancel(old))
        self._wanted[topic] = number = next(self._numbers)
        self._answers.send(kind(number, *values))

    # Answers ------------------------------------------------------------------------------------------

    def _on_answer(self, message: object) -> None:
        if isinstance(message, Ready):
            self.devices = message.devices
            self.ready.emit()
        elif isinstance(message, Failed):
            if message.request is None or message.request in self._wanted.values():
                self.session.report_text("error", f"{message.error} {message.remedy}".strip())
        elif isinstance(message, Prediction):
            self._on_prediction(message)
        elif isinstance(message, Regions) and message.request == self._wanted.get("regions"):
            self.regions = message
            self.regions_changed.emit()
        elif isinstance(message, Reasons) and message.request == self._wanted.get("why"):
            self.reasons_found.emit(message)
        elif isinstance(message, Stored) and message.request == self._wanted.get("all"):
            self.session.predictions_stored.emit(frozenset({message.picture_id}))
            self.progressed.emit(message.done, message.total)

    def _on_prediction(self, answer: Prediction) -> None:
        shown = self.session.prediction
        if answer.request == self._wanted.get("compare"):
            if shown is not None and shown.labels.shape == answer.labels.shape:
                self.session.show_prediction(replace(shown, difference=shown.labels != answer.labels))
        elif answer.request == self._wanted.get("predict") and not self._is_training():
            before = shown.difference if shown is not None and shown.run_id == answer.run_id else None
            self.session.show_prediction(
                ShownPrediction(
                    answer.picture_id,
                    answer.run_id,
                    answer.shrink,
                    answer.labels,
                    answer.probabilities,
                    answer.uncertainty,
                    before,
                )
            )

    def _on_death(self, code: int) -> None:
        self._answers = None
        if self.session.project is None:
            return
        why = f"was killed (signal {-code}), perhaps for lack of memory" if code < 0 else "ended unexpectedly"
        if self._restarts >= _MOST_RESTARTS:
            # What broke it so often would break it again.
            self.session.report_text(
                "error",
                f"The process that labels pictures {why} once more, and isn't started again. Marking and training "
                "go on. Close other programs, then open the project anew.",
            )
            return
        self._restarts += 1
        self.session.report_text(
            "warning", f"The process that labels pictures {why}. It is started again; nothing is lost."
        )
        self._restart.start()

    # What docks ask for -------------------------------------------------------------------------------

    def predicted_ids(self) -> set[int]:
        """Ids of the pictures that the current run's model has labelled."""
        project, run = self.session.project, self.current_run()
        if project is None or run is None or self._store is None:
            return set()
        names = self._store.names(run)
        return {record.id for record in project.pictures if record.name in names}

    def full_labels(self) -> NDArray[np.uint8] | None:
        """The shown labels in the current picture's own size."""
        shown, picture = self.session.prediction, self.session.picture
        if shown is None or picture is None:
            return None
        if shown.shrink == 1:
            return shown.labels
        run = self.current_run()
        stored = None if run is None or self._store is None else self._store.load(run, picture)
        if stored is not None and not shown.live:
            return stored
        grown = shown.labels.repeat(shown.shrink, 0).repeat(shown.shrink, 1)
        return grown[: picture.height, : picture.width]

    def accept(self, class_index: int | None = None) -> bool:
        """Take the shown prediction, or one class of it, as true."""
        try:
            labels = self.full_labels()
        except SpmlError as error:
            self.session.report(error)
            return False
        if labels is None:
            self.session.report_text("info", "There is no prediction of this picture yet: train first.")
            return False
        return self.session.accept(np.ascontiguousarray(labels), class_index)

    def go_to_next(self) -> None:
        """Go to the picture whose marks would teach most."""
        project, run = self.session.project, self.current_run()
        if project is None or self._store is None:
            return
        marked = {record.name for record in project.marked_pictures()}
        reviewed = {record.name for record in project.reviewed_pictures()}
        try:
            summaries = {} if run is None else self._store.summaries(run)
        except SpmlError as error:
            self.session.report(error)
            return
        names = [record.name for record in project.pictures]
        here = self.session.picture.name if self.session.picture is not None else None
        order = [name for name in next_to_mark(names, summaries, marked, reviewed) if name != here]
        if not order:
            self.session.report_text(
                "info", "Every picture is marked or reviewed: nothing is left to propose."
            )
            return
        self.session.go_to(project.picture(order[0]).id)
