"""Frames of films decoded off the GUI thread, one at a time: the newest wish first, then those that come next."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from spml_core.errors import SpmlError
from spml_core.project import FilmRecord, PictureRecord, Project
from spml_napari.layers.kept_pictures import KEPT_BYTES, KeptPictures
from spml_napari.layers.picture_loader import Jobs
from spml_napari.layers.pyramid import is_large, levels_of
from spml_napari.layers.shown_picture import ShownPicture

AHEAD = 12
"""Frames that are decoded ahead at most, in the direction in which the film is gone through."""


@dataclass(frozen=True, eq=False)
class FilmFacts:
    """What is known of a film once it has been opened.

    Attributes
    ----------
    film_id : int
    times : ndarray (count,), float64
        Seconds from the first frame.
    warnings : tuple of str
        What isn't as it should be in the file.
    """

    film_id: int
    times: NDArray[np.float64]
    warnings: tuple[str, ...]


Answer: TypeAlias = tuple[Project, PictureRecord, FilmFacts | None, ShownPicture | Exception]


class FrameLoader(QObject):
    """Brings frames of the film that is looked at; of wishes that come quickly only the newest is fulfilled.

    One frame is read at a time, so that a film is gone through in order, which decoders do best.

    Parameters
    ----------
    jobs : Jobs
        Where decoding runs.
    parent : QObject, optional
    """

    arrived = Signal(object)
    """The wanted frame, a :class:`~spml_napari.layers.shown_picture.ShownPicture`."""
    failed = Signal(object)
    """The wanted frame can't be shown: an exception."""
    opened = Signal(object)
    """A film was opened: :class:`FilmFacts`."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._kept: KeptPictures[int] = KeptPictures()
        self._project: Project | None = None
        self._film: FilmRecord | None = None
        self._wanted: PictureRecord | None = None
        self._ahead: deque[PictureRecord] = deque()
        self._last_index = 0
        self._is_reading = False
        self.facts: FilmFacts | None = None

    def want(self, project: Project | None, record: PictureRecord | None) -> None:
        """Show this frame from now on: at once if it is kept, else as soon as it is decoded."""
        self._wanted = record
        self._ahead.clear()
        film = None if project is None or record is None else project.film_of(record)
        if record is None or record.frame is None or film is None:
            return
        if project is not self._project or film != self._film:
            self._turn_to(project, film, record.frame)
        kept = self._kept.get(record.id)
        self._look_ahead(record.frame)
        if kept is not None:
            self.arrived.emit(kept)
        self._read_next()

    def forget(self) -> None:
        """Drop all that is kept and wanted."""
        self._wanted = self._project = self._film = self.facts = None
        self._ahead.clear()
        self._kept.clear()

    def is_kept(self, record: PictureRecord) -> bool:
        """Whether a frame could be shown at once."""
        return record.id in self._kept

    def _turn_to(self, project: Project | None, film: FilmRecord, index: int) -> None:
        """Keep frames of this film, and of no other."""
        self._kept.clear()
        self._project, self._film, self.facts = project, film, None
        self._last_index = index

    def _look_ahead(self, index: int) -> None:
        """Plan the frames that come next if the user goes on as before.

        All of them in order, also where every third is gone to: a decoder must pass them anyway, and what was passed
        can't be had again without going back.
        """
        assert self._project is not None and self._film is not None
        film = self._film
        step, self._last_index = index - self._last_index, index
        if 0 < abs(step) <= AHEAD:
            way = 1 if step > 0 else -1
            places = [index + number * way for number in range(1, AHEAD + 1)]
        else:  # a leap: the neighbours are as good a guess as any
            places = [index + 1, index - 1]
        fits = KEPT_BYTES // (2 * film.height * film.width * 3)
        planned = [self._project.frame(film, place) for place in places[:fits] if 0 <= place < film.count]
        self._ahead.extend(frame for frame in planned if frame.id not in self._kept)

    def _read_next(self) -> None:
        """Read the wanted frame, or else the next of those planned; one at a time."""
        if self._is_reading or self._project is None or self._film is None:
            return
        record = self._wanted
        if record is None or record.id in self._kept:
            record = self._ahead.popleft() if self._ahead else None
        if record is not None:
            self._is_reading = True
            project, film = self._project, self._film
            failed = partial(self._on_broken, project, record)
            self._jobs.submit(_read, project, film, record, done=self._on_read, failed=failed)

    def _on_broken(self, project: Project, record: PictureRecord, error: Exception) -> None:
        """What no reader foresaw is told as well, and the next frame is read all the same."""
        self._on_read((project, record, None, error))

    def _on_read(self, answer: Answer) -> None:
        self._is_reading = False
        project, record, facts, result = answer
        if project is not self._project or self._film is None or record.film != self._film.id:
            self._read_next()  # another film was turned to meanwhile
            return
        if self.facts is None and facts is not None:
            self.facts = facts
            self.opened.emit(facts)
        is_wanted = self._wanted is not None and self._wanted.id == record.id
        if isinstance(result, ShownPicture):
            self._kept.keep(record.id, result, None if self._wanted is None else self._wanted.id)
            if is_wanted:
                self.arrived.emit(result)
        elif is_wanted:
            self._wanted = None
            self.failed.emit(result)
        else:
            self._ahead.clear()  # it is said when it is wanted
        self._read_next()


def _read(project: Project, film: FilmRecord, record: PictureRecord) -> Answer:
    assert record.frame is not None
    facts = None
    try:
        with project.reading_film(film) as opened:
            facts = FilmFacts(film.id, opened.times, opened.warnings)
            pixels = opened.frame(record.frame)
    except SpmlError as error:
        return project, record, facts, error
    levels = levels_of(pixels) if is_large(record.height, record.width) else [pixels]
    return project, record, facts, ShownPicture(record, tuple(levels))
