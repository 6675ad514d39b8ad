"""Icons drawn from paths, in the colour that the theme gives to text: sharp on any screen, legible on any theme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

GRID = 24.0
"""Icons are drawn on a square of so many units."""
_PEN = 1.7
_FADED = 0.35


@dataclass
class Drawing:
    """What an icon is made of: lines (drawn with a round pen) and areas (filled), on the grid."""

    lines: QPainterPath = field(default_factory=QPainterPath)
    areas: QPainterPath = field(default_factory=QPainterPath)

    def line(self, *points: tuple[float, float]) -> Drawing:
        """Add a line through these (x, y)."""
        self.lines.moveTo(*points[0])
        for point in points[1:]:
            self.lines.lineTo(*point)
        return self

    def area(self, *points: tuple[float, float]) -> Drawing:
        """Add a filled polygon with these corners (x, y)."""
        self.areas.addPolygon(QPolygonF([QPointF(*point) for point in points]))
        self.areas.closeSubpath()
        return self

    def dot(self, x: float, y: float, radius: float) -> Drawing:
        """Add a filled disc."""
        self.areas.addEllipse(QPointF(x, y), radius, radius)
        return self

    def ring(self, x: float, y: float, radius: float) -> Drawing:
        """Add a circle."""
        self.lines.addEllipse(QPointF(x, y), radius, radius)
        return self


def _move() -> Drawing:
    drawing = Drawing().line((12, 4), (12, 20)).line((4, 12), (20, 12))
    for dx, dy in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        tip = (12 + 10 * dx, 12 + 10 * dy)
        base = (12 + 6.5 * dx, 12 + 6.5 * dy)
        drawing.area(tip, (base[0] + 3 * dy, base[1] + 3 * dx), (base[0] - 3 * dy, base[1] - 3 * dx))
    return drawing


def _scribble() -> Drawing:
    drawing = Drawing()
    drawing.lines.moveTo(3, 17)
    drawing.lines.cubicTo(5, 4, 10, 4, 10, 11)
    drawing.lines.cubicTo(10, 19, 14, 21, 16, 13)
    drawing.lines.cubicTo(17, 8, 19, 7, 21, 8)
    return drawing


def _point() -> Drawing:
    drawing = Drawing().dot(12, 12, 2.6).ring(12, 12, 6.5)
    for dx, dy in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        drawing.line((12 + 6.5 * dx, 12 + 6.5 * dy), (12 + 10 * dx, 12 + 10 * dy))
    return drawing


def _key_point() -> Drawing:
    """The parts of a figure, joined; the marked one with a ring."""
    drawing = Drawing().line((12, 9.5), (12, 15), (7, 21)).line((12, 15), (17, 21)).line((5, 12), (19, 12))
    for x, y in ((5, 12), (19, 12), (7, 21), (17, 21)):
        drawing.dot(x, y, 1.7)
    return drawing.dot(12, 6, 1.9).ring(12, 6, 4)


def _box() -> Drawing:
    drawing = Drawing()
    drawing.lines.addRect(QRectF(5, 6.5, 14, 11))
    for x in (5, 19):
        for y in (6.5, 17.5):
            drawing.areas.addRect(QRectF(x - 2, y - 2, 4, 4))
    return drawing


def _tag() -> Drawing:
    drawing = Drawing().line((3.5, 3.5), (12, 3.5), (20.5, 12), (12, 20.5), (3.5, 12), (3.5, 3.5))
    return drawing.dot(8, 8, 1.8)


def _erase() -> Drawing:
    drawing = Drawing().line((9.5, 19.5), (3.5, 13.5), (13, 4), (20.5, 11.5), (12.5, 19.5), (9.5, 19.5))
    return drawing.area((3.5, 13.5), (8.2, 8.8), (15.5, 16.5), (12.5, 19.5), (9.5, 19.5)).line(
        (9, 20), (21, 20)
    )


def _pick() -> Drawing:
    drawing = Drawing().line((3.5, 3.5), (20.5, 3.5), (20.5, 20.5), (3.5, 20.5), (3.5, 3.5))
    drawing.line((10, 3.5), (8, 10), (3.5, 13)).line((8, 10), (14.5, 13), (20.5, 9)).line(
        (14.5, 13), (12, 20.5)
    )
    return drawing.area((3.5, 13), (8, 10), (14.5, 13), (12, 20.5), (3.5, 20.5))


def _answer() -> Drawing:
    """A tick on a piece of a picture."""
    drawing = Drawing().line((3.5, 3.5), (20.5, 3.5), (20.5, 20.5), (3.5, 20.5), (3.5, 3.5))
    return drawing.line((7.5, 12.5), (11, 16), (17, 8))


def _why() -> Drawing:
    drawing = Drawing().ring(12, 12, 9)
    drawing.lines.moveTo(9, 9.8)
    drawing.lines.cubicTo(9, 5.8, 15.2, 5.8, 15.2, 9.6)
    drawing.lines.cubicTo(15.2, 12, 12, 12, 12, 14.4)
    return drawing.dot(12, 17.2, 1.2)


def _eye() -> Drawing:
    drawing = Drawing()
    drawing.lines.moveTo(2, 12)
    drawing.lines.cubicTo(7, 4.5, 17, 4.5, 22, 12)
    drawing.lines.cubicTo(17, 19.5, 7, 19.5, 2, 12)
    return drawing.dot(12, 12, 3.2)


def _eye_off() -> Drawing:
    drawing = Drawing()
    drawing.lines.moveTo(2, 10)
    drawing.lines.cubicTo(7, 17, 17, 17, 22, 10)
    for x, y in ((5, 13.2), (12, 15.3), (19, 13.2)):
        drawing.line((x, y), (x + (x - 12) * 0.25, y + 4))
    return drawing


def _undo() -> Drawing:
    drawing = Drawing().area((2.5, 9), (9, 3.5), (9, 14.5))
    drawing.lines.moveTo(8, 9)
    drawing.lines.cubicTo(24, 8, 23, 21, 11, 19.5)
    return drawing


def _redo() -> Drawing:
    drawing = Drawing().area((21.5, 9), (15, 3.5), (15, 14.5))
    drawing.lines.moveTo(16, 9)
    drawing.lines.cubicTo(0, 8, 1, 21, 13, 19.5)
    return drawing


def _delete() -> Drawing:
    drawing = Drawing().line((6, 7), (7, 20.5), (17, 20.5), (18, 7)).line((4, 7), (20, 7))
    return (
        drawing.line((9.5, 6.5), (9.5, 3.8), (14.5, 3.8), (14.5, 6.5))
        .line((10, 11), (10.3, 17))
        .line((14, 11), (13.7, 17))
    )


def _import() -> Drawing:
    """An arrow into a tray."""
    drawing = Drawing().line((4, 14), (4, 20), (20, 20), (20, 14)).line((12, 3), (12, 11))
    return drawing.area((12, 16.5), (7.5, 10), (16.5, 10))


def _film() -> Drawing:
    """A piece of film with its holes."""
    drawing = Drawing().line((3.5, 5), (20.5, 5), (20.5, 19), (3.5, 19), (3.5, 5))
    for x in (6.5, 12, 17.5):
        for y in (7.6, 16.4):
            drawing.dot(x, y, 1.1)
    return drawing.line((3.5, 10.2), (20.5, 10.2)).line((3.5, 13.8), (20.5, 13.8))


def _merge() -> Drawing:
    drawing = Drawing().line((4, 5), (11, 12), (17, 12)).line((4, 19), (11, 12))
    return drawing.area((22, 12), (16, 8), (16, 16))


_DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "move": _move,
    "scribble": _scribble,
    "point": _point,
    "key_point": _key_point,
    "box": _box,
    "tag": _tag,
    "erase": _erase,
    "pick": _pick,
    "answer": _answer,
    "why": _why,
    "eye": _eye,
    "eye_off": _eye_off,
    "undo": _undo,
    "redo": _redo,
    "add": lambda: Drawing().line((12, 4), (12, 20)).line((4, 12), (20, 12)),
    "delete": _delete,
    "import": _import,
    "merge": _merge,
    "up": lambda: Drawing().line((12, 20), (12, 5)).line((5.5, 11), (12, 4.5), (18.5, 11)),
    "down": lambda: Drawing().line((12, 4), (12, 19)).line((5.5, 13), (12, 19.5), (18.5, 13)),
    "play": lambda: Drawing().area((7, 4.5), (20, 12), (7, 19.5)),
    "pause": lambda: (
        Drawing().area((6, 5), (10, 5), (10, 19), (6, 19)).area((14, 5), (18, 5), (18, 19), (14, 19))
    ),
    "frame_back": lambda: Drawing().area((15, 5), (15, 19), (5.5, 12)).line((18.5, 6), (18.5, 18)),
    "frame_on": lambda: Drawing().area((9, 5), (9, 19), (18.5, 12)).line((5.5, 6), (5.5, 18)),
    "film": _film,
    "warning": lambda: (
        Drawing().line((12, 4), (21, 20), (3, 20), (12, 4)).line((12, 10), (12, 14.5)).dot(12, 17.2, 0.9)
    ),
    "folded": lambda: Drawing().area((8, 5), (17, 12), (8, 19)),
    "unfolded": lambda: Drawing().area((5, 8), (19, 8), (12, 17)),
}
ICONS = tuple(_DRAWINGS)
"""Names of all icons."""


def paint_icon(painter: QPainter, name: str, rect: QRectF, color: QColor) -> None:
    """Draw an icon into a square of a painter.

    Parameters
    ----------
    painter : QPainter
    name : str
        One of ``ICONS``.
    rect : QRectF
    color : QColor
    """
    drawing = _DRAWINGS[name]()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(rect.topLeft())
    painter.scale(rect.width() / GRID, rect.height() / GRID)
    pen = QPen(color, _PEN)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(drawing.lines)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawPath(drawing.areas)
    painter.restore()


def icon(name: str, color: QColor, side: int = 22) -> QIcon:
    """An icon of one colour; where its button is disabled, faded.

    Parameters
    ----------
    name : str
        One of ``ICONS``.
    color : QColor
    side : int
        In pixels; a second one of twice the size is made for dense screens.
    """
    faded = QColor(color)
    faded.setAlphaF(_FADED)
    made = QIcon()
    for mode, shade in ((QIcon.Mode.Normal, color), (QIcon.Mode.Disabled, faded)):
        for ratio in (1, 2):
            pixmap = QPixmap(QSize(side, side) * ratio)
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            paint_icon(painter, name, QRectF(0, 0, side, side), shade)
            painter.end()
            made.addPixmap(pixmap, mode)
    return made
