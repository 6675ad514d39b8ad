"""When and how marks are answered with a suggestion, and what the suggestion for the open picture comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from spml_napari.docks.following import follow
from spml_napari.docks.parts import SPACING, note
from spml_napari.docks.wrapped_check import WrappedCheck
from spml_napari.qt_types import slot
from spml_napari.suggestion_control import Live, Quality
from spml_napari.view_state import UNSURE

if TYPE_CHECKING:
    from spml_napari.ranking_control import RankingControl
    from spml_napari.session import Session
    from spml_napari.suggestion_control import SuggestionControl

_LIVE = (
    (Live.ON, "At once", "The picture is segmented anew whenever you mark something"),
    (Live.ENTER, "On Enter", "The picture is segmented anew when you press Enter"),
    (Live.OFF, "Off", "Marks aren't answered; only training makes segmentations"),
)
_QUALITY = (
    (Quality.PIXELS, "Fine borders", "Along the finest borders in the picture"),
    (Quality.REGIONS, "Regions", "One class for each region that can be clicked on"),
    (
        Quality.CRF,
        "Pixels, smoothed",
        "A dense CRF follows the picture's pixels; takes several times as long",
    ),
)


class SuggestOptions(QWidget):
    """Settings of a :class:`~spml_napari.suggestion_control.SuggestionControl`, and how far it is.

    Parameters
    ----------
    session : Session
    control : SuggestionControl
    ranking : RankingControl
    """

    def __init__(
        self,
        session: Session,
        control: SuggestionControl,
        ranking: RankingControl,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.control = control
        self.ranking = ranking
        self.live = _choice("suggest_live", "When marks are answered with a segmentation", _LIVE)
        self.quality = _choice("suggest_quality", "What the borders of a suggestion follow", _QUALITY)
        self.show_it = WrappedCheck(
            "suggest_show",
            "Show the suggestion, not the model's prediction",
            "What lies over the picture where there are both (Y)",
        )
        self.state = note()
        self.state.setObjectName("suggest_state")
        self.looking = note()
        self.looking.setObjectName("ranking_state")
        self.stop = QPushButton("Stop")
        self.stop.setObjectName("ranking_stop")
        self.stop.setToolTip("Look at no more pictures; what is known so far is used")
        self.stop.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Suggest", self.live)
        form.addRow("Follow", self.quality)
        progress = QHBoxLayout()
        progress.addWidget(self.looking, 1)
        progress.addWidget(self.stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addLayout(form)
        layout.addWidget(self.show_it)
        layout.addWidget(self.state)
        layout.addLayout(progress)
        self.live.activated.connect(lambda row: control.set_live(self.live.itemData(row)))
        self.quality.activated.connect(lambda row: control.set_quality(self.quality.itemData(row)))
        self.show_it.clicked.connect(lambda checked: session.view(suggested=checked))
        self.stop.clicked.connect(slot(ranking.cancel))
        control.changed.connect(self._show_state)
        ranking.changed.connect(self._show_ranking)
        follow(
            self,
            {
                session.suggestion_changed: self._show_state,
                session.picture_changed: self._show_state,
                session.overlay_changed: self._show_state,
            },
        )
        self._show_state()
        self._show_ranking()

    def _show_state(self) -> None:
        control = self.control
        self.live.setCurrentIndex(self.live.findData(control.live.value))
        self.quality.setCurrentIndex(self.quality.findData(control.quality.value))
        self.show_it.show_state(self.session.overlay.suggested)
        is_on = control.live is not Live.OFF
        self.quality.setEnabled(is_on)
        self.show_it.setEnabled(is_on)
        self.state.setText(self._in_words())
        self.state.setVisible(bool(self.state.text()))

    def _in_words(self) -> str:
        control, suggestion = self.control, self.session.suggestion
        if control.live is Live.OFF or self.session.picture is None:
            return ""
        if suggestion is None:
            return "The picture is being looked at..." if control.is_waiting else ""
        if not suggestion.says_something:
            return "Mark something: the rest of the picture is suggested at once."
        if control.live is Live.ENTER and control.is_stale:
            return "Marks have changed: press Enter."
        unsure = float((suggestion.uncertainty >= UNSURE).mean())
        if unsure < 0.005:
            return "Hardly anything is unsure. Press A once the picture is right."
        return f"Hatched: {unsure:.0%} of the picture is unsure. Tab goes where an answer helps most."

    def _show_ranking(self) -> None:
        progress = self.ranking.progress
        self.stop.setVisible(progress is not None)
        self.looking.setVisible(progress is not None)
        if progress is not None:
            self.looking.setText(f"Looking for the next picture to mark: {progress[0]} of {progress[1]}")


def _choice(name: str, tip: str, choices: tuple[tuple[Live | Quality, str, str], ...]) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setToolTip("\n".join([tip, *(f"{text}: {about}" for _, text, about in choices)]))
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    for value, text, _ in choices:
        box.addItem(text, value.value)
    return box
