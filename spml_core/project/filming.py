"""The part of a project that knows its films, and finds pictures and frames by id and by name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spml_core.errors import ProjectError
from spml_core.films import Film
from spml_core.films.sequence import sequence_files
from spml_core.images import FrameNames, Picture, PictureNames, place_of
from spml_core.project import films, pictures
from spml_core.project.database import Database
from spml_core.project.films import FilmRecord
from spml_core.project.frame_picture import FramePicture
from spml_core.project.listing import Listing, NamedListing
from spml_core.project.lock import WriterLock
from spml_core.project.open_films import OpenFilms
from spml_core.project.opened import Opened
from spml_core.project.pictures import PictureRecord
from spml_core.spelling import composed
from spml_core.wording import counted


class Filming(Opened):
    """Films and their frames. A frame is a picture like any other; it gets its row with its first mark."""

    _listing: NamedListing

    def __init__(self, path: Path, database: Database, lock: WriterLock | None) -> None:
        self._listing = NamedListing()
        self._file_names: dict[FilmRecord, tuple[str, ...]] = {}
        super().__init__(path, database, lock)
        self._open_films = OpenFilms(path / "cache" / "films", self._known_stamp, self._keep_stamp)

    def _listed(self, listing: Listing) -> NamedListing:
        # Stems that were read stay known as long as the film is the same.
        known, stills = self._listing.frame_names, listing.pictures
        names = {film: known.get(film) or self._names_of(film) for film in listing.films}
        picture_names = PictureNames(
            {record.name: (record.height, record.width) for record in stills},
            tuple(names.values()),
            lambda: pictures.load_folders(self._database, self._base, stills),
        )
        return NamedListing(
            listing.pictures,
            listing.films,
            listing.frames,
            listing.by_id,
            listing.film_by_id,
            names,
            picture_names,
        )

    # Finding ----------------------------------------------------------------------------------------

    @property
    def picture_names(self) -> PictureNames:
        """Sizes of all still pictures and all frames by name; it also finds names by file names and paths."""
        return self._listing.picture_names

    def picture(self, name: str) -> PictureRecord:
        """Return the picture or frame of this name, file name or path. See ``PictureNames.find``.

        Raises
        ------
        ProjectError
            If there is none, or the folder of a sequence is gone that may have it.
        """
        listing = self._listing
        found = listing.picture_names.find(name)
        if found is None:
            have = f"{len(listing.pictures)} others"
            if listing.films:
                have += f" and {len(listing.films)} films, whose frames are called FILM/NUMBER or FILM/STEM"
            raise ProjectError(f"The project has no picture {name!r}.", f"It has {have}.")
        frame = listing.picture_names.frame(found)
        if frame is not None:
            return self.frame(self.film(frame[0].film), frame[1])
        return next(record for record in listing.pictures if record.name == found)

    def record(self, picture_id: int) -> PictureRecord:
        """Return the picture with this id, or the frame, whether or not it has a mark.

        Raises
        ------
        ProjectError
            If there is none.
        """
        found = self._find(picture_id)
        if found is None:
            raise ProjectError(
                f"The project has no picture with the number {picture_id}.", "Choose another picture."
            )
        return found

    def _find(self, picture_id: int) -> PictureRecord | None:
        listing = self._listing
        if picture_id in listing.by_id or picture_id >= 0:
            return listing.by_id.get(picture_id)
        number, index = films.film_and_index(picture_id)
        film = listing.film_by_id.get(number)
        return None if film is None or index >= film.count else self.frame(film, index)

    def film(self, name: str | os.PathLike[str]) -> FilmRecord:
        """Return the film of this name, file name or path.

        Raises
        ------
        ProjectError
            If there is none.
        """
        word = os.fspath(name)
        places = {place_of(word), Path(word).resolve()}
        known = self.films
        for film in known:
            if film.name == word:
                return film
        for film in known:
            if film.path in places or composed(word) in (composed(film.name), composed(film.path.name)):
                return film
        have = ", ".join(film.name for film in known[:5]) + " ..." * (len(known) > 5)
        raise ProjectError(f"The project has no film {word!r}.", f"It has {have or 'none'}.")

    def frame(self, film: FilmRecord, index: int) -> PictureRecord:
        """Return a frame of a film, whether or not it has a mark.

        Raises
        ------
        ProjectError
            If the film has no such frame, or is a sequence that was moved.
        """
        listing = self._listing
        film = self._current(film, listing)
        known = listing.by_id.get(films.frame_id(film.id, index))
        if known is not None:
            return known
        if not 0 <= index < film.count:
            raise ProjectError(
                f"The film {film.name!r} has no frame {index}.", f"Its frames go from 0 to {film.count - 1}."
            )
        file_name = self._files_of(film)[index] if film.kind == "sequence" else ""
        return films.frame_record(film, index, listing.frame_names[film].name(index), file_name)

    def film_of(self, record: PictureRecord) -> FilmRecord | None:
        """Return the film that a picture is a frame of; None for a still picture."""
        return None if record.film is None else self._listing.film_by_id[record.film]

    # Reading ----------------------------------------------------------------------------------------

    def open_picture(self, record: PictureRecord) -> Picture:
        """Return the pixels of a picture or frame. They may be read in any thread.

        Raises
        ------
        ProjectError
            If the file was moved, or replaced by one of another size. That a film was replaced is said when its frame
            is read.
        """
        film = self.film_of(record)
        if film is None:
            return pictures.open_record(record)
        index = record.frame
        assert index is not None

        def read() -> npt.NDArray[np.uint8]:
            with self.reading_film(film) as opened:
                return opened.frame(index)

        if not film.path.exists():
            self.check_film(film)
        return FramePicture(record, read)

    def open_film(self, film: FilmRecord) -> Film:
        """Return a film, kept open; it is closed when other films were opened after it, or with the project.

        Only one thread may use it at a time: where others may, see ``reading_film``.

        Raises
        ------
        ProjectError
            If it was moved or replaced.
        FilmError
            If it can't be opened.
        """
        return self._open_films.get(self._current(film))

    @contextlib.contextmanager
    def reading_film(self, film: FilmRecord) -> Iterator[Film]:
        """Open a film for one thread at a time: others wait for the end of the ``with`` statement.

        Raises
        ------
        ProjectError, FilmError
            As for ``open_film``.
        """
        with self._open_films.reading(self._current(film)) as opened:
            yield opened

    def check_film(self, film: FilmRecord) -> None:
        """See that a film is where it was and the same; its content is read only if its file was touched.

        Raises
        ------
        ProjectError
            If it was moved or replaced.
        """
        self._open_films.check(self._current(film))

    def film_folder(self, film: FilmRecord) -> Path:
        """Where what was computed of a film is kept; who writes there makes it.

        Raises
        ------
        ProjectError
            If the film's name, from a damaged or foreign project file, isn't that of a folder.
        """
        folder = self.path / "predictions" / "films"
        if Path(film.name).name != film.name or film.name in ("", "..") or "\\" in film.name:
            raise ProjectError(f"{film.name!r} is no name of a film.", "Restore the project from a copy.")
        return folder / film.name

    # What is remembered -----------------------------------------------------------------------------

    def _current(self, film: FilmRecord, listing: Listing | None = None) -> FilmRecord:
        """The film as it is now: it may have been relinked."""
        known = (self._listing if listing is None else listing).film_by_id
        if film.id not in known:
            raise ProjectError(f"The project has no film {film.name!r}.", "Choose another film.")
        return known[film.id]

    def _names_of(self, film: FilmRecord) -> FrameNames:
        size = film.height, film.width
        read_stems = (
            (lambda: tuple(Path(name).stem for name in self._files_of(film)))
            if film.kind == "sequence"
            else None
        )
        return FrameNames(film.name, size, film.count, read_stems)

    def _files_of(self, film: FilmRecord) -> tuple[str, ...]:
        """Names of a sequence's files in the order of its frames."""
        names = self._file_names.get(film)
        if names is None:
            # A look into the folder is enough: opening the film would look into every file.
            files = sequence_files(film.path) if film.path.is_dir() else []
            if len(files) != film.count:
                self.check_film(film)
                raise ProjectError(
                    f"The film {film.path} has {counted(len(files), 'picture')};"
                    f" the project knows it with {film.count}.",
                    "Put the original back.",
                )
            names = self._file_names[film] = tuple(file.name for file in files)
        return names

    def _known_stamp(self, film_id: int) -> str | None:
        stamp: str | None = self._database.value("SELECT stamp FROM films WHERE id = ?", (film_id,))
        return stamp

    def _keep_stamp(self, film_id: int, stamp: str) -> None:
        if self.writable:
            self._database.execute("UPDATE films SET stamp = ? WHERE id = ?", (stamp, film_id))
