"""A project's pictures and films in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spml_core.images import FrameNames, PictureNames
from spml_core.project import films, pictures
from spml_core.project.database import Database
from spml_core.project.films import FilmRecord
from spml_core.project.pictures import PictureRecord


@dataclass(frozen=True)
class Listing:
    """What was read together. It isn't changed: whoever holds one has pictures and films that fit each other.

    Attributes
    ----------
    pictures : tuple of PictureRecord
        Still pictures, by name.
    films : tuple of FilmRecord
    frames : tuple of PictureRecord
        Frames that have, or once had, a mark.
    by_id : mapping
        Stills and those frames.
    film_by_id : mapping
    """

    pictures: tuple[PictureRecord, ...] = ()
    films: tuple[FilmRecord, ...] = ()
    frames: tuple[PictureRecord, ...] = ()
    by_id: Mapping[int, PictureRecord] = field(default_factory=dict)
    film_by_id: Mapping[int, FilmRecord] = field(default_factory=dict)

    @classmethod
    def read(cls, database: Database, base: Path) -> Listing:
        """Read it; inside a snapshot. Paths are relative to the folder ``base``."""
        moving = films.load_films(database, base)
        stills = pictures.load_pictures(database, base)
        film_by_id = {film.id: film for film in moving}
        frames = films.load_frames(database, film_by_id) if moving else ()
        by_id = {record.id: record for record in (*stills, *frames)}
        return Listing(stills, moving, frames, by_id, film_by_id)


@dataclass(frozen=True)
class NamedListing(Listing):
    """One that knows names.

    Attributes
    ----------
    frame_names : mapping
        Of every film.
    picture_names : PictureNames
        Of stills and frames.
    """

    frame_names: Mapping[FilmRecord, FrameNames] = field(default_factory=dict)
    picture_names: PictureNames = field(default_factory=lambda: PictureNames({}))
