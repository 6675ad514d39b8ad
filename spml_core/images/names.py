"""Which picture, or which frame of a film, a word means: the one place where names are resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeAlias

Size: TypeAlias = tuple[int, int]

_DIGITS = 6


@dataclass(frozen=True)
class FrameNames:
    """Names of the frames of a film; none is made before it is asked for.

    Parameters
    ----------
    film : str
        The film's name.
    size : tuple of int
        Height and width of its frames.
    count : int
        Number of frames.
    read_stems : callable, optional
        Gives the stems of a sequence's files in the order of the frames. Without, frames are called by number.
    """

    film: str
    size: Size
    count: int
    read_stems: Callable[[], tuple[str, ...]] | None = None

    @cached_property
    def by_stem(self) -> Mapping[str, int]:
        """Index of each frame of a sequence by its file's stem; empty for other films."""
        if self.read_stems is None:
            return {}
        return {stem: index for index, stem in enumerate(self.read_stems())}

    @cached_property
    def _stems(self) -> tuple[str, ...]:
        return tuple(self.by_stem)

    def name(self, index: int) -> str:
        """Name of a frame: ``FILM_STEM`` in a sequence, else ``FILM_`` and its index in six digits or more."""
        return f"{self.film}_{f'{index:0{_DIGITS}d}' if self.read_stems is None else self._stems[index]}"

    def index(self, name: str) -> int | None:
        """Index of the frame of this very name; None if there is none."""
        word = name.removeprefix(f"{self.film}_")
        if word == name:
            return None
        if self.read_stems is not None:
            return self.by_stem.get(word)
        index = self.index_in_film(word)
        return index if index is not None and self.name(index) == name else None

    def index_in_film(self, word: str) -> int | None:
        """Index of the frame with this stem or, in a film without stems, this number; None if there is none."""
        if self.read_stems is not None:
            return self.by_stem.get(word)
        if not (word.isascii() and word.isdecimal() and len(word) <= 18):
            return None
        return int(word) if int(word) < self.count else None


class PictureNames(Mapping[str, Size]):
    """Height and width of every still picture and every frame of some films, by name.

    As quick with films of any length as with stills alone, as long as nobody iterates over it.

    Parameters
    ----------
    stills : mapping
        Height and width of each still picture, by its name.
    films : iterable of FrameNames
        No two frames, and no frame and still, may share a name.
    """

    def __init__(self, stills: Mapping[str, Size], films: tuple[FrameNames, ...] = ()) -> None:
        self._stills = stills
        self.films = films

    def __getitem__(self, name: str) -> Size:
        if name in self._stills:
            return self._stills[name]
        found = self.frame(name)
        if found is None:
            raise KeyError(name)
        return found[0].size

    def __iter__(self) -> Iterator[str]:
        yield from self._stills
        for film in self.films:
            yield from (film.name(index) for index in range(film.count))

    def __len__(self) -> int:
        return len(self._stills) + sum(film.count for film in self.films)

    def frame(self, name: str) -> tuple[FrameNames, int] | None:
        """Film and index of the frame of this name; None if there is none, or a still has the name."""
        if name in self._stills:
            return None
        for film in self.films:
            index = film.index(name)
            if index is not None:
                return film, index
        return None

    def find(self, word: str) -> str | None:
        """Name of the picture that a name, file name or path means; None if there is none.

        A frame is also meant by ``FILM/STEM`` (or ``FILM/NUMBER``, from 0 on, where a film's frames have no stems), and
        by a stem alone that only one frame of all films has.
        """
        if word in self:
            return word
        path = PurePosixPath(word.replace("\\", "/"))
        stems = dict.fromkeys((path.name, path.stem))
        return next(filter(None, (self._find(path.parent.name, stem) for stem in stems)), None)

    def of_file(self, path: Path) -> str | None:
        """Name of the picture that a file is named after; None if there is none. Frames as for ``find``."""
        return self._find(path.parent.name, path.stem)

    def _find(self, folder: str, stem: str) -> str | None:
        # The folder first: of a data set of films, each with a file 00000.png, it alone tells which is meant.
        for film in self.films:
            if film.film == folder and (index := film.index_in_film(stem)) is not None:
                return film.name(index)
        if stem in self:
            return stem
        found = [film for film in self.films if stem in film.by_stem]
        return found[0].name(found[0].by_stem[stem]) if len(found) == 1 else None
