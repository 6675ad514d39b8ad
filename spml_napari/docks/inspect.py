"""The inspect dock: how the overlay looks, how sure the model is, why it says so, and what to accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from spml_core.engine.background.messages import Reasons
from spml_napari.docks.following import follow
from spml_napari.docks.heat_legend import HeatLegend
from spml_napari.docks.parts import column, heading, note, primary, scrolling
from spml_napari.docks.probability_bars import ProbabilityBars
from spml_napari.docks.reasons import ReasonsList
from spml_napari.docks.seeds_note import SeedsNote
from spml_napari.qt_types import slot, there
from spml_napari.run_summaries import has_model, run_title
from spml_napari.view_state import UNSURE, OverlayMode, ShownFilmResult, ShownSuggestion, Tool

if TYPE_CHECKING:
    from spml_napari.prediction_control import PredictionControl
    from spml_napari.seed_control import SeedControl
    from spml_napari.session import Session

_MODES = (
    (OverlayMode.CLASSES, "Classes", "The class of each pixel, in its colour"),
    (OverlayMode.UNCERTAINTY, "Uncertainty", "Where the model hesitates (U)"),
    (OverlayMode.DIFFERENCE, "Changes", "What changed since another run"),
    (OverlayMode.SEEDS, "Seeds", "What training takes your boxes, key points and tags for (D)"),
)
_POINT_AT = "Point at the picture to see what the model thinks there."


class InspectDock(QWidget):
    """Look closely at a prediction, and accept what is right.

    Parameters
    ----------
    session : Session
    predictions : PredictionControl
    seeds : SeedControl
    submit : callable
        Runs a function in the background: ``submit(function, *arguments, done=callback)``.
    """

    place_chosen = Signal(str, float, float)
    """A picture and a pixel (y, x) in it that the user wants to see."""

    def __init__(
        self,
        session: Session,
        predictions: PredictionControl,
        seeds: SeedControl,
        submit: Callable[..., object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("inspect_dock")
        self._session = session
        self._predictions = predictions
        self._seed_control = seeds
        content = QWidget()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._area = scrolling(content)
        outer.addWidget(self._area)
        layout = column(content)
        self._build_overlay(layout)
        self._build_cursor(layout)
        self._build_review(layout)
        self._build_why(layout, submit)
        layout.addStretch(1)
        follow(
            self,
            {
                session.overlay_changed: self._show_overlay,
                session.prediction_changed: self._show_state,
                session.suggestion_changed: self._show_state,
                session.marks_changed: self._show_state,
                session.picture_changed: self._on_picture,
                session.class_changed: self._show_state,
                session.classes_changed: self._show_state,
                session.runs_changed: self._fill_runs,
                session.project_changed: self._fill_runs,
                session.tool_changed: self._show_tool,
            },
        )
        predictions.reasons_found.connect(self._on_reasons)
        self._fill_runs()
        self._show_overlay()
        self._show_state()
        self._show_tool()

    # Building -----------------------------------------------------------------------------------------

    def _build_overlay(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("Overlay"))
        modes = QWidget()
        row = QFlowLayout(modes)
        row.setContentsMargins(0, 0, 0, 0)
        self._modes = QButtonGroup(self)
        for number, (mode, text, tip) in enumerate(_MODES):
            button = QRadioButton(text)
            button.setToolTip(tip)
            button.setObjectName(f"mode_{mode}")
            self._modes.addButton(button, number)
            row.addWidget(button)
        layout.addWidget(modes)
        self._modes.idClicked.connect(lambda number: self._session.view(mode=_MODES[number][0]))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setObjectName("opacity")
        self.opacity.setRange(0, 100)
        self.opacity.setToolTip("How strongly the overlay covers the picture. Hold Space to hide it.")
        self.opacity.valueChanged.connect(lambda value: self._session.view(opacity=value / 100))
        form.addRow("Opacity", self.opacity)
        self.contour = QSlider(Qt.Orientation.Horizontal)
        self.contour.setObjectName("contour")
        self.contour.setRange(0, 6)
        self.contour.setToolTip("0 fills the classes; more outlines them, so many pixels wide (O)")
        self.contour.valueChanged.connect(lambda value: self._session.view(contour=value))
        form.addRow("Contour", self.contour)
        self.runs = QComboBox()
        self.runs.setObjectName("compared_run")
        self.runs.setToolTip("The run that Changes compares with")
        self.runs.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.runs.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.runs.setMinimumContentsLength(8)
        self.runs.activated.connect(self._choose_run)
        form.addRow("Compare with", self.runs)
        layout.addLayout(form)
        self.legend = HeatLegend()
        layout.addWidget(self.legend)
        self.seeds = SeedsNote(self._session, self._seed_control)
        layout.addWidget(self.seeds)

    def _build_cursor(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("Under the cursor"))
        self.bars = ProbabilityBars()
        self.bars.say(_POINT_AT)
        layout.addWidget(self.bars)

    def _build_review(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("Review"))
        self.state = note()
        self.state.setObjectName("review_state")
        layout.addWidget(self.state)
        self.accept_picture = primary(
            "Accept picture", "The whole prediction of this picture is right: it becomes training data (A)"
        )
        self.accept_picture.setObjectName("accept_picture")
        self.accept_picture.clicked.connect(slot(lambda: self._predictions.accept()))
        layout.addWidget(self.accept_picture)
        self.accept_class = QPushButton()
        self.accept_class.setObjectName("accept_class")
        self.accept_class.setToolTip("Everything predicted as the current class is right in this picture")
        self.accept_class.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.accept_class.clicked.connect(slot(lambda: self._predictions.accept(self._session.class_index)))
        layout.addWidget(self.accept_class)
        self.take_back = QPushButton("Take review back")
        self.take_back.setObjectName("take_back")
        self.take_back.setToolTip("This picture isn't reviewed after all; marks drawn by hand stay")
        self.take_back.clicked.connect(slot(self._session.take_review_back))
        layout.addWidget(self.take_back)
        self.next = QPushButton("Next picture to mark")
        self.next.setObjectName("next_to_mark")
        self.next.setToolTip("Go to the picture that would teach most: the model is unsure, and it looks new")
        self.next.clicked.connect(self._predictions.go_to_next)
        layout.addWidget(self.next)

    def _build_why(self, layout: QVBoxLayout, submit: Callable[..., object]) -> None:
        layout.addWidget(heading("Why?"))
        self.why = QPushButton("Ask about a place")
        self.why.setObjectName("ask_why")
        self.why.setCheckable(True)
        self.why.setToolTip("Then click the picture: the marked places most like it are shown (W)")
        self.why.clicked.connect(self._choose_why)
        layout.addWidget(self.why)
        self.answer = note("Shows the marked places that decided, in all pictures.")
        layout.addWidget(self.answer)
        self.reasons = ReasonsList(self._session, submit)
        self.reasons.chosen.connect(self.place_chosen)
        layout.addWidget(self.reasons)

    # Showing ------------------------------------------------------------------------------------------

    def show_at(self, y: float, x: float) -> None:
        """Show the probabilities at pixel (y, x) of the picture."""
        shown, suggestion = self._session.prediction, self._session.seen_suggestion
        if suggestion is not None:
            self.bars.say(self._suggested_at(suggestion, y, x))
            return
        result = self._session.seen_film_result
        if result is not None:
            self.bars.say(self._propagated_at(result, y, x))
            return
        if shown is None or shown.probabilities is None:
            live = shown is not None and shown.live
            self.bars.say("Shown when training has ended." if live else _POINT_AT)
            return
        row, column_ = int(y / shown.shrink), int(x / shown.shrink)
        _, height, width = shown.probabilities.shape
        if not (0 <= row < height and 0 <= column_ < width):
            self.bars.say(_POINT_AT)
            return
        values = shown.probabilities[:, row, column_]
        classes = self._session.classes
        if len(values) == len(classes):
            self.bars.show_rows(
                [(info.name, info.color, float(v) / 255) for info, v in zip(classes, values, strict=True)]
            )

    def _suggested_at(self, suggestion: ShownSuggestion, y: float, x: float) -> str:
        row, column_ = int(y / suggestion.shrink), int(x / suggestion.shrink)
        height, width = suggestion.labels.shape
        names = self._session.classes.names
        if not (0 <= row < height and 0 <= column_ < width):
            return _POINT_AT
        code = int(suggestion.labels[row, column_])
        if code >= len(names):
            return "Nothing is suggested here."
        unsure = suggestion.uncertainty[row, column_] >= UNSURE
        return f"Suggested: {names[code]}{', but unsure' if unsure else ''}."

    def _propagated_at(self, result: ShownFilmResult, y: float, x: float) -> str:
        row, column_ = int(y / result.shrink), int(x / result.shrink)
        height, width = result.labels.shape
        names = self._session.classes.names
        if not (0 <= row < height and 0 <= column_ < width) or result.labels[row, column_] >= len(names):
            return _POINT_AT
        return (
            f"Propagated: {names[result.labels[row, column_]]}, sure of the frame: {result.confidence:.0%}."
        )

    def show_nowhere(self) -> None:
        """The cursor isn't over the picture any more."""
        self.bars.say(_POINT_AT)

    def _show_overlay(self) -> None:
        view = self._session.overlay
        self._show_state()
        for number, (mode, _, _) in enumerate(_MODES):
            if mode is view.mode:
                there(self._modes.button(number)).setChecked(True)
        with QSignalBlocker(self.opacity), QSignalBlocker(self.contour):
            self.opacity.setValue(round(view.opacity * 100))
            self.contour.setValue(view.contour)
        self.legend.setVisible(view.mode is OverlayMode.UNCERTAINTY)
        row = self.runs.findData(view.compared_run)
        self.runs.setCurrentIndex(max(row, 0))

    def _on_picture(self) -> None:
        self.bars.say(_POINT_AT)
        self.reasons.setVisible(False)
        self._show_state()

    def _show_state(self, *_: object) -> None:
        session = self._session
        suggested = session.seen_suggestion is not None
        propagated = session.seen_film_result is not None
        there = session.prediction is not None or suggested or propagated
        live = session.prediction is not None and session.prediction.live
        reviewed = session.is_reviewed()
        if session.picture is None:
            text = "No picture is open."
        elif reviewed:
            text = "Reviewed: this picture's mask teaches the next training."
        elif suggested:
            text = (
                "The overlay is a suggestion, made of your marks. Correct it, or accept regions by click (Q)."
            )
        elif propagated:
            text = (
                "The overlay was carried here along the film, from the marked frames. Correct it with a mark,"
                " or accept what is right."
            )
        elif live:
            text = "The overlay is a preview: it changes as the model learns."
        elif there:
            text = "Look it over. Correct with the scribble or pick tool, accept what is right."
        elif self._predictions.current_run() is not None:
            text = "The model has not labelled this picture yet: that takes a moment."
        else:
            text = "There is no prediction of this picture yet. Mark a few places and train."
        self.state.setText(text)
        self.bars.reserve(len(session.classes))
        name = session.classes.names[min(session.class_index, len(session.classes) - 1)]
        metrics = self.accept_class.fontMetrics()
        short = metrics.elidedText(name, Qt.TextElideMode.ElideRight, max(60, self.width() - 160))
        self.accept_class.setText(f"Accept all “{short}”")
        self.accept_picture.setEnabled(there and not reviewed)
        self.accept_class.setEnabled(there)
        self.take_back.setVisible(reviewed)
        self.next.setEnabled(session.project is not None)
        self.why.setEnabled(session.picture is not None)

    def _show_tool(self) -> None:
        self.why.setChecked(self._session.tool is Tool.WHY)

    def _choose_why(self, checked: bool) -> None:
        self._session.set_tool(Tool.WHY if checked else Tool.MOVE)

    def _on_reasons(self, reasons: Reasons) -> None:
        self.reasons.show_reasons(reasons)
        if reasons.reasons:
            names = self._session.classes.names
            best = reasons.reasons[0]
            name = names[best.class_index] if best.class_index < len(names) else "a deleted class"
            self.answer.setText(f"Most like “{name}” in {best.picture}. Click one to go there.")
            # Shown below what fits: once the list has its place, bring it into view.
            QTimer.singleShot(0, self._show_reasons)
        else:
            self.answer.setText("No marked place is known to this model: train again.")

    def _show_reasons(self) -> None:
        self._area.ensureWidgetVisible(self.reasons)

    def _fill_runs(self) -> None:
        self.runs.clear()
        self.runs.addItem("The run before", None)
        project = self._session.project
        if project is not None:
            for run in reversed(project.runs()):
                if has_model(run):
                    self.runs.addItem(run_title(run), run.id)
        self.runs.setCurrentIndex(max(0, self.runs.findData(self._session.overlay.compared_run)))

    def _choose_run(self, row: int) -> None:
        self._session.view(compared_run=self.runs.itemData(row), mode=OverlayMode.DIFFERENCE)
        self._predictions.compare_again()
