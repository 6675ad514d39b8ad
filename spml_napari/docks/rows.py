"""Rows of a list: a thumbnail, a title with a line under it, and badges."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFontMetrics, QKeyEvent, QKeySequence, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import (
    QApplication,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from spml_napari.docks.badges import Badge, paint_badge
from spml_napari.docks.small_strip import SMALL_STRIP, paint_small_strip
from spml_napari.qt_types import there

ID_ROLE = Qt.ItemDataRole.UserRole
SUBTITLE_ROLE = Qt.ItemDataRole.UserRole + 1
BADGES_ROLE = Qt.ItemDataRole.UserRole + 2
FADED_ROLE = Qt.ItemDataRole.UserRole + 3
FILM_ROLE = Qt.ItemDataRole.UserRole + 4
STRIP_ROLE = Qt.ItemDataRole.UserRole + 5

_BOX = QSize(60, 45)
_GAP = 6
_BADGE = 15
_FADED = 0.45
_KEYS = frozenset(
    {
        Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
        Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Return, Qt.Key.Key_Enter,
    }
)  # fmt: skip


class RowDelegate(QStyledItemDelegate):
    """Paints a row from its item's data.

    Besides Qt's own display and decoration (a pixmap) roles: ``SUBTITLE_ROLE`` (str), ``BADGES_ROLE`` (tuple of Badge),
    ``FADED_ROLE`` (bool) and ``STRIP_ROLE`` (FilmOverview, or None without).
    """

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Return the same size for all rows, so that a list of thousands needs to ask once."""
        lines = 2 * QFontMetrics(option.font).height() + 4
        return QSize(_BOX.width() + 100, max(_BOX.height(), lines) + _GAP)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint a row."""
        look = QStyleOptionViewItem(option)
        self.initStyleOption(look, index)
        widget = look.widget
        style = there(widget.style() if widget is not None else QApplication.style())
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, look, painter, widget)
        painter.save()
        if index.data(FADED_ROLE):
            painter.setOpacity(_FADED)
        area = look.rect.adjusted(_GAP, _GAP // 2, -_GAP, -_GAP // 2)
        box = QRect(area.left(), area.center().y() - _BOX.height() // 2, _BOX.width(), _BOX.height())
        self._paint_thumbnail(painter, index.data(Qt.ItemDataRole.DecorationRole), box)
        # Two lines of text, one above and one below the middle; the badges stand in the upper.
        metrics = QFontMetrics(look.font)
        text = QRect(box.right() + _GAP + 2, area.center().y() - metrics.height() + 1, 0, metrics.height())
        text.setRight(area.right())
        strip = index.data(STRIP_ROLE)
        if strip is not None:
            text.translate(0, -(SMALL_STRIP + 1) // 2)
            below = QRectF(text.left(), text.top() + 2 * metrics.height() + 1, text.width(), SMALL_STRIP)
            paint_small_strip(painter, strip, below)
        title = text.adjusted(0, 0, -self._paint_badges(painter, index.data(BADGES_ROLE) or (), text), 0)
        self._paint_text(painter, look, title, index.data(Qt.ItemDataRole.DisplayRole), 1.0)
        subtitle = text.translated(0, metrics.height())
        self._paint_text(painter, look, subtitle, index.data(SUBTITLE_ROLE), 0.65)
        painter.restore()

    def _paint_thumbnail(self, painter: QPainter, pixmap: QPixmap | None, box: QRect) -> None:
        if pixmap is None or pixmap.isNull():
            painter.fillRect(box, QColor(128, 128, 128, 50))
            return
        size = pixmap.size().scaled(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
        target = QRect(box.topLeft(), size)
        target.moveCenter(box.center())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(target, pixmap)

    def _paint_badges(self, painter: QPainter, badges: tuple[Badge, ...], line: QRect) -> int:
        """Paint them at the right end of a line; the width that they take."""
        right = line.right()
        for badge in reversed(badges):
            paint_badge(
                painter, badge, QRectF(right - _BADGE, line.center().y() - _BADGE / 2, _BADGE, _BADGE)
            )
            right -= _BADGE + 4
        return line.right() - right

    def _paint_text(
        self, painter: QPainter, look: QStyleOptionViewItem, line: QRect, text: object, opacity: float
    ) -> None:
        chosen = bool(look.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        color = look.palette.color(QPalette.ColorGroup.Active, role)
        color.setAlphaF(opacity)
        painter.setPen(color)
        metrics = QFontMetrics(look.font)
        elided = Qt.TextElideMode.ElideMiddle if opacity == 1 else Qt.TextElideMode.ElideRight
        words = metrics.elidedText(str(text or ""), elided, line.width())
        painter.drawText(line.left(), line.top() + metrics.ascent(), words)


class RowList(QListView):
    """A list of such rows, quick with thousands of them. Letters are left to the window's shortcuts.

    Parameters
    ----------
    name : str
        Its object name.
    """

    delete_pressed = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setItemDelegate(RowDelegate(self))
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Move about, select, open and delete."""
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        elif event.key() in _KEYS or event.matches(QKeySequence.StandardKey.SelectAll):
            super().keyPressEvent(event)
        else:
            event.ignore()
