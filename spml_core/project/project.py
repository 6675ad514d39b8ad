"""The project as one object: what the command line and the window hold in their hands."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from spml_core.classes import ClassTable
from spml_core.errors import ProjectError
from spml_core.images import PROJECT_DATABASE
from spml_core.project import creation, pictures, runs
from spml_core.project.class_editing import ClassEditing
from spml_core.project.database import Database
from spml_core.project.lock import WriterLock
from spml_core.project.marking import Marking
from spml_core.project.pictures import Images, PictureRecord, Progress
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
    """

    @classmethod
    def create(
        cls,
        path: Path | str,
        images: Images,
        classes: ClassTable,
        progress: Progress | None = None,
    ) -> Self:
        """Make a new project and open it for writing.

        Every picture is decoded before anything is made; then the project appears at once or, after an error
        or a kill, not at all.

        Parameters
        ----------
        path : path
            The project's folder, ``NAME.spml`` by custom. Must not exist; its parent must.
        images : path, or iterable of paths
            A folder, in all of whose subfolders pictures are found, or the pictures' own paths. They stay
            where they are.
        classes : ClassTable
        progress : callable, optional
            Called with (done, total) after each picture.

        Raises
        ------
        PictureError
            If there is no picture, one can't be decoded, or two share a stem.
        ProjectError
            If ``path`` exists, or its parent doesn't.
        StorageError
            If the disk is full.
        """
        path = Path(path).resolve()
        creation.create_project(path, images, classes, progress)
        return cls.open(path)

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
            If the folder is no project, damaged, from a newer version, or asked for writing and open for
            that elsewhere or not to be written to.
        """
        path = Path(path).resolve()
        if not (path / PROJECT_DATABASE).is_file():
            what = "isn't there" if not path.exists() else f"is no project: it has no {PROJECT_DATABASE}"
            raise ProjectError(f"{path} {what}.", "Give the folder of a project, or create one.")
        lock = WriterLock(path) if write else None
        database = None
        try:
            database = Database(path / PROJECT_DATABASE, write=write)
            if write:
                runs.stop_orphans(database)
            return cls(path, database, lock)
        except BaseException:
            if database is not None:
                database.close()
            if lock is not None:
                lock.release()
            raise

    def close(self) -> None:
        """Close the project and let others write; more than once does no harm."""
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
        """Add those of a folder's pictures, or of some paths, that the project doesn't have yet: all or none.

        Returns
        -------
        tuple of PictureRecord
            The new ones.

        Raises
        ------
        PictureError
            As for ``create``.
        ProjectError
            If a new picture has the name of another that the project has.
        """
        fresh = pictures.new_pictures(self._pictures, pictures.chosen_pictures(images))
        checked = pictures.check_pictures(fresh, progress)
        with self._database.transaction():
            pictures.insert_pictures(self._database, self.path.parent, checked)
        known = set(self._by_id)
        self._reload_pictures()
        return tuple(record for record in self._pictures if record.id not in known)

    def relink(self, folder: Path | str) -> int:
        """Find pictures that aren't where they were, by their content, in ``folder``; the number found.

        Raises
        ------
        PictureError
            If the folder isn't there.
        """
        found = pictures.relink_pictures(self._database, self.path.parent, Path(folder))
        self._reload_pictures()
        return found
