"""The cursor on the picture: for the brush a circle of its size, in the colour of the class."""

from __future__ import annotations

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QCursor, QPainter, QPen, QPixmap

LARGEST = 254
"""Systems draw cursors up to about this many pixels."""

_SMALLEST = 6


def brush_cursor(diameter: float, color: tuple[int, int, int] | None, ratio: float = 1.0) -> QCursor:
    """Return a circle to paint with.

    Parameters
    ----------
    diameter : float
        In logical pixels of the screen; drawn with at least 6 and at most ``LARGEST``.
    color : tuple of int or None
        Of the class (0..255); None, for rubbing out, is white.
    ratio : float
        Device pixels per logical pixel.
    """
    diameter = min(max(diameter, _SMALLEST), LARGEST)
    side = int(diameter) + 5
    side += 1 - side % 2
    pixmap = QPixmap(int(side * ratio), int(side * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    middle = QPointF(side / 2, side / 2)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    # A dark and a light line side by side are seen on any picture; the class's colour lies inside them.
    red, green, blue = color or (255, 255, 255)
    is_light = 0.3 * red + 0.6 * green + 0.1 * blue > 127
    rim = QColor(0, 0, 0, 200) if is_light else QColor(255, 255, 255, 220)
    for radius, pen in (
        (diameter / 2 + 0.5, QPen(rim, 1.5)),
        (diameter / 2 - 0.5, QPen(QColor(red, green, blue), 1.5)),
    ):
        painter.setPen(pen)
        painter.drawEllipse(middle, radius, radius)
    painter.drawPoint(middle)
    painter.end()
    return QCursor(pixmap, side // 2, side // 2)
