"""Which films a project has, and which pictures are their frames."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from spml_core.errors import FilmError, PictureError, ProjectError
from spml_core.films import MOST_FRAMES, Film, film_hash, is_film, open_film
from spml_core.images import FrameNames, place_of, walk_files, walk_pictures
from spml_core.project.choosing import FILM_FILES, FILM_FOLDERS
from spml_core.project.database import Database
from spml_core.project.pictures import (
    FIND_MOVED,
    PictureRecord,
    absolute_path,
    check_stored,
    is_as_stored,
    stored_path,
)
from spml_core.spelling import is_file_part, is_writable

_FRAMES = 32  # bits of a frame's id that are its index


@dataclass(frozen=True)
class FilmRecord:
    """A film.

    Parameters
    ----------
    id : int
    name : str
        Its frames' names begin with it.
    path : Path
        Absolute; a file, or the folder of a sequence or zarr array.
    content_hash : str
        BLAKE2b of the content.
    kind : str
        ``video``, ``sequence``, ``stack`` or ``array``.
    count : int
        Number of frames.
    height, width : int
        In pixels.
    frame_rate : float or None
        Mean, in frames a second.
    as_stored : bool
        Whether the project knows its frames as they lie in the file, though PNG or TIFF may say how to turn them.
    """

    id: int
    name: str
    path: Path
    content_hash: str
    kind: str
    count: int
    height: int
    width: int
    frame_rate: float | None
    as_stored: bool = False


@dataclass(frozen=True)
class CheckedFilm:
    """A film that was opened without complaint; ``stems`` are those of a sequence's files."""

    name: str
    path: Path
    content_hash: str
    stamp: str
    kind: str
    count: int
    height: int
    width: int
    frame_rate: float | None
    stems: tuple[str, ...] | None
    warnings: tuple[str, ...] = ()

    @property
    def frame_names(self) -> FrameNames:
        """Names of its frames."""
        stems = self.stems
        read = None if stems is None else lambda: stems
        return FrameNames(self.name, (self.height, self.width), self.count, read)


def frame_id(film: int, index: int) -> int:
    """Id of a frame: negative, so that it is no still's, and the same whether or not the frame has a mark."""
    return -((film << _FRAMES) + index + 1)


def film_and_index(picture_id: int) -> tuple[int, int]:
    """Id of the film, and index, of the frame with a negative id."""
    film, index = divmod(-picture_id - 1, 1 << _FRAMES)
    return film, index


def frame_record(film: FilmRecord, index: int, name: str, file_name: str) -> PictureRecord:
    """Record of a frame; ``file_name`` is its file's in the folder of a sequence, else empty."""
    digest = blake2b(f"{film.content_hash} {index}".encode(), digest_size=20).hexdigest()
    path = film.path / file_name if file_name else film.path
    return PictureRecord(
        frame_id(film.id, index), name, path, digest, film.height, film.width, film.id, index
    )


def film_name(path: Path) -> str:
    """Name that a film gets from its file or folder."""
    path = place_of(path)
    return path.stem if path.is_file() or path.suffix.lower() in FILM_FOLDERS else path.name


def stems_of(film: Film) -> tuple[str, ...] | None:
    """Stems of a sequence's files in the order of the frames; None of other films."""
    if film.kind != "sequence":
        return None
    return tuple(film.stem(index) or "" for index in range(film.count))


def check_film(path: Path, name: str | None = None, frame_rate: float | None = None) -> CheckedFilm:
    """Open a film, decode its first frame and read its content once.

    Raises
    ------
    FilmError
        If it can't be opened, its name can't name a folder, or a frame's isn't UTF-8.
    """
    path = place_of(path)
    name = film_name(path) if name is None else name
    if name.startswith(".") or not is_file_part(name) or any(letter in name for letter in ':*?"<>|'):
        raise FilmError(f"{path} can't be called {name!r}.", "Give it a name that a folder can have.")
    with open_film(path, frame_rate=frame_rate) as film:
        # Before the content is read: what changes meanwhile is noticed when the film is opened next.
        stamp = film_stamp(path)
        height, width = film.frame(0).shape[:2]
        rate = film.frame_rate
        stems = stems_of(film)
        odd = next((stem for stem in stems or () if not is_writable(stem)), None)
        if odd is not None:
            raise FilmError(f"The name of the frame {odd!r} of {path} isn't UTF-8.", "Rename the file.")
        odd = next((stem for stem in stems or () if not is_file_part(stem)), None)
        if odd is not None:
            raise FilmError(
                f"The name of the frame {odd!r} of {path} can't name results.", "Rename the file."
            )
        return CheckedFilm(
            name,
            path,
            film_hash(path),
            stamp,
            film.kind,
            film.count,
            height,
            width,
            rate,
            stems,
            film.warnings,
        )


def film_stamp(path: Path) -> str:
    """A word that changes when a film's file, or any file in its folder, is written anew; no content is read.

    Raises
    ------
    OSError
        If it isn't there.
    """
    if not path.is_dir():
        about = path.stat()
        return f"{about.st_size}-{about.st_mtime_ns}"
    hasher = blake2b(digest_size=16)
    for where, subfolders, files in os.walk(path):
        subfolders.sort()
        for file in (Path(where, name) for name in sorted(files)):
            about, inside = file.stat(), file.relative_to(path).as_posix()
            hasher.update(f"{inside} {about.st_size} {about.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return hasher.hexdigest()


def insert_films(database: Database, base: Path, films: Iterable[CheckedFilm]) -> None:
    """Add films, inside a transaction, with their paths relative to ``base``."""
    for film in films:
        database.execute(
            "INSERT INTO films (name, path, content_hash, stamp, kind, count, height, width, frame_rate)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                film.name,
                stored_path(film.path, base),
                film.content_hash,
                film.stamp,
                film.kind,
                film.count,
                film.height,
                film.width,
                film.frame_rate,
            ),
        )


