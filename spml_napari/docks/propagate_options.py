"""How marks are to be propagated: which frames, in what direction, and how motion is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from spml_napari.docks.following import follow
from spml_napari.docks.parts import SPACING
from spml_napari.docks.wrapped_check import WrappedCheck
from spml_napari.propagation_outlook import raft_is_here
from spml_napari.qt_types import slot

if TYPE_CHECKING:
    from spml_napari.propagation_control import PropagationControl
    from spml_napari.session import Session

_DIRECTIONS = (("Both ways", "both"), ("Forward only", "forward"), ("Backward only", "backward"))
_FLOWS = (("Quick (DIS)", "dis"), ("Fine, slower (DeepFlow)", "deepflow"))
_LEARNED = ("Learned, wants a GPU (RAFT)", "raft")
_RANGE_TIP = "First and last frame to propagate to, counted from 0"


class PropagateOptions(QWidget):
    """Form that fills :attr:`PropagationControl.choices` and the session's range of frames.

    Parameters
    ----------
    session : Session
    control : PropagationControl
    """

    def __init__(self, session: Session, control: PropagationControl, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.control = control
        self.first, self.last = (
            _frame("propagate_first", "First frame"),
            _frame("propagate_last", "Last frame"),
        )
        self.whole = QPushButton("Whole film")
        self.whole.setObjectName("propagate_whole")
        self.whole.setToolTip("Propagate to all frames of the film")
        self.from_here = QPushButton("From here on")
        self.from_here.setObjectName("propagate_from_here")
        self.from_here.setToolTip("Propagate from the frame that is shown to the end of the film")
        self.direction = _choice(
            "propagate_direction", "From each marked frame: to the frames after it, before it, or both"
        )
        for words, value in _DIRECTIONS:
            self.direction.addItem(words, value)
        self.flow = _choice(
            "propagate_flow",
            "How the motion between two frames is found.\n"
            "Quick is right for most films; fine follows large and fast motion better.",
        )
        for words, value in (*_FLOWS, *((_LEARNED,) if raft_is_here() else ())):
            self.flow.addItem(words, value)
        self.follow = WrappedCheck(
            "propagate_follow",
            "Show each frame as it is done",
            "The picture goes along with the propagation, until you go to another frame or mark something",
        )
        self.after_mark = WrappedCheck(
            "propagate_after_mark",
            "Propagate after every mark",
            "Begin by itself whenever marks of the film have changed",
        )
        self._lay_out()
        self.first.valueChanged.connect(self._on_range)
        self.last.valueChanged.connect(self._on_range)
        self.whole.clicked.connect(slot(lambda: session.set_film_range(None)))
        self.from_here.clicked.connect(slot(self._take_from_here))
        self.direction.currentIndexChanged.connect(self._choose)
        self.flow.currentIndexChanged.connect(self._choose)
        self.follow.clicked.connect(control.set_following)
        self.after_mark.clicked.connect(self._choose)
        control.choices_changed.connect(self._show_choices)
        control.follower.changed.connect(self._show_choices)
        control.state_changed.connect(self._on_state)
        follow(
            self, {session.picture_changed: self._show_range, session.film_range_changed: self._show_range}
        )
        self._show_range()
        self._show_choices()

    def _lay_out(self) -> None:
        frames = QHBoxLayout()
        frames.setSpacing(SPACING)
        frames.addWidget(self.first, 1)
        frames.addWidget(QLabel("to"))
        frames.addWidget(self.last, 1)
        quick = QHBoxLayout()
        quick.setSpacing(SPACING)
        quick.addWidget(self.whole, 1)
        quick.addWidget(self.from_here, 1)
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Frames", frames)
        form.addRow(quick)
        form.addRow("Direction", self.direction)
        form.addRow("Motion", self.flow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.follow)
        layout.addWidget(self.after_mark)

    # Range --------------------------------------------------------------------------------------------

    def _show_range(self) -> None:
        film = self.session.film
        if film is None:
            return
        first, last = self.session.film_range or (0, film.count - 1)
        for box, value in ((self.first, first), (self.last, last)):
            with QSignalBlocker(box):
                box.setRange(0, film.count - 1)
                box.setValue(value)
        self.whole.setEnabled(self.session.film_range is not None)

    def _on_range(self) -> None:
        film = self.session.film
        if film is None:
            return
        first, last = self.first.value(), self.last.value()
        if first > last:  # the box that was changed wins
            first = last = first if self.sender() is self.first else last
        is_whole = (first, last) == (0, film.count - 1)
        self.session.set_film_range(None if is_whole else (first, last))
        self._show_range()

    def _take_from_here(self) -> None:
        film, here = self.session.film, self.session.frame_index
        if film is not None and here is not None:
            self.session.set_film_range((here, film.count - 1) if here else None)

    # Choices ------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        self.control.choose(
            direction=self.direction.currentData(),
            flow=self.flow.currentData(),
            after_every_mark=self.after_mark.box.isChecked(),
        )

    def _show_choices(self) -> None:
        choices = self.control.choices
        for box, value in ((self.direction, choices.direction), (self.flow, choices.flow)):
            with QSignalBlocker(box):
                box.setCurrentIndex(max(0, box.findData(value)))
        # While it goes on the box tells whether the picture does go along.
        follows = self.control.follower.is_following if self.control.is_busy else choices.follow
        self.follow.show_state(follows)
        self.after_mark.show_state(choices.after_every_mark)

    def _on_state(self, _: str) -> None:
        idle = not self.control.is_busy
        for widget in (self.first, self.last, self.from_here, self.direction, self.flow):
            widget.setEnabled(idle)
        self.whole.setEnabled(idle and self.session.film_range is not None)
        self._show_choices()


def _frame(name: str, title: str) -> QSpinBox:
    box = QSpinBox()
    box.setObjectName(name)
    box.setAccessibleName(title)
    box.setToolTip(_RANGE_TIP)
    box.setKeyboardTracking(False)
    # Just room for the number: napari's style pads more, which a narrow dock hasn't got.
    box.setStyleSheet("QSpinBox { min-width: 60px; padding: 1px 2px; }")
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def _choice(name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setToolTip(tip)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box
