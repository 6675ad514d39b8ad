"""The project as one object: what the command line and the window hold in their hands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from spml_core.classes import ClassTable
from spml_core.errors import ProjectError
from spml_core.images import PROJECT_DATABASE, place_of
from spml_core.io.own_files import check_layout
from spml_core.io.temporary import clear_leftovers
from spml_core.project import creation, films, pictures, runs
from spml_core.project.checking import Checked, check
from spml_core.project.choosing import Chosen, Images, choose
from spml_core.project.class_editing import ClassEditing
from spml_core.project.database import Database
from spml_core.project.films import FilmRecord, new_films
from spml_core.project.lock import WriterLock
from spml_core.project.marking import Marking
from spml_core.project.pictures import PictureRecord, Progress
from spml_core.project.run_keeping import RunKeeping


class Project(ClassEditing, Marking, RunKeeping):
    """An open project. Use ``Project.create`` or ``Project.open``, best in a ``with`` statement.

    Every method that changes something raises StorageError when the disk is full and ProjectError when the
    project is open for reading only; either way nothing has changed.

    Attributes
    ----------
    path : Path
        The project's folder, absolute.
    writable : bool
    warnings : tuple of str
        What a user should know of what was added last: what of a folder was left out, what of a picture isn't shown.
    """

    warnings: tuple[str, ...] = ()

    @classmethod
    def create(
        cls,
        path: Path | str,
        images: Images,
        classes: ClassTable,
        progress: Progress | None = None,
        films: Sequence[Path | str] = (),
    ) -> Self:
        """Make a new project and open it for writing.

        Every picture is decoded and every film opened before anything is made; then the project appears at once or,
        after an error or a kill, not at all.

        Parameters
        ----------
        path : path
            The project's folder, ``NAME.spml`` by custom. Must not exist; its parent must.
        images : path, or iterable of paths
            A folder, in all of whose subfolders pictures and films are found, or their own paths, or a film. They
            stay where they are.
        classes : ClassTable
        progress : callable, optional
            Called with (done, total) after each picture and film.
        films : sequence of path
            Films, also folders whose pictures are taken as one film each. With some, ``images`` may be empty.

        Raises
        ------
        PictureError
            If there is no picture and no film, a picture can't be decoded, or two share a stem.
        FilmError
            If a film can't be opened.
        ProjectError
            If ``path`` exists, or its parent doesn't; if two films share a name, or a frame and a picture do.
        StorageError
            If the disk is full.
        """
        path = place_of(path)
        warnings = creation.create_project(path, images, classes, progress, films)
        made = cls.open(path)
        made.warnings = warnings
        return made

    @classmethod
    def open(cls, path: Path | str, write: bool = True) -> Self:
        """Open a project.

        Parameters
        ----------
        path : path
            The project's folder.
        write : bool
            One writer at a time. Any number of readers may look on, and lock nothing.

        Raises
        ------
        ProjectError
            If the folder is no project, damaged, from a newer version, holds links or what no project holds, or is
            asked for writing and open for that elsewhere or not to be written to.
        """
        path = place_of(path)
        if not (path / PROJECT_DATABASE).is_file():
            what = "isn't there" if not path.exists() else f"is no project: it has no {PROJECT_DATABASE}"
            raise ProjectError(f"{path} {what}.", "Give the folder of a project, or create one.")
        check_layout(path)
        lock = WriterLock(path) if write else None
        database = None
        try:
            database = Database(path / PROJECT_DATABASE, write=write)
            if write:
                runs.stop_orphans(database)
                for folder in (path, path / "cache", path / "films", *(path / "runs").glob("run-*")):
                    clear_leftovers(folder)
            return cls(path, database, lock)
        except BaseException:
            if database is not None:
                database.close()
            if lock is not None:
                lock.release()
            raise

    def close(self) -> None:
        """Close the project and its films and let others write; more than once does no harm."""
        self._open_films.close()
        self._database.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_pictures(self, images: Images, progress: Progress | None = None) -> tuple[PictureRecord, ...]:
        """Add what ``add`` adds; only the new still pictures are returned.

        Raises
        ------
        SpmlError
            As for ``add``.
        """
        return self.add(images, progress=progress)[0]

    def add(
        self, images: Images = (), films: Sequence[Path | str] = (), progress: Progress | None = None
    ) -> tuple[tuple[PictureRecord, ...], tuple[FilmRecord, ...]]:
        """Add those pictures and films that the project doesn't have yet: all or none.

        Parameters
        ----------
        images, films, progress
            As for ``create``.

        Returns
        -------
        pictures : tuple of PictureRecord
            The new ones.
        films : tuple of FilmRecord
            The new ones.

        Raises
        ------
        PictureError, FilmError
            As for ``create``.
        ProjectError
            If a new picture, film or frame has the name of another that the project has.
        """
        chosen = choose(images, films)
        self._check_writable()
        fresh = Chosen(
            pictures.new_pictures(self.pictures, chosen.pictures),
            new_films(self.films, chosen.films),
            chosen.root,
            chosen.warnings,
        )
        return self._insert(check(fresh, progress))

    def add_film(
        self,
        path: Path | str,
        name: str | None = None,
        frame_rate: float | None = None,
        progress: Progress | None = None,
    ) -> FilmRecord:
        """Add a film, or return it if the project has it already.

        Parameters
        ----------
        path : path
            A video, a TIFF file with several pages, a zarr array, or a folder whose pictures are its frames.
        name : str, optional
            The stem of the file, or the name of the folder, if not given.
        frame_rate : float, optional
            Frames a second, where the film doesn't say.
        progress : callable, optional
            Called with (1, 1) at the end.

        Raises
        ------
        FilmError
            If it can't be opened.
        ProjectError
            If another film has the name, or a picture that of a frame.
        """
        path = Path(path)
        if not new_films(self.films, [path]):
            return self.film(path)
        self._check_writable()
        film = films.check_film(path, name, frame_rate)
        if progress is not None:
            progress(1, 1)
        return self._insert(Checked([], [film]))[1][0]

    def missing(self) -> tuple[tuple[PictureRecord, ...], tuple[FilmRecord, ...]]:
        """Still pictures that aren't where they were, and films that aren't, or were replaced by others."""
        return (
            tuple(record for record in self.pictures if not record.path.is_file()),
            tuple(film for film in self.films if not self._is_there(film)),
        )

    def relink(self, folder: Path | str) -> int:
        """Find pictures and films that aren't where they were, by their content, in ``folder``; the number found.

        Pictures and films that were replaced by others count as missing too.

        Raises
        ------
        PictureError
            If the folder isn't there.
        """
        base, folder = self._base, Path(folder)
        found = pictures.relink_pictures(self._database, base, folder)
        found += films.relink_films(self._database, base, self.films, folder, self._is_there)
        self._reload_pictures()
        return found

    def replaced(self) -> tuple[PictureRecord, ...]:
        """Still pictures in whose place another file is now; every file that is there is read.

        Raises
        ------
        PictureError
            If one can't be read.
        """
        there = (record for record in self.pictures if record.path.is_file())
        return tuple(record for record in there if not pictures.is_original(record))

    def accept_replaced(self) -> tuple[PictureRecord, ...]:
        """Take pictures in whose place another file is now as they are, with the marks that they have.

        Raises
        ------
        ProjectError
            If the project is open for reading only, or one has another size; nothing is changed.
        """
        self._check_writable()
        records = self.replaced()
        pictures.accept_contents(self._database, records)
        self._reload_pictures()
        return records

    def _insert(self, checked: Checked) -> tuple[tuple[PictureRecord, ...], tuple[FilmRecord, ...]]:
        films.check_names(
            {*(record.name for record in self.pictures), *checked.stems},
            [*self._listing.picture_names.films, *checked.frame_names],
        )
        base = self._base
        self.warnings = checked.warnings
        with self._database.transaction():
            pictures.keep_last_as_stored(self._database)
            pictures.insert_pictures(self._database, base, checked.pictures, checked.root)
            films.insert_films(self._database, base, checked.films)
        known, known_films = set(self._listing.by_id), set(self._listing.film_by_id)
        self._reload_pictures()
        return (
            tuple(record for record in self.pictures if record.id not in known),
            tuple(film for film in self.films if film.id not in known_films),
        )

    def _is_there(self, film: FilmRecord) -> bool:
        try:
            self.check_film(film)
        except ProjectError:
            return False
        return True

    def _check_writable(self) -> None:
        if not self.writable:  # before anything is decoded
            raise ProjectError(f"{self.path} is open for reading only.", "Open the project for writing.")