def insert_frames(database: Database, frames: Iterable[PictureRecord]) -> None:
    """Give frames their rows, inside a transaction; those that have one keep it."""
    for frame in frames:
        if frame.film is None:
            continue
        (kind,) = database.rows("SELECT kind FROM films WHERE id = ?", (frame.film,))[0]
        database.execute(
            "INSERT INTO pictures (id, name, path, content_hash, height, width, film, frame)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (
                frame.id,
                frame.name,
                frame.path.name if kind == "sequence" else "",
                frame.content_hash,
                frame.height,
                frame.width,
                frame.film,
                frame.frame,
            ),
        )


def load_films(database: Database, base: Path) -> tuple[FilmRecord, ...]:
    """All films, by name."""
    rows = database.rows(
        "SELECT id, name, path, content_hash, kind, count, height, width, frame_rate,"
        f" {is_as_stored('films')} FROM films ORDER BY name"
    )
    films = []
    for number, name, path, digest, kind, count, height, width, rate, as_stored in rows:
        check_stored(database, "film", name, path, height, width)
        if not 0 < count <= MOST_FRAMES or not (rate is None or 0 < rate < math.inf):
            raise ProjectError(
                f"{database.path} is damaged: the film {name!r} can't have {count} frames, {rate} a second.",
                "Restore the project from a copy.",
            )
        place = absolute_path(path, base)
        films.append(
            FilmRecord(number, name, place, digest, kind, count, height, width, rate, bool(as_stored))
        )
    return tuple(films)


def load_frames(database: Database, films: Mapping[int, FilmRecord]) -> tuple[PictureRecord, ...]:
    """Every frame that has a row, by film and index."""
    rows = database.rows(
        "SELECT film, frame, name, path FROM pictures WHERE film IS NOT NULL ORDER BY film, frame"
    )
    for film, index, name, path in rows:
        if film not in films or not 0 <= index < films[film].count or not is_file_part(name):
            raise ProjectError(
                f"{database.path} is damaged: {name!r} is no frame of its films.",
                "Restore the project from a copy.",
            )
        if path and not is_file_part(path):
            raise ProjectError(
                f"{database.path} is damaged: {path!r} is no name of a frame's file.",
                "Restore the project from a copy.",
            )
    return tuple(frame_record(films[film], index, name, path) for film, index, name, path in rows)


def new_films(known: Iterable[FilmRecord], paths: Iterable[Path]) -> list[Path]:
    """Those of ``paths`` that aren't films of the project yet."""
    there = {film.path for film in known}
    # Projects of older programs know a link by its target.
    return [path for path in paths if place_of(path) not in there and path.resolve() not in there]


def check_names(stills: Collection[str], films: Sequence[FrameNames]) -> None:
    """Complain if a name would mean two films, two frames, or a frame and a still picture.

    Raises
    ------
    ProjectError
    """
    seen: set[str] = set()
    for film in films:
        if film.film in seen:
            raise ProjectError(
                f"Two films share the name {film.film!r}.",
                f"Rename one of them; or, if it is the same and was moved: {FIND_MOVED}",
            )
        seen.add(film.film)
        name = next((name for name in stills if film.index(name) is not None), None)
        if name is not None:
            raise ProjectError(
                f"The picture {name!r} has the name of a frame of the film {film.film!r}.",
                "Rename the picture or the film.",
            )
        for other in films:
            name = _shared_name(film, other)
            if name is not None:
                raise ProjectError(
                    f"The films {film.film!r} and {other.film!r} both have a frame {name!r}.",
                    "Rename one of them.",
                )


def _shared_name(film: FrameNames, other: FrameNames) -> str | None:
    # Only stems can read like the end of a longer film's name followed by one of its frames: numbers can't.
    if film.read_stems is None or not other.film.startswith(f"{film.film}_"):
        return None
    names = (f"{film.film}_{stem}" for stem in film.by_stem)
    return next((name for name in names if other.index(name) is not None), None)


def relink_films(
    database: Database,
    base: Path,
    films: Iterable[FilmRecord],
    folder: Path,
    is_there: Callable[[FilmRecord], bool],
) -> int:
    """Find films that aren't where they were by their content; the number found.

    Parameters
    ----------
    films : iterable of FilmRecord
    folder : Path
        Searched with all its subfolders.
    is_there : callable
        Whether a film is where it was, and still the same.

    Raises
    ------
    PictureError
        If the folder isn't there.
    """
    missing = [film for film in films if not is_there(film)]
    if not missing:
        return 0
    kinds = {film.kind for film in missing}
    candidates: list[Path] = []
    if kinds - {"sequence"}:
        candidates += [path for path in walk_files(folder, FILM_FILES, FILM_FOLDERS) if is_film(path)]
    if "sequence" in kinds:
        candidates += sorted({path.parent for path in walk_pictures(folder)})
    by_hash: dict[str, list[Path]] = {}
    for path in candidates:
        try:
            by_hash.setdefault(film_hash(path), []).append(path)
        except (FilmError, PictureError):
            continue  # what can't be read isn't what is looked for
    found = 0
    with database.transaction():
        for film in missing:
            twins = by_hash.get(film.content_hash, [])
            if not twins:
                continue
            path = next((twin for twin in twins if film_name(twin) == film.name), twins[0])
            path = place_of(path)
            database.execute(
                "UPDATE films SET path = ?, stamp = ? WHERE id = ?",
                (stored_path(path, base), film_stamp(path), film.id),
            )
            found += 1
    return found
