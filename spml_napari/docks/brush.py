"""The size of the pen: a slider whose steps grow with it, and the number itself."""

from __future__ import annotations

import math

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QSpinBox, QWidget

from spml_napari.docks.following import follow
from spml_napari.docks.parts import SPACING
from spml_napari.qt_types import there
from spml_napari.session import Session
from spml_napari.view_state import MAX_BRUSH

_STEPS = 200


class BrushSize(QWidget):
    """Shows and sets ``session.brush``.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        tip = "Diameter of the pen in pixels of the picture ([ and ], or Shift and the wheel)"
        label = QLabel("Brush")
        label.setToolTip(tip)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("brush_slider")
        self.slider.setAccessibleName("Brush size")
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 10)
        self.slider.setToolTip(tip)
        self.slider.setMinimumWidth(30)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.number = QSpinBox()
        self.number.setObjectName("brush_number")
        self.number.setAccessibleName("Brush size in pixels")
        self.number.setRange(1, int(MAX_BRUSH))
        self.number.setSuffix(" px")
        self.number.setKeyboardTracking(False)
        self.number.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.number.setToolTip(tip)
        # Just room for "500 px": napari's style pads more, which a narrow dock hasn't got.
        self.number.setStyleSheet("QSpinBox { min-width: 70px; padding: 1px 2px; }")
        there(self.number.lineEdit()).returnPressed.connect(
            self.number.clearFocus
        )  # keys are the tools' again
        label.setBuddy(self.number)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(label)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)
        follow(self, {session.brush_changed: self._on_brush})
        self._on_brush()

    def _on_slider(self, step: int) -> None:
        self.session.set_brush(diameter_of(step / _STEPS))

    def _on_number(self, diameter: int) -> None:
        self.session.set_brush(diameter)

    def _on_brush(self) -> None:
        diameter = self.session.brush
        for widget, value in (
            (self.slider, round(place_of(diameter) * _STEPS)),
            (self.number, round(diameter)),
        ):
            widget.blockSignals(True)
            widget.setValue(value)
            widget.blockSignals(False)


def diameter_of(place: float) -> float:
    """Return the brush's diameter (1..500) for a slider's place (0..1): each step larger by the same factor."""
    return float(MAX_BRUSH**place)


def place_of(diameter: float) -> float:
    """Return the slider's place (0..1) for a diameter (1..500)."""
    return math.log(max(diameter, 1.0)) / math.log(MAX_BRUSH)
