"""Why a place got its class: the nearest labelled segments, as thumbnails to click."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap, QResizeEvent
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from spml_core.engine.background.messages import Reason, Reasons
from spml_core.errors import SpmlError
from spml_core.project import PictureRecord, Project

if TYPE_CHECKING:
    from spml_napari.session import Session

_SIDE = 80
_CELL = QSize(_SIDE + 12, _SIDE + 48)
_SPACING = 4
_CROP = 120


class ReasonsList(QListWidget):
    """Thumbnails of labelled segments. A click emits ``chosen(picture, y, x)``.

    Parameters
    ----------
    session : Session
    submit : callable
        Runs a function in the background: ``submit(function, *arguments, done=..., failed=...)``.
    """

    chosen = Signal(str, float, float)

    def __init__(
        self, session: Session, submit: Callable[..., object], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._submit = submit
        self._generation = 0
        self.setObjectName("reasons")
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setMovement(QListWidget.Movement.Static)
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setSpacing(_SPACING)
        self.setWordWrap(True)
        self.setVisible(False)
        self.itemClicked.connect(self._on_click)
        self.itemActivated.connect(self._on_click)

    def show_reasons(self, reasons: Reasons) -> None:
        """Show what was found, most similar first; pictures come as they are read."""
        self.clear()
        self._generation += 1
        self.setVisible(bool(reasons.reasons))
        project = self._session.project
        if project is None:
            return
        classes = self._session.classes
        for reason in reasons.reasons:
            if reason.class_index >= len(classes):
                continue
            info = classes.classes[reason.class_index]
            item = QListWidgetItem(f"{info.name}\n{reason.similarity:.0%} alike")
            item.setSizeHint(_CELL)
            item.setToolTip(f"{info.name}, in {reason.picture}. Click to go there.")
            item.setData(Qt.ItemDataRole.UserRole, (reason.picture, reason.y, reason.x))
            self.addItem(item)
            try:
                record = project.picture(reason.picture)
            except SpmlError:
                continue
            generation, row = self._generation, self.count() - 1
            self._submit(
                _crop,
                project,
                record,
                reason,
                done=lambda crop, g=generation, r=row, c=info.color: self._set_icon(g, r, crop, c),
                failed=self._session.report,
            )

        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Fewer go into a line of a narrow dock."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Be as high as the lines are, two of them at most."""
        in_line = max(1, self.width() // (_CELL.width() + 2 * _SPACING))
        lines = min(2, max(1, -(-self.count() // in_line)))
        self.setFixedHeight(lines * (_CELL.height() + 2 * _SPACING) + 2 * _SPACING)

    def _set_icon(
        self, generation: int, row: int, crop: NDArray[np.uint8] | None, color: tuple[int, int, int]
    ) -> None:
        item = self.item(row)
        if generation != self._generation or item is None or not isinstance(crop, np.ndarray):
            return
        height, width = crop.shape[:2]
        image = QImage(crop.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        pixmap = QPixmap.fromImage(image).scaled(
            _SIDE, _SIDE, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        painter = QPainter(pixmap)
        painter.setPen(QPen(QColor(*color), 5))
        painter.drawRect(pixmap.rect())
        painter.end()
        item.setIcon(QIcon(pixmap))

    def _on_click(self, item: QListWidgetItem) -> None:
        self.chosen.emit(*item.data(Qt.ItemDataRole.UserRole))


def _crop(project: Project, record: PictureRecord, reason: Reason) -> NDArray[np.uint8] | None:
    """Pixels around a segment, (h, w, 3); None if the picture can't be read any more."""
    try:
        picture = project.open_picture(record)
        height, width = picture.size
        h, w = min(_CROP, height), min(_CROP, width)
        top = int(min(max(reason.y - h / 2, 0), height - h))
        left = int(min(max(reason.x - w / 2, 0), width - w))
        return picture.rgb_window(top, left, h, w)
    except SpmlError:
        return None
