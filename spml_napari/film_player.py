"""Plays the film whose frame is shown: at its own rate if the machine keeps up, else it skips frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QElapsedTimer, QObject, QTimer, Signal

from spml_napari.docks.following import follow

if TYPE_CHECKING:
    from spml_napari.session import Session

RATE_WITHOUT = 10.0
"""Frames a second of a film that has no rate of its own, such as a sequence of pictures."""

_LEAST_MS = 10


class FilmPlayer(QObject):
    """Goes through the frames of the current film by the clock.

    A frame is gone to only once the one before is on the canvas, so that a slow machine shows fewer, not later ones.

    Parameters
    ----------
    session : Session
    is_ready : callable
        Whether the current frame is on the canvas.
    """

    changed = Signal()
    """Playing began or ended."""

    def __init__(self, session: Session, is_ready: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._is_ready = is_ready
        self._began_at = 0
        self._expected: int | None = None
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        follow(self, {session.picture_changed: self._on_picture, session.project_changed: self.stop})

    @property
    def is_playing(self) -> bool:
        """Whether the film goes on by itself."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play, or stop at the frame that is shown."""
        if self.is_playing:
            self.stop()
        else:
            self.play()

    def play(self) -> None:
        """Go on from the current frame; from the film's first one if it is the last."""
        film, index = self._session.film, self._session.frame_index
        if film is None or index is None or film.count < 2 or self.is_playing:
            return
        self._session.set_passing(True)
        self._expected = index
        if index == film.count - 1:
            self._go_to(0)
        self._begin()
        self._timer.start(max(_LEAST_MS, round(500 / self._rate())))
        self.changed.emit()

    def stop(self) -> None:
        """Stay at the frame that is shown."""
        if self.is_playing:
            self._timer.stop()
            self._session.set_passing(False)
            self.changed.emit()

    def _rate(self) -> float:
        film = self._session.film
        return (film.frame_rate if film is not None else None) or RATE_WITHOUT

    def _begin(self) -> None:
        """Count from the current frame on."""
        self._began_at = self._session.frame_index or 0
        self._clock.restart()

    def _go_to(self, index: int) -> None:
        self._expected = index
        self._session.go_to_frame(index)

    def _tick(self) -> None:
        film, index = self._session.film, self._session.frame_index
        if film is None or index is None:
            self.stop()
            return
        if not self._is_ready():
            return
        last = film.count - 1
        wanted = min(self._began_at + int(self._clock.elapsed() / 1000 * self._rate()), last)
        if wanted > index:
            self._go_to(wanted)
        elif index >= last:
            self.stop()

    def _on_picture(self) -> None:
        """Who goes somewhere else wants to look there."""
        if self._session.film is None or self._session.frame_index != self._expected:
            self.stop()
