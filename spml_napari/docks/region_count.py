"""Coarser or finer regions: a slider whose steps grow with their number, and the number itself."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QSpinBox, QWidget

from spml_napari.docks.parts import SPACING
from spml_napari.qt_types import there

REGIONS = (10, 5000)
"""Fewest and most regions that a picture is cut into."""
DEFAULT_REGIONS = 300
_STEPS = 100


class RegionCount(QWidget):
    """Into how many regions a picture is cut: always the same tree of regions, cut higher up or further down."""

    changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Left for coarser regions, right for finer ones: a picture is cut into about so many to be clicked on"
        label = QLabel("Regions")
        label.setToolTip(tip)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("region_slider")
        self.slider.setAccessibleName("Coarser or finer regions")
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 10)
        self.slider.setToolTip(tip)
        self.slider.setMinimumWidth(30)
        self.slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.number = QSpinBox()
        self.number.setObjectName("region_count")
        self.number.setAccessibleName("Number of regions")
        self.number.setRange(*REGIONS)
        self.number.setSingleStep(50)
        self.number.setKeyboardTracking(False)
        self.number.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.number.setToolTip(tip)
        # Just room for four digits: napari's style pads more, which a narrow dock hasn't got.
        self.number.setStyleSheet("QSpinBox { min-width: 60px; padding: 1px 2px; }")
        there(self.number.lineEdit()).returnPressed.connect(self.number.clearFocus)
        label.setBuddy(self.number)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(label)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)
        self.number.setValue(DEFAULT_REGIONS)
        self._show(DEFAULT_REGIONS)
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)

    @property
    def count(self) -> int:
        """About how many regions."""
        return self.number.value()

    def _on_slider(self, step: int) -> None:
        self.number.setValue(count_of(step / _STEPS))

    def _on_number(self, count: int) -> None:
        self._show(count)
        self.changed.emit(count)

    def _show(self, count: int) -> None:
        if count_of(self.slider.value() / _STEPS) != count:
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(place_of(count) * _STEPS))


def count_of(place: float) -> int:
    """Number of regions for a slider's place (0..1): each step more by the same factor."""
    fewest, most = REGIONS
    return round(fewest * math.pow(most / fewest, place))


def place_of(count: int) -> float:
    """The slider's place (0..1) for a number of regions."""
    fewest, most = REGIONS
    return math.log(count / fewest) / math.log(most / fewest)
