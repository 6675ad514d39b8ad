"""Explains the overlay of seeds, and says when there is nothing to see yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from spml_core.annotations import CoarseMarks
from spml_napari.docks.following import follow
from spml_napari.docks.parts import note
from spml_napari.view_state import OverlayMode

if TYPE_CHECKING:
    from spml_napari.seed_control import SeedControl
    from spml_napari.session import Session

_LEGEND = (
    "<b>Hatched</b>: what boxes, key points and tags were taken for. <b>Filled</b>: what you painted. <b>Clear</b>: not"
    " known. Scribble over what is wrong; the pick tool (G) makes a hatched region yours."
)
_NO_COARSE = "There is no box, key point or tag in this picture, so there are no seeds: only what you painted is known."
_NO_MODEL = (
    "Tags show no seeds before the first training: until then nobody knows where in the picture they are."
)


class SeedsNote(QWidget):
    """Shown while the overlay shows seeds.

    Parameters
    ----------
    session : Session
    control : SeedControl
    """

    def __init__(self, session: Session, control: SeedControl, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._control = control
        self.text = note()
        self.text.setObjectName("seeds_note")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        control.changed.connect(self._show_text)
        follow(
            self,
            {
                session.overlay_changed: self._show_text,
                session.seeds_changed: self._show_text,
                session.picture_changed: self._show_text,
                session.marks_changed: self._show_text,
            },
        )
        self._show_text()

    def _show_text(self) -> None:
        is_shown = self._session.overlay.mode is OverlayMode.SEEDS and self._session.picture is not None
        self.setVisible(is_shown)
        if not is_shown:
            return
        coarse = CoarseMarks.of(self._session.marks().values())
        if self._control.is_waiting and self._session.seeds is None:
            text = "The seeds are being worked out..."
        elif not coarse:
            text = _NO_COARSE
        elif coarse.tags and not self._control.has_model:
            text = f"{_LEGEND}<br>{_NO_MODEL}" if coarse.boxes or coarse.key_points else _NO_MODEL
        else:
            text = _LEGEND
        self.text.setText(text)
