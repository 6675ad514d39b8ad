"""Parts that all docks are made of, so that they look alike in the light and the dark theme."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from spml_napari.docks.primary_button import PrimaryButton

SPACING = 6
MARGIN = 8


def column(parent: QWidget) -> QVBoxLayout:
    """Layout of a dock: one thing under the other."""
    layout = QVBoxLayout(parent)
    layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
    layout.setSpacing(SPACING)
    return layout


def heading(text: str) -> QLabel:
    """Title of a group of controls."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def note(text: str = "") -> QLabel:
    """Explaining text that wraps and never widens its dock."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    label.setMinimumWidth(80)
    return label


def primary(text: str, tip: str = "") -> QPushButton:
    """Button for what the user will want to do next."""
    return PrimaryButton(text, tip)


def swatch(color: tuple[int, int, int], side: int = 14) -> QIcon:
    """Square of a class's colour, with a rim that keeps black and white visible on any theme."""
    pixmap = QPixmap(QSize(side, side))
    pixmap.fill(QColor(128, 128, 128))
    inner = QPixmap(QSize(side - 2, side - 2))
    inner.fill(QColor(*color))
    painter = QPainter(pixmap)
    painter.drawPixmap(1, 1, inner)
    painter.end()
    return QIcon(pixmap)


def scrolling(content: QWidget) -> QScrollArea:
    """The widget in an area that scrolls up and down when the window is small, never sideways."""
    area = QScrollArea()
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
