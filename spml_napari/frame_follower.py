"""Lets the canvas go along with a film that is being propagated, until the user wants to look somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qtpy.QtCore import QObject, QTimer, Signal

from spml_napari.docks.following import follow

if TYPE_CHECKING:
    from spml_napari.session import Session

INTERVAL_MS = 200
"""The canvas goes on five times a second at most."""


class HasPicture(Protocol):
    """Such as :class:`~spml_napari.canvas.Canvas`."""

    @property
    def is_ready(self) -> bool:
        """Whether the current frame is there."""

    @property
    def is_drawing(self) -> bool:
        """Whether a stroke is in progress."""


class Plays(Protocol):
    """Such as :class:`~spml_napari.film_player.FilmPlayer`."""

    @property
    def is_playing(self) -> bool:
        """Whether the film goes on by itself."""


class FrameFollower(QObject):
    """Of the frames that come, it shows the newest for which the canvas has time.

    It ends where the user goes to another frame, begins a stroke or changes marks, and there the canvas stays.

    Parameters
    ----------
    session : Session
    canvas : Canvas
        Says whether the current frame is there, and whether a stroke is in progress.
    player : FilmPlayer
        While it plays nothing else goes through frames.
    """

    changed = Signal()
    """It began or ended."""

    def __init__(
        self,
        session: Session,
        canvas: HasPicture,
        player: Plays,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._canvas, self._player = canvas, player
        self._film: int | None = None
        self._wanted: int | None = None
        self._expected: int | None = None
        self._home = 0
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._go)
        follow(
            self,
            {
                session.picture_changed: self._on_picture,
                session.marks_changed: self._on_marks,
                session.project_changed: self.end,
            },
        )

    @property
    def is_following(self) -> bool:
        """Whether the canvas goes along."""
        return self._film is not None

    def begin(self) -> None:
        """Go along with the film whose frame is shown."""
        film = self._session.film
        if film is None or self.is_following or self._player.is_playing:
            return
        self._film, self._expected, self._wanted = film.id, self._session.frame_index, None
        self._home = self._session.frame_index or 0
        self._timer.start()
        self.changed.emit()

    def show(self, index: int) -> None:
        """Wish for a frame; a newer wish takes its place."""
        if self.is_following:
            self._wanted = index

    def end(self) -> None:
        """Stay where the canvas is; frames that rest may be looked at closely again."""
        if not self.is_following:
            return
        self._film = self._wanted = None
        self._timer.stop()
        if not self._player.is_playing:
            self._session.set_passing(False)
        self.changed.emit()

    def finish(self) -> None:
        """All is done: if the canvas went along to the end, go back to where that began."""
        if self.is_following and not self._canvas.is_drawing:
            self._expected = self._home
            self._session.go_to_frame(self._home)
        self.end()

    def _go(self) -> None:
        if self._canvas.is_drawing:
            self.end()
            return
        index = self._wanted
        if index is None or index == self._session.frame_index or not self._canvas.is_ready:
            return
        self._session.set_passing(True)
        self._wanted, self._expected = None, index
        self._session.go_to_frame(index)

    def _on_picture(self) -> None:
        """Who goes somewhere else wants to look there."""
        film = self._session.film
        is_ours = film is not None and film.id == self._film and self._session.frame_index == self._expected
        if self.is_following and not is_ours:
            self.end()

    def _on_marks(self, _: object = None) -> None:
        self.end()
