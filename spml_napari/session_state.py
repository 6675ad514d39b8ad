"""The window's state: what is open and chosen, the signals that tell of it, and how things are told to the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from psygnal import Signal

from spml_core.classes import ClassTable
from spml_core.engine.background.work_failure import job_failure
from spml_core.errors import ProjectError, SpmlError
from spml_core.project import PictureRecord, Project
from spml_napari.view_state import (
    MAX_BRUSH,
    OverlayMode,
    OverlayView,
    ShownFilmResult,
    ShownPrediction,
    ShownSeeds,
    ShownSuggestion,
    Tool,
)

Level = Literal["info", "warning", "error"]


class SessionState:
    """What :class:`spml_napari.session.Session` holds in its hands; see there."""

    settling = Signal()
    """Picture, project, classes or history are about to change: what is being drawn shall be finished now."""
    project_closing = Signal()
    """The open project is about to be closed; it can still be written to."""
    project_changed = Signal()
    picture_changed = Signal()
    selection_changed = Signal()
    """Other pictures are selected than before."""
    pictures_changed = Signal()
    """Pictures were added or found again."""
    classes_changed = Signal()
    marks_changed = Signal(object)
    """Marks or review state of these pictures changed: frozenset of ids."""
    history_changed = Signal()
    class_changed = Signal()
    tool_changed = Signal()
    brush_changed = Signal()
    overlay_changed = Signal()
    prediction_changed = Signal()
    seeds_changed = Signal()
    suggestion_changed = Signal()
    runs_changed = Signal()
    """A run was made, ended, or made current."""
    predictions_stored = Signal(object)
    """Predictions of these pictures were written to the disk: frozenset of ids."""
    passing_changed = Signal()
    """Frames began, or ceased, to pass by: see :attr:`is_passing`."""
    film_range_changed = Signal()
    saved = Signal(str)
    """A change is on the disk; what it was, in words, for the status line."""
    reported = Signal(str, str)
    """Something to tell the user: level (info, warning, error) and text."""

    def __init__(self) -> None:
        self.project: Project | None = None
        self.picture: PictureRecord | None = None
        self.class_index = 0
        self.tool = Tool.MOVE
        self.brush = 8.0
        self.overlay = OverlayView()
        self.prediction: ShownPrediction | None = None
        self.seeds: ShownSeeds | None = None
        self.suggestion: ShownSuggestion | None = None
        self.film_result: ShownFilmResult | None = None
        self.film_results: Callable[[PictureRecord], ShownFilmResult | None] = lambda record: None
        self.film_range: tuple[int, int] | None = None
        self.is_passing = False
        self.marked_since: frozenset[int] = frozenset()
        self._last_frames: dict[int, int] = {}
        self.selected: frozenset[int] = frozenset()
        self.key_point_size: float | None = None
        self.new_tags_complete = True

    @property
    def classes(self) -> ClassTable:
        """The class table; a stand-in of two while no project is open."""
        if self.project is None:
            return ClassTable.from_names(["background", "object"])
        return self.project.classes

    # Tools and view -----------------------------------------------------------------------------------

    def set_tool(self, tool: Tool | str) -> None:
        """Choose what a press on the picture does."""
        if tool != self.tool:
            self.tool = Tool(tool)
            self.tool_changed.emit()

    def set_brush(self, diameter: float) -> None:
        """Set the pen's diameter in pixels of the picture; kept within 1..500."""
        diameter = float(min(max(round(diameter), 1), MAX_BRUSH))
        if diameter != self.brush:
            self.brush = diameter
            self.brush_changed.emit()

    def scale_brush(self, larger: bool) -> None:
        """Make the pen a step larger or smaller."""
        step = max(1.0, round(self.brush * 0.2))
        self.set_brush(self.brush + step if larger else self.brush - step)

    def view(self, **changes: Any) -> None:
        """Change how the overlay looks: fields of :class:`OverlayView`."""
        changed = replace(self.overlay, **changes)
        if changed != self.overlay:
            self.overlay = changed
            self.overlay_changed.emit()

    def show_prediction(self, prediction: ShownPrediction | None) -> None:
        """Lay a prediction over the current picture; one of another picture is dropped."""
        if prediction is not None and (self.picture is None or self.picture.id != prediction.picture_id):
            return
        self.prediction = prediction
        self.prediction_changed.emit()

    def show_seeds(self, seeds: ShownSeeds | None) -> None:
        """Show what the current picture's marks are taken for; seeds of another picture are dropped."""
        if seeds is not None and (self.picture is None or self.picture.id != seeds.picture_id):
            return
        if seeds is not self.seeds:
            self.seeds = seeds
            self.seeds_changed.emit()

    def show_suggestion(self, suggestion: ShownSuggestion | None) -> None:
        """Show what the current picture's marks come to; a suggestion for another picture is dropped."""
        if suggestion is not None and (self.picture is None or self.picture.id != suggestion.picture_id):
            return
        if suggestion is not self.suggestion:
            self.suggestion = suggestion
            self.suggestion_changed.emit()

    @property
    def seen_suggestion(self) -> ShownSuggestion | None:
        """The suggestion, if it is what lies over the picture and not the prediction.

        On a frame to which something was propagated it does so only once the user has changed the frame's marks: what
        the marks of other frames come to was worked out better, along the film.
        """
        found, view = self.suggestion, self.overlay
        is_in_view = view.suggested and view.mode in (OverlayMode.CLASSES, OverlayMode.UNCERTAINTY)
        if not is_in_view or found is None or not found.says_something:
            return None
        is_older = found.picture_id not in self.marked_since
        hides = self.film_result is not None and is_older and view.mode is OverlayMode.CLASSES
        return None if hides else found

    @property
    def seen_film_result(self) -> ShownFilmResult | None:
        """What was propagated to the frame, if it is what lies over it.

        A fresh suggestion comes before it. Where the user asks for the model's own prediction (``suggested`` is off)
        it steps back for that.
        """
        view = self.overlay
        if view.mode is not OverlayMode.CLASSES or self.seen_suggestion is not None:
            return None
        return self.film_result if view.suggested or self.prediction is None else None

    @property
    def seen(self) -> ShownSuggestion | ShownPrediction | None:
        """What lies over the picture: a fresh suggestion, else what was propagated, else the model's prediction."""
        return self.seen_suggestion or self.seen_film_result or self.prediction

    # Telling ------------------------------------------------------------------------------------------

    def report(self, error: Exception) -> None:
        """Tell the user what went wrong and what to do; the traceback of a bug goes to a log file."""
        if not isinstance(error, SpmlError):
            failed = job_failure(error)
            error = SpmlError(failed.error, failed.remedy)
        self.reported.emit("error", str(error))

    def report_text(self, level: Level, text: str) -> None:
        """Tell the user something."""
        self.reported.emit(level, text)

    def _try(self, change: Callable[[Project], Any]) -> Any:
        if self.project is None:
            self.report(ProjectError("No project is open.", "Open or make one first."))
            return None
        try:
            return change(self.project)
        except SpmlError as error:
            self.report(error)
            return None
