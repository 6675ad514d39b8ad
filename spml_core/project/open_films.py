"""Films kept open while their frames are read, each known to be the one that was added."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spml_core.errors import ProjectError, SpmlError
from spml_core.films import Film, film_hash, open_film
from spml_core.project.films import FilmRecord, film_stamp
from spml_core.project.pictures import FIND_MOVED
from spml_core.wording import counted

MOST = 3


@dataclass(frozen=True)
class _Held:
    film: Film
    path: Path
    touched: tuple[int, int]


class OpenFilms:
    """A few films, opened when first asked for; the longest unused are closed.

    Parameters
    ----------
    index_folder : Path
        Where the index of a video's frames may be kept.
    known_stamp : callable
        Gives the stamp (``film_stamp``) of a film, by its id, when its content was read last.
    keep_stamp : callable
        Called with the id and a new stamp when a film was touched and has the same content.
    """

    def __init__(
        self,
        index_folder: Path,
        known_stamp: Callable[[int], str | None],
        keep_stamp: Callable[[int, str], object],
    ) -> None:
        self._index_folder = index_folder
        self._known_stamp = known_stamp
        self._keep_stamp = keep_stamp
        self._trusted: dict[int, str] = {}
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def reading(self, record: FilmRecord) -> Iterator[Film]:
        """Open a film; nobody else reads any film before the end of the ``with`` statement. Errors as for ``get``."""
        with self._lock:
            yield self.get(record)

    def get(self, record: FilmRecord) -> Film:
        """Return a film, opened if need be.

        Raises
        ------
        ProjectError
            If it was moved, or replaced by another one.
        FilmError
            If it can't be opened.
        """
        with self._lock:
            touched = _touched(record)
            held = self._held.get(record.id)
            if held is None or held.path != record.path or held.touched != touched:
                self._close(record.id)
                self.check(record)
                held = _Held(self._open(record), record.path, touched)
                self._held[record.id] = held
                while len(self._held) > MOST:
                    self._close(next(iter(self._held)))
            self._held.move_to_end(record.id)
            return held.film

    def check(self, record: FilmRecord) -> None:
        """See that a film is where it was and the same; its content is read only if it was touched.

        Raises
        ------
        ProjectError
            If it isn't.
        """
        with self._lock:
            _touched(record)
            try:
                stamp = film_stamp(record.path)
                if stamp in (self._trusted.get(record.id), self._known_stamp(record.id)):
                    return
                same = film_hash(record.path) == record.content_hash
            except OSError as error:
                raise ProjectError(
                    f"The film {record.name!r} can't be read at {record.path}: {error.strerror}.",
                    "Check that it is there and readable.",
                ) from error
            if not same:
                raise ProjectError(
                    f"The film {record.name!r} was replaced: what is at {record.path} now has another content.",
                    f"Put the original back. {FIND_MOVED}",
                )
            self._trusted[record.id] = stamp
            # Without it the content is read once more another time.
            with contextlib.suppress(SpmlError):
                self._keep_stamp(record.id, stamp)

    def close(self) -> None:
        """Close all films; those asked for later are opened anew."""
        with self._lock:
            for number in list(self._held):
                self._close(number)

    def _open(self, record: FilmRecord) -> Film:
        # A video knows its own.
        rate = None if record.kind == "video" else record.frame_rate
        film = open_film(
            record.path, frame_rate=rate, index_folder=self._index_folder, as_stored=record.as_stored
        )
        if (film.kind, film.count, *film.size) != (record.kind, record.count, record.height, record.width):
            found = f"{counted(film.count, 'frame')} of {film.size[0]} x {film.size[1]} pixels"
            film.close()
            raise ProjectError(
                f"The film {record.path} now reads as {found}; the project knows it with {record.count}"
                f" of {record.height} x {record.width}.",
                "Open it with the version of the program that added it, or rename it and add it anew: spml add PROJECT"
                " FILM.",
            )
        return film

    def _close(self, number: int) -> None:
        held = self._held.pop(number, None)
        if held is not None:
            held.film.close()


def _touched(record: FilmRecord) -> tuple[int, int]:
    try:
        about = record.path.stat()
    except OSError as error:
        raise ProjectError(
            f"The film {record.name!r} isn't at {record.path} any more: it was moved or removed.", FIND_MOVED
        ) from error
    return about.st_mtime_ns, about.st_size
