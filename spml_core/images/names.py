"""Which picture, or which frame of a film, a word means: the one place where names are resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from spml_core.images.folders import CONTRADICTION, Folders, agreement
from spml_core.spelling import composed

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
    def _by_composed_stem(self) -> Mapping[str, int]:
        return {composed(stem): index for stem, index in self.by_stem.items()}

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

    def find(self, name: str) -> int | None:
        """Index of the frame of this name, composed or decomposed; None if there is none."""
        if (index := self.index(name)) is not None:
            return index
        word = composed(name).removeprefix(composed(f"{self.film}_"))
        index = None if word == composed(name) else self.index_in_film(word)
        return index if index is not None and composed(self.name(index)) == composed(name) else None

    def index_in_film(self, word: str) -> int | None:
        """Index of the frame with this stem, composed or decomposed; None if there is none.

        In a film without stems a frame's number takes the stem's place.
        """
        if self.read_stems is not None:
            return self.by_stem.get(word, self._by_composed_stem.get(composed(word)))
        if not (word.isascii() and word.isdecimal() and len(word) <= 18):
            return None
        return int(word) if int(word) < self.count else None


@dataclass(frozen=True)
class Match:
    """A picture that a word seems to name.

    Attributes
    ----------
    name : str
    agreement : int
        How many folders agree; ``CONTRADICTION`` if they speak of another picture.
    said : Folders
        Those of the word.
    """

    name: str
    agreement: int
    said: Folders

    @property
    def fits(self) -> bool:
        """Whether no folder contradicts."""
        return self.agreement != CONTRADICTION


class PictureNames(Mapping[str, Size]):
    """Height and width of every still picture and every frame of some films, by name.

    As quick with films of any length as with stills alone, as long as nobody iterates over it.

    Parameters
    ----------
    stills : mapping
        Height and width of each still picture, by its name.
    films : iterable of FrameNames
        No two frames, and no frame and still, may share a name.
    read_folders : callable, optional
        Gives where each still lies, by its name. Of one without, no folder contradicts.
    """

    def __init__(
        self,
        stills: Mapping[str, Size],
        films: tuple[FrameNames, ...] = (),
        read_folders: Callable[[], Mapping[str, Folders]] | None = None,
    ) -> None:
        self._stills = stills
        self.films = films
        self._read_folders = read_folders

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

        Composed and decomposed letters are the same. A frame is also meant by ``FILM/STEM`` (or ``FILM/NUMBER``, from 0
        on, where a film's frames have no stems), and by a stem alone that only one frame of all films has. Folders
        that speak of another picture (``val/1.png`` where there is only ``train/1.png``) mean none.
        """
        match = self.match(word)
        return match.name if match is not None and match.fits else None

    def match(self, word: str, *, loose: bool = False, place: Folders | None = None) -> Match | None:
        """Return the picture that a name, file name or path seems to name; None if there is none.

        Parameters
        ----------
        word : str
        loose : bool
            Whether its folders may be those of another place, as those of an absolute path are.
        place : Folders, optional
            Where it stands, if it says no folder.
        """
        place = Folders() if place is None else place
        if word in self:
            return self._match(place, word)
        path = PurePosixPath(word.replace("\\", "/"))
        parts = path.parent.parts
        up = max((place for place, part in enumerate(parts, 1) if part == ".."), default=0)
        apart = path.is_absolute() or ":" in (parts or ("",))[0]
        said = Folders(parts[up:], loose=loose or apart or up > 0) if parts else place
        stems = dict.fromkeys((path.name, path.stem))
        return next(filter(None, (self._match(said, stem) for stem in stems)), None)

    def match_file(self, path: Path, root: Path) -> Match | None:
        """Return the picture that a file seems to be named after; None if there is none. Frames as for ``find``.

        Parameters
        ----------
        path : Path
        root : Path
            The folder that it was found in, or the file itself.
        """
        return self._match(Folders.of_file(path, root), path.stem)

    def place(self, name: str) -> str:
        """A still's name with its folders inside the data set, for messages."""
        return "/".join((*self._folders[name].inside, name)) if name in self._folders else name

    def _match(self, said: Folders, stem: str) -> Match | None:
        # The folder first: of a data set of films, each with a file 00000.png, it alone tells which is meant.
        folder = composed([*said.above, *said.inside][-1]) if said.above or said.inside else ""
        for film in self.films:
            if composed(film.film) == folder and (index := film.index_in_film(stem)) is not None:
                return Match(film.name(index), 1, said)
        still = stem if stem in self._stills else self._by_composed_name.get(composed(stem))
        if still is not None:
            own = self._folders.get(still)
            return Match(still, 0 if own is None else agreement(said, own, self._known_folders), said)
        for film in self.films:
            if (index := film.find(stem)) is not None:  # its name says which film
                return Match(film.name(index), 1, said)
        found = [
            (film, index)
            for film in self.films
            if film.read_stems is not None and (index := film.index_in_film(stem)) is not None
        ]
        if len(found) != 1:
            return None
        film, index = found[0]
        others = {word for other in self.films for word in Folders((other.film,)).words}
        return Match(film.name(index), agreement(said, Folders((film.film,)), others), said)

    @cached_property
    def _folders(self) -> Mapping[str, Folders]:
        return {} if self._read_folders is None else self._read_folders()

    @cached_property
    def _by_composed_name(self) -> Mapping[str, str]:
        """Names of stills by their composed form; of two names of one form neither."""
        found: dict[str, str] = {}
        twins: set[str] = set()
        for name in self._stills:
            if found.setdefault(composed(name), name) != name:
                twins.add(composed(name))
        return {form: name for form, name in found.items() if form not in twins}

    @cached_property
    def _known_folders(self) -> frozenset[str]:
        return frozenset(word for folders in self._folders.values() for word in folders.words)
