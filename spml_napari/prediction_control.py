"""Predictions of the open pictures: asked of the answering process, kept on the disk, shown through the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from spml_core.engine.background.messages import (
    AskWhy,
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
from spml_napari.answer_line import AnswerLine
from spml_napari.docks.following import follow
from spml_napari.run_summaries import has_model
from spml_napari.view_state import OverlayMode, ShownPrediction, Tool

if TYPE_CHECKING:
    from spml_napari.answers import Answers
    from spml_napari.session import Session

# Stepping quickly through pictures asks for none but the last.
_ASK_AFTER_MS = 120


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
    suggested_order : callable
        Gives the names of the pictures to mark next, best first; none as long as only predictions can tell.
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
        self.suggested_order: Callable[[], Sequence[str]] = lambda: ()
        self.regions: Regions | None = None
        self.region_count = 300
        self.line = AnswerLine(session, start_answers, self)
        self.line.begun.connect(self._on_begun)
        self.line.answered.connect(self._on_answer)
        self._is_training = is_training
        self._store: PredictionStore | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_ASK_AFTER_MS)
        self._timer.timeout.connect(self._ask)
        follow(
            self,
            {
                session.project_changed: self._on_project,
                session.picture_changed: self._on_picture,
                session.passing_changed: self._on_passing,
                session.runs_changed: self._on_runs,
                session.classes_changed: self._on_classes,
                session.tool_changed: self._ask_regions,
                session.overlay_changed: self._on_overlay,
            },
        )

    # Project and picture ----------------------------------------------------------------------------

    def _on_project(self) -> None:
        self.close()
        project = self.session.project
        self.regions = None
        self._store = None if project is None else PredictionStore(project)
        self.line.open()

    def _on_begun(self) -> None:
        """Ask a process that has just started, as if nothing had been asked yet."""
        if not self._is_training():
            self._predict_all()
        self._timer.start()
        self._ask_regions()

    def _on_picture(self) -> None:
        self.regions = None
        self.regions_changed.emit()
        if self.session.is_passing:
            self._timer.stop()
            return
        self._show_stored()
        self._timer.start()
        self._ask_regions()

    def _on_passing(self) -> None:
        """Look at the frame on which a film has come to rest."""
        if not self.session.is_passing and self.session.picture is not None:
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
            self.line.forget(topic)
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
        self.line.close()

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
        if run is None or picture is None or self._is_training() or self.session.is_passing:
            return
        self.line.send("predict", Predict, picture.id, run.id, self.session.shrink)
        if self.session.overlay.mode is OverlayMode.DIFFERENCE:
            self._ask_compared()

    def _ask_compared(self) -> None:
        run, picture = self.compared_run(), self.session.picture
        if picture is None or self.current_run() is None:
            return
        if run is None:
            self.session.report_text("info", "There is no earlier run to compare with yet.")
            return
        self.line.send("compare", Predict, picture.id, run.id, self.session.shrink)

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
            self.line.send("regions", FindRegions, picture.id, self.region_count, self.session.shrink)

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
        self.line.send("why", AskWhy, picture.id, run.id, y, x)

    def _predict_all(self) -> None:
        run, picture = self.current_run(), self.session.picture
        if run is not None and has_model(run):
            first = None if picture is None else picture.id
            # The process lets a new one take the place of the old by itself.
            self.line.send("all", PredictAll, run.id, first, cancel=False)

    def pause_predicting(self) -> None:
        """Leave the machine to training: forget what was asked for all pictures."""
        self.line.cancel("all")

    # Answers ------------------------------------------------------------------------------------------

    def _on_answer(self, message: object) -> None:
        if isinstance(message, Ready):
            self.devices = message.devices
            self.ready.emit()
        elif isinstance(message, Prediction):
            self._on_prediction(message)
        elif isinstance(message, Regions) and self.line.is_wanted("regions", message.request):
            self.regions = message
            self.regions_changed.emit()
        elif isinstance(message, Reasons) and self.line.is_wanted("why", message.request):
            self.reasons_found.emit(message)
        elif isinstance(message, Stored) and self.line.is_wanted("all", message.request):
            self.session.predictions_stored.emit(frozenset({message.picture_id}))
            self.progressed.emit(message.done, message.total)

    def _on_prediction(self, answer: Prediction) -> None:
        shown = self.session.prediction
        if self.line.is_wanted("compare", answer.request):
            if shown is not None and shown.labels.shape == answer.labels.shape:
                self.session.show_prediction(replace(shown, difference=shown.labels != answer.labels))
        elif self.line.is_wanted("predict", answer.request) and not self._is_training():
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

    # What docks ask for -------------------------------------------------------------------------------

    def predicted_ids(self) -> set[int]:
        """Ids of the pictures that the current run's model has labelled."""
        project, run = self.session.project, self.current_run()
        if project is None or run is None or self._store is None:
            return set()
        names = self._store.names(run)
        records = {*project.pictures, *project.marked_pictures()}
        return {record.id for record in records if record.name in names}

    def full_labels(self) -> NDArray[np.uint8] | None:
        """The labels that lie over the current picture, in its own size."""
        shown, picture = self.session.seen, self.session.picture
        if shown is None or picture is None:
            return None
        if shown.shrink == 1:
            return shown.labels
        prediction = self.session.prediction
        if prediction is not None and shown is prediction and not prediction.live:
            run = self.current_run()
            stored = None if run is None or self._store is None else self._store.load(run, picture)
            if stored is not None:
                return stored
        grown = shown.labels.repeat(shown.shrink, 0).repeat(shown.shrink, 1)
        return grown[: picture.height, : picture.width]

    def accept(self, class_index: int | None = None) -> bool:
        """Take what lies over the picture, prediction or suggestion, or one class of it, as true."""
        try:
            labels = self.full_labels()
        except SpmlError as error:
            self.session.report(error)
            return False
        if labels is None:
            self.session.report_text(
                "info", "There is no prediction of this picture yet: mark something or train."
            )
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
        ranked = self.suggested_order() or next_to_mark(names, summaries, marked, reviewed)
        order = [name for name in ranked if name != here]
        if not order:
            self.session.report_text(
                "info", "Every picture is marked or reviewed: nothing is left to propose."
            )
            return
        self.session.go_to(project.picture(order[0]).id)
