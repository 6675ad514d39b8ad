"""The film bar: play and step through a film, and see where a correction helps most."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from spml_core.project import FilmRecord
from spml_napari.docks.film_times import clock
from spml_napari.docks.following import follow
from spml_napari.docks.frame_slider import FrameSlider
from spml_napari.docks.frame_strip import FrameStrip
from spml_napari.docks.icon_button import IconButton
from spml_napari.film_overview import FilmOverviews
from spml_napari.film_player import FilmPlayer
from spml_napari.layers.frame_loader import FilmFacts
from spml_napari.qt_types import slot

if TYPE_CHECKING:
    from spml_napari.session import Session

SETTLE_MS = 150
"""Frames dragged through are looked at no closer before the handle rests for so long."""

_NO_RESULTS = "Nothing was propagated yet: mark a frame or two and propagate."
_WORST = "Go to the frame where a mark helps most"


class FilmBar(QWidget):
    """Buttons, number and time of the frame; under them the slider, and the strip of all frames.

    Parameters
    ----------
    session : Session
    player : FilmPlayer
    overviews : FilmOverviews
    """

    def __init__(
        self,
        session: Session,
        player: FilmPlayer,
        overviews: FilmOverviews,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("film_bar")
        self._session = session
        self._player = player
        self._overviews = overviews
        self._worst_frame: Callable[[], int | None] | None = None
        self._facts: FilmFacts | None = None
        self._film: FilmRecord | None = None
        self._build()
        # Of the places that a drag passes, those are gone to that the window has time for.
        self._newest = QTimer(self)
        self._newest.setSingleShot(True)
        self._newest.setInterval(0)
        self._newest.timeout.connect(self._go_to_newest)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.timeout.connect(self._settle)
        player.changed.connect(self._show_playing)
        overviews.changed.connect(self._on_overview)
        follow(
            self,
            {
                session.project_changed: self._on_picture,
                session.picture_changed: self._on_picture,
                session.film_range_changed: self._show_range,
            },
        )
        self._on_picture()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(1)
        row = QHBoxLayout()
        row.setSpacing(4)
        self.back = self._button("frame_back", "frame_back", "One frame back (,)  Ten with Shift")
        self.back.clicked.connect(slot(lambda: self._session.step_frame(-1)))
        self.play = self._button("play", "play", "Play (L)")
        self.play.clicked.connect(slot(lambda: self._player.toggle()))
        self.on = self._button("frame_on", "frame_on", "One frame on (.)  Ten with Shift")
        self.on.clicked.connect(slot(lambda: self._session.step_frame(1)))
        self.number = QSpinBox()
        self.number.setObjectName("frame_number")
        self.number.setKeyboardTracking(False)
        self.number.setToolTip("Frame, counted from 0")
        self.number.setAccessibleName("Frame")
        self.number.valueChanged.connect(self._on_number)
        self.last = QLabel()
        self.last.setObjectName("last_frame")
        self.time = QLabel()
        self.time.setObjectName("frame_time")
        self.time.setToolTip("Time of the frame, and of the last one")
        self.warnings = IconButton("warning", "")
        self.warnings.setObjectName("film_warnings")
        self.warnings.hide()
        self.name = QLabel()
        self.name.setObjectName("film_name")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.worst = QPushButton("Worst frame")
        self.worst.setObjectName("worst_frame")
        self.worst.clicked.connect(slot(self.go_to_worst))
        for widget in (self.back, self.play, self.on, self.number, self.last, self.time, self.warnings):
            row.addWidget(widget)
        row.setSpacing(6)
        row.addWidget(self.name, 1)
        row.addWidget(self.worst)
        self.slider = FrameSlider()
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self._settle_soon)
        self.strip = FrameStrip()
        self.strip.frame_chosen.connect(self._session.go_to_frame)
        layout.addLayout(row)
        layout.addWidget(self.slider)
        layout.addWidget(self.strip)

    def _button(self, icon: str, name: str, tip: str) -> IconButton:
        button = IconButton(icon, tip, side=20)
        button.setObjectName(f"film_{name}")
        return button

    # What others tell -----------------------------------------------------------------------------------

    def set_worst_frame(self, provider: Callable[[], int | None] | None) -> None:
        """Give what finds the frame of the current film where a mark helps most; None takes it away."""
        self._worst_frame = provider
        self._show_worst()

    def show_facts(self, facts: FilmFacts) -> None:
        """Show what is known of the film since it was opened: exact times, and what is wrong with its file."""
        self._facts = facts
        self._show_frame()

    def go_to_worst(self) -> None:
        """Go to the frame where a mark helps most."""
        film = self._session.film
        if film is None or not self.worst.isEnabled():
            return
        index = None if self._worst_frame is None else self._worst_frame()
        if index is None:
            self._session.report_text("info", "There is no frame left where a mark would help much.")
        else:
            self._session.go_to_frame(index)

    # Following the session ------------------------------------------------------------------------------

    def _on_picture(self) -> None:
        film = self._session.film
        self.setEnabled(film is not None)
        if film is None:
            self._film = None
            return
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            self.slider.setRange(0, film.count - 1)
            self.number.setRange(0, film.count - 1)
        if film != self._film:  # else it is only the next frame
            self.name.setText(film.name)
            self.last.setText(f"of {film.count} (0\u2013{film.count - 1})")
            self._on_overview(film.id)
        self._film = film
        self._show_range()
        self._show_frame()

    def _show_frame(self) -> None:
        film, index = self._session.film, self._session.frame_index
        if film is None or index is None:
            return
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            # While it is dragged the handle belongs to the hand.
            if not self.slider.isSliderDown():
                self.slider.setValue(index)
                self.slider.update()
            self.number.setValue(index)
        self.strip.show_frame(index)
        self.back.setEnabled(index > 0)
        self.on.setEnabled(index < film.count - 1)
        times = None
        if (
            self._facts is not None
            and self._facts.film_id == film.id
            and len(self._facts.times) == film.count
        ):
            times = self._facts.times
        # A sequence of pictures has no times but those of its frames.
        self.time.setVisible(bool(film.frame_rate))
        if film.frame_rate:
            now, end = (
                (float(times[index]), float(times[-1]))
                if times is not None
                else (index / film.frame_rate, (film.count - 1) / film.frame_rate)
            )
            self.time.setText(f"{clock(now)} / {clock(end)}")
        told = self._facts.warnings if self._facts is not None and self._facts.film_id == film.id else ()
        self.warnings.setVisible(bool(told))
        self.warnings.setToolTip("\n".join(told))

    def _on_overview(self, film_id: int) -> None:
        film = self._session.film
        if film is not None and film.id == film_id:
            self.strip.show_film(self._overviews.of(film), film.frame_rate)
            self._show_worst()

    def _show_range(self) -> None:
        self.strip.show_range(self._session.film_range)

    def _show_worst(self) -> None:
        film = self._session.film
        has_results = film is not None and self._overviews.of(film).has_results
        self.worst.setEnabled(has_results and self._worst_frame is not None)
        self.worst.setToolTip(_WORST if has_results else _NO_RESULTS)

    def _show_playing(self) -> None:
        is_playing = self._player.is_playing
        self.play.set_icon("pause" if is_playing else "play")
        self.play.setToolTip("Stop here (L)" if is_playing else "Play (L)")

    # Going about ----------------------------------------------------------------------------------------

    def _on_number(self, index: int) -> None:
        self._session.go_to_frame(index)

    def _on_slider(self, _: int) -> None:
        self._player.stop()
        self._session.set_passing(True)
        self._newest.start()
        self._settle_soon()

    def _go_to_newest(self) -> None:
        self._session.go_to_frame(self.slider.value())

    def _settle_soon(self) -> None:
        self._settled.start()

    def _settle(self) -> None:
        """Let the frame that the handle rests on be looked at."""
        if not self._player.is_playing:
            self._session.set_passing(False)
