"""The thin strip of a film in a list: marks and confidence of all its frames."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QPainter

from spml_napari.docks.badges import Badge, badge_color
from spml_napari.docks.confidence_colors import band_image
from spml_napari.docks.frame_scale import frame_columns, worst_by_column
from spml_napari.film_overview import FilmOverview

SMALL_STRIP = 7
"""Height in pixels."""

_BAND = 4
_TICK = 2.0


def paint_small_strip(painter: QPainter, overview: FilmOverview, rect: QRectF) -> None:
    """Draw how the frames of a film stand: a band coloured by confidence, and ticks of marked and reviewed frames."""
    columns, count = max(1, int(rect.width())), len(overview.confidences)
    middle = rect.center().y()
    band = QRectF(rect.left(), middle - _BAND / 2, columns, _BAND)
    painter.drawImage(band, band_image(worst_by_column(overview.confidences, columns)))
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    marked = [index for index in overview.marked if index not in overview.reviewed]
    for badge, frames in ((Badge.MARKED, marked), (Badge.REVIEWED, sorted(overview.reviewed))):
        painter.setBrush(badge_color(badge))
        for column in frame_columns(frames, count, columns):
            place = min(max(column + 0.5 - _TICK / 2, 0.0), columns - _TICK)
            painter.drawRect(QRectF(rect.left() + place, rect.top(), _TICK, rect.height()))
    painter.restore()
