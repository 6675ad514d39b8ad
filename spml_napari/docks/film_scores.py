"""How good and how steady what was propagated is, measured when asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from spml_napari.docks.parts import heading, note
from spml_napari.docks.wrapped_check import WrappedCheck
from spml_napari.qt_types import slot

if TYPE_CHECKING:
    from spml_napari.measure_control import MeasureControl
    from spml_napari.propagation_control import PropagationControl

_TIP = (
    "Look through the film once more: do labels stay with what they are on, from frame to frame?\n"
    "And do they agree with your marks?"
)
_NUMBERS_TIP = (
    "Temporal consistency: labels are moved along with the motion between two frames and compared\n"
    "with those of the next frame (mean intersection over union); 100 % is perfectly steady.\n"
    "Corrected: pixels that come into view or leave it don't count, and the motion is sampled the right way.\n"
    "As in the literature: all pixels count, as in published tables.\n"
    "Overlap with marks: how well the labels keep to your own marks on the frames that have some."
)


class FilmScoresBox(QWidget):
    """A button, the numbers, and whether the flicker map is shown.

    Parameters
    ----------
    control : MeasureControl
    propagation : PropagationControl
        Nothing is measured while it is at work.
    """

    shown = Signal()
    """Numbers that weren't there before are shown."""

    def __init__(
        self, control: MeasureControl, propagation: PropagationControl, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.control = control
        self.propagation = propagation
        self._has_results = False
        self.measure = QPushButton("Measure")
        self.measure.setObjectName("film_measure")
        self.measure.setToolTip(_TIP)
        self.measure.clicked.connect(slot(self._on_click))
        self.bar = QProgressBar()
        self.bar.setObjectName("film_measure_progress")
        self.bar.setAccessibleName("Progress of the measurement")
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.numbers = note()
        self.numbers.setObjectName("film_numbers")
        self.numbers.setToolTip(_NUMBERS_TIP)
        self.flicker = WrappedCheck(
            "film_flicker",
            "Show where it flickers",
            "A map over the picture: bright where labels change though the thing under them stays the same",
        )
        self.flicker.clicked.connect(control.show_flicker)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(heading("Steadiness"))
        layout.addWidget(self.measure)
        layout.addWidget(self.bar)
        layout.addWidget(self.numbers)
        layout.addWidget(self.flicker)
        control.changed.connect(self.refresh)
        control.progressed.connect(self._on_progress)
        propagation.state_changed.connect(self._on_state)
        self.refresh()

    def set_has_results(self, has_results: bool) -> None:
        """Say whether there is anything to measure."""
        self._has_results = has_results
        self.refresh()

    def refresh(self) -> None:
        """Show what the control holds."""
        control, scored = self.control, self.control.scored
        self.measure.setText("Cancel" if control.is_measuring else "Measure")
        self.measure.setEnabled(control.is_measuring or (self._has_results and not self.propagation.is_busy))
        if control.is_measuring and not self.bar.isVisible():
            self.bar.setRange(0, 0)
        self.bar.setVisible(control.is_measuring)
        self.numbers.setText("" if scored is None else self._words())
        is_new = scored is not None and self.numbers.isHidden()
        self.numbers.setVisible(scored is not None)
        self.flicker.setVisible(scored is not None)
        self.flicker.show_state(control.shows_flicker)
        if is_new:
            self.shown.emit()

    def _words(self) -> str:
        scored = self.control.scored
        assert scored is not None
        lines = [f"<b>{_percent(scored.corrected)}</b> steady (corrected)"]
        lines.append(f"<b>{_percent(scored.literature)}</b> steady (as in the literature)")
        if scored.mean_iou is not None and scored.scored:
            frames = "1 marked frame" if scored.scored == 1 else f"{scored.scored} marked frames"
            lines.append(f"<b>{_percent(scored.mean_iou)}</b> overlap with marks, on {frames}")
        if self.control.is_old:
            lines.append("Measured before the last change")
        return "<br>".join(lines)

    def _on_click(self) -> None:
        if self.control.is_measuring:
            self.control.cancel()
        else:
            choices = self.propagation.choices
            self.control.measure(choices.flow, choices.device)

    def _on_progress(self, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def _on_state(self, _: str) -> None:
        if self.propagation.is_busy:
            self.control.note_change()
        self.refresh()


def _percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"
