"""What the colours of the uncertainty map mean."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

# Stops of the map "inferno", dark to light.
_STOPS = ((0.0, "#000004"), (0.25, "#57106e"), (0.5, "#bc3754"), (0.75, "#f98e09"), (1.0, "#fcffa4"))


class HeatLegend(QWidget):
    """A strip from certain to uncertain."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heat_legend")
        self.setToolTip("Dark: the model is certain. Light: all classes seem alike.")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One strip and a line of text."""
        return QSize(200, 12 + self.fontMetrics().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw strip and words."""
        painter = QPainter(self)
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for place, color in _STOPS:
            gradient.setColorAt(place, QColor(color))
        painter.fillRect(0, 0, self.width(), 10, gradient)
        painter.setPen(self.palette().color(self.foregroundRole()))
        base = 10 + self.fontMetrics().ascent()
        painter.drawText(0, base, "certain")
        words = "uncertain"
        painter.drawText(self.width() - self.fontMetrics().horizontalAdvance(words), base, words)
