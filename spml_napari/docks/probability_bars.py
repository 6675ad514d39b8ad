"""Bars that tell how probable each class is at the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from spml_napari.docks.parts import note

_ROWS = 5
_FEWEST_ROWS = 3  # which words in their place may need
_INDENT = 5


class ProbabilityBars(QWidget):
    """The most probable classes at one pixel, most probable first, at most five."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, tuple[int, int, int], float]] = []
        self._reserved = _ROWS
        self._words = note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._words)
        layout.addStretch(1)
        self.setObjectName("probability_bars")
        self.setToolTip("How probable each class is under the cursor")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def rows(self) -> list[tuple[str, tuple[int, int, int], float]]:
        """Name, colour and probability (0..1) of what is shown."""
        return self._rows

    def show_rows(self, rows: Sequence[tuple[str, tuple[int, int, int], float]]) -> None:
        """Show classes by name, colour and probability (0..1)."""
        self._rows = sorted(rows, key=lambda row: -row[2])[:_ROWS]
        self._words.hide()
        self.update()

    def say(self, text: str) -> None:
        """Show words in place of bars."""
        if text != self._words.text() or self._rows:
            self._rows = []
            self._words.setText(text)
            self._words.show()
            self.update()

    def reserve(self, rows: int) -> None:
        """Keep room for so many classes, five at most, whatever is shown: nothing jumps as the cursor moves."""
        rows = min(max(rows, _FEWEST_ROWS), _ROWS)
        if rows != self._reserved:
            self._reserved = rows
            self.updateGeometry()

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        """The height is the same for words and for bars."""
        return False

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Room for the rows."""
        return QSize(200, self._reserved * self._row_height())

    def _row_height(self) -> int:
        return self._words.fontMetrics().height() + 6

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw the bars."""
        if not self._rows:
            return
        painter = QPainter(self)
        painter.setFont(self._words.font())
        color = self.palette().color(self.foregroundRole())
        metrics, height = self._words.fontMetrics(), self._row_height()
        share = metrics.horizontalAdvance("100%") + 4
        room = self.width() - _INDENT
        name_width = min(room * 0.45, 140.0)
        bar_width = max(10.0, room - name_width - share - 8)
        for number, (name, fill, probability) in enumerate(self._rows):
            top = number * height
            painter.setPen(color)
            elided = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, int(name_width) - 6)
            painter.drawText(QRectF(_INDENT, top, name_width, height), Qt.AlignmentFlag.AlignVCenter, elided)
            trough = QRectF(_INDENT + name_width, top + 4, bar_width, height - 8)
            painter.fillRect(trough, QColor(128, 128, 128, 60))
            trough.setWidth(bar_width * probability)
            painter.fillRect(trough, QColor(*fill))
            painter.setPen(QColor(128, 128, 128))
            painter.drawRect(trough)
            painter.setPen(color)
            right = QRectF(self.width() - share, top, share, height)
            aligned = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(right, aligned, f"{probability:.0%}")
        painter.end()
