"""Marks that tell how a picture stands: each has a colour and a shape of its own."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF


class Badge(StrEnum):
    """How a picture stands. A picture may be marked and predicted at once."""

    UNTOUCHED = "untouched"
    MARKED = "marked"
    PREDICTED = "predicted"
    REVIEWED = "reviewed"
    MISSING = "missing"


# Okabe and Ito's, which are told apart with any kind of colour vision; mid-tones, seen on light and on dark.
_COLORS = {
    Badge.UNTOUCHED: QColor(140, 140, 140),
    Badge.MARKED: QColor(230, 159, 0),
    Badge.PREDICTED: QColor(70, 160, 220),
    Badge.REVIEWED: QColor(0, 158, 115),
    Badge.MISSING: QColor(213, 94, 0),
}
_WHITE = QColor(255, 255, 255)


def badge_color(badge: Badge) -> QColor:
    """Return the colour that stands for it, also where there is no room for its shape."""
    return QColor(_COLORS[badge])


def paint_badge(painter: QPainter, badge: Badge, rect: QRectF) -> None:
    """Draw a badge into a square: ring, pen stroke, diamond, disc with a tick, or triangle with a bang."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(rect.topLeft())
    painter.scale(rect.width() / 16, rect.height() / 16)
    color = _COLORS[badge]
    painter.setBrush(color)
    painter.setPen(Qt.PenStyle.NoPen)
    if badge is Badge.UNTOUCHED:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(color, 1.5))
        painter.drawEllipse(QRectF(4, 4, 8, 8))
    elif badge is Badge.MARKED:
        painter.setPen(_pen(color, 3.4))
        painter.drawPolyline(_polygon((3, 11), (6, 5), (9.5, 11), (13, 5)))
    elif badge is Badge.PREDICTED:
        painter.drawPolygon(_polygon((8, 1.5), (14.5, 8), (8, 14.5), (1.5, 8)))
    elif badge is Badge.REVIEWED:
        painter.drawEllipse(QRectF(1, 1, 14, 14))
        painter.setPen(_pen(_WHITE, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(_polygon((4.5, 8.5), (7, 11), (11.5, 5.5)))
    else:
        painter.drawPolygon(_polygon((8, 1), (15.5, 14.5), (0.5, 14.5)))
        painter.setPen(_pen(_WHITE, 1.8))
        painter.drawLine(QPointF(8, 6), QPointF(8, 9.5))
        painter.drawPoint(QPointF(8, 12.2))
    painter.restore()


@lru_cache
def badge_icon(badge: Badge, side: int = 16) -> QIcon:
    """Return the badge as an icon; made once the application is there."""
    icon = QIcon()
    for ratio in (1, 2):
        pixmap = QPixmap(QSize(side, side) * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        paint_badge(painter, badge, QRectF(0, 0, side, side))
        painter.end()
        icon.addPixmap(pixmap)
    return icon


def _pen(color: QColor, width: float) -> QPen:
    pen = QPen(color, width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen


def _polygon(*points: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(*point) for point in points])
