"""A slider over the frames of a film, in line with the strip under it."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QAbstractSlider, QSizePolicy, QStyle, QStyleOption, QWidget

from spml_napari.docks.frame_scale import FrameScale

HEIGHT = 20
MARGIN = 8
"""Room left and right of the frames, for half a handle."""
_RADIUS = 6.5
_PAGE = 10


class FrameSlider(QAbstractSlider):
    """Frames from left to right. A press anywhere goes there, and a drag goes on from there.

    The arrow keys, Page Up and Down, Home and End work, too, and so does the wheel.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("frame_slider")
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setRange(0, 0)
        self.setSingleStep(1)
        self.setPageStep(_PAGE)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Drag through the film")
        self.setAccessibleName("Frame")

    @property
    def scale(self) -> FrameScale:
        """Where the frames lie."""
        return FrameScale(self.maximum() + 1, MARGIN, max(1, self.width() - 2 * MARGIN))

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One row."""
        return QSize(300, HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Narrow, if it must be."""
        return QSize(60, HEIGHT)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Take the handle to where the press is."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._drag_to(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Drag the handle."""
        if event is not None and self.isSliderDown():
            self._drag_to(event)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Let the handle go."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self.isSliderDown():
            self._drag_to(event)
            self.setSliderDown(False)

    def _drag_to(self, event: QMouseEvent) -> None:
        self.setSliderPosition(self.scale.index_at(_x_of(event)))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Draw a thin line, stronger up to the current frame, and a handle, in the theme's colours."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.WindowText)
        scale, middle = self.scale, self.height() / 2
        x = scale.x_of(self.sliderPosition())
        faint, strong = QColor(text), QColor(text)
        faint.setAlpha(60)
        strong.setAlpha(150)
        painter.setPen(Qt.PenStyle.NoPen)
        for color, right in ((faint, scale.left + scale.width), (strong, x)):
            painter.setBrush(color)
            painter.drawRoundedRect(QRectF(scale.left, middle - 1.5, right - scale.left, 3), 1.5, 1.5)
        painter.setBrush(text)
        painter.drawEllipse(QPointF(x, middle), _RADIUS, _RADIUS)
        if self.hasFocus():
            option = QStyleOption()
            option.initFrom(self)
            if option.state & QStyle.StateFlag.State_KeyboardFocusChange:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(strong, 1.5))
                painter.drawEllipse(QPointF(x, middle), _RADIUS + 2, _RADIUS + 2)
        painter.end()


def _x_of(event: QMouseEvent) -> float:
    return float(event.pos().x()) + 0.5
