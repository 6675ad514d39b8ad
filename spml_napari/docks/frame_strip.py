"""The frames of a film at a glance: where marks are, how sure what was propagated is, where scenes begin."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QBrush,
    QColor,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from spml_napari.docks.badges import Badge, badge_color
from spml_napari.docks.confidence_colors import band_image
from spml_napari.docks.film_times import clock
from spml_napari.docks.frame_scale import FrameScale, frame_columns, runs_of, worst_by_column
from spml_napari.docks.frame_slider import MARGIN
from spml_napari.film_overview import FilmOverview

_TICKS = 9
"""Height of the row of ticks, over the band."""
_BAND = 10
_RANGE = 5
_DIMMED = 130
"""How much of the ground, of 255, lies over what is out of date."""
_REACH = 6
"""A click so many pixels beside a tick still means it."""


class FrameStrip(QWidget):
    """Ticks of marked frames over a band coloured by confidence; under it the chosen range.

    However many frames there are, each column of pixels shows the worst of those that share it.
    """

    frame_chosen = Signal(int)
    """The user wants to see this frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("frame_strip")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Frames: marks and confidence")
        self._overview = FilmOverview(np.zeros(0, np.float32))
        self._rate: float | None = None
        self._frame = 0
        self._range: tuple[int, int] | None = None
        self._drawn: QPixmap | None = None

    def show_film(self, overview: FilmOverview, frame_rate: float | None) -> None:
        """Show how the frames of a film stand."""
        self._overview, self._rate = overview, frame_rate
        self._redraw()

    def show_frame(self, index: int) -> None:
        """Show which frame is the current one."""
        if index != self._frame:
            self._frame = index
            self.update()

    def show_range(self, frames: tuple[int, int] | None) -> None:
        """Show which frames, first and last, are chosen; None for all."""
        if frames != self._range:
            self._range = frames
            self._redraw()

    @property
    def scale(self) -> FrameScale:
        """Where the frames lie: as in the slider over it."""
        count = max(1, len(self._overview.confidences))
        return FrameScale(count, MARGIN, max(1, self.width() - 2 * MARGIN))

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Ticks, band and range."""
        return QSize(300, _TICKS + _BAND + _RANGE)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Narrow, if it must be."""
        return QSize(60, _TICKS + _BAND + _RANGE)

    # Mouse ----------------------------------------------------------------------------------------------

    def frame_at(self, x: float, y: float) -> int:
        """Return the frame that a place means: beside a tick the marked one."""
        if y < _TICKS:
            marked = self.scale.nearest(x, self._overview.marked, _REACH)
            if marked is not None:
                return marked
        return self.scale.index_at(x)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Go to the frame that was clicked."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.frame_chosen.emit(self.frame_at(event.pos().x() + 0.5, event.pos().y()))

    def event(self, event: QEvent | None) -> bool:
        """Say what is known of the frame under the cursor."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            words = self.words(self.frame_at(event.pos().x() + 0.5, event.pos().y()))
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    def words(self, index: int) -> str:
        """Return what is known of a frame."""
        overview = self._overview
        if not 0 <= index < len(overview.confidences):
            return ""
        head = f"Frame {index}"
        if self._rate:
            head += f", {clock(index / self._rate)}"
        lines = [head]
        if index in overview.reviewed:
            lines.append("reviewed")
        elif index in overview.marked:
            lines.append("marked")
        if index in overview.cuts:
            lines.append("a new scene begins here")
        confidence = overview.confidences[index]
        lines.append("nothing propagated yet" if np.isnan(confidence) else f"confidence {confidence:.2f}")
        if index in overview.outdated:
            lines.append("out of date: marks or choices have changed since")
        return "\n".join(lines)

    # Painting -------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._drawn = None
        self.update()

    def resizeEvent(self, event: object) -> None:  # noqa: N802 (Qt's name)
        """Draw anew."""
        self._drawn = None

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw anew in the colours of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._redraw()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw the strip, kept from the last time, and over it where the current frame is."""
        if self._drawn is None:
            self._drawn = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn)
        scale = self.scale
        x = scale.x_of(self._frame)
        half = max(1.0, min(scale.step / 2, 3.0))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Window), 1))
        painter.setBrush(self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.WindowText))
        painter.drawRect(QRectF(x - half, _TICKS - 1, 2 * half, _BAND + 2))
        painter.end()

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(QSize(round(self.width() * ratio), round(self.height() * ratio)))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        scale = self.scale
        columns = max(1, round(scale.width * ratio))
        band = QRectF(scale.left, _TICKS, scale.width, _BAND)
        painter.drawImage(band, band_image(worst_by_column(self._overview.confidences, columns)))
        text = self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.WindowText)
        self._draw_outdated(painter, scale)
        painter.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
        count = len(self._overview.confidences)
        pixels = round(scale.width)
        for place in sorted({round(scale.edge(index)) for index in self._overview.cuts}):
            painter.drawLine(QPointF(place + 0.5, 1), QPointF(place + 0.5, _TICKS + _BAND))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for badge, frames in (
            (
                Badge.MARKED,
                [index for index in self._overview.marked if index not in self._overview.reviewed],
            ),
            (Badge.REVIEWED, sorted(self._overview.reviewed)),
        ):
            for column in frame_columns(frames, count, pixels):
                _draw_tick(painter, scale.left + column + 0.5, badge_color(badge))
        if self._range is not None:
            self._draw_range(painter, scale, text)
        painter.end()
        return pixmap

    def _draw_outdated(self, painter: QPainter, scale: FrameScale) -> None:
        """Hatch what comes from other marks than are there now."""
        ground = self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.Window)
        for first, last in runs_of(self._overview.outdated):
            left, right = scale.edge(first), scale.edge(last + 1)
            where = QRectF(left, _TICKS, max(1.0, right - left), _BAND)
            painter.fillRect(where, QColor(ground.red(), ground.green(), ground.blue(), _DIMMED))
            painter.fillRect(where, QBrush(ground, Qt.BrushStyle.BDiagPattern))

    def _draw_range(self, painter: QPainter, scale: FrameScale, color: QColor) -> None:
        assert self._range is not None
        left, right = scale.edge(self._range[0]), scale.edge(self._range[1] + 1)
        y = _TICKS + _BAND + _RANGE - 1.5
        painter.setPen(QPen(color, 1.5))
        painter.drawPolyline(
            QPolygonF([QPointF(left + 0.75, y - 3), QPointF(left + 0.75, y), QPointF(right - 0.75, y)])
        )
        painter.drawLine(QPointF(right - 0.75, y), QPointF(right - 0.75, y - 3))


def _draw_tick(painter: QPainter, x: float, color: QColor) -> None:
    """A small triangle that points at its frame."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawPolygon(QPolygonF([QPointF(x - 4, 0.5), QPointF(x + 4, 0.5), QPointF(x, _TICKS - 1)]))
