"""The project as one object: what the command line and the window hold in their hands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from spml_core.annotations import Mark, rasterize, tag_vector
from spml_core.classes import ClassInfo, ClassTable, default_color
from spml_core.errors import ProjectError
from spml_core.images import PROJECT_DATABASE, Picture, list_pictures
from spml_core.project import class_table, creation, history, mark_store, pictures, runs
from spml_core.project.database import Database
from spml_core.project.history import HistoryEntry
from spml_core.project.lock import WriterLock
from spml_core.project.pictures import PictureRecord, Progress
from spml_core.project.runs import Run, RunState


class Project:
    """An open project. Use ``Project.create`` or ``Project.open``, best in a ``with`` statement.

    Every method that changes something raises StorageError when the disk is full and ProjectError when the
    project is open for reading only; either way nothing has changed.

    Attributes
    ----------
    path : Path
        The project's folder, absolute.
    writable : bool
    """

    def __init__(self, path: Path, database: Database, lock: WriterLock | None) -> None:
        self.path = path
        self.writable = lock is not None
        self._database = database
        self._lock = lock
        self._pictures = pictures.load_pictures(database, path.parent)
        self._classes = class_table.load_classes(database)

    @classmethod
    def create(
        cls,
        path: Path | str,
        images_folder: Path | str,
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
        images_folder : path
            Pictures are found in all its subfolders. They stay where they are.
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
        creation.create_project(path, Path(images_folder), classes, progress)
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
            If the folder is no project, damaged, from a newer version, or open for writing elsewhere.
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

    # Pictures -------------------------------------------------------------------------------------

    @property
    def pictures(self) -> tuple[PictureRecord, ...]:
        """All pictures, by name."""
        return self._pictures

    def picture(self, name: str) -> PictureRecord:
        """Return the picture of this name or file name.

        Raises
        ------
        ProjectError
            If there is none.
        """
        by_name = {record.name: record for record in self._pictures}
        for word in (name, Path(name).stem):
            if word in by_name:
                return by_name[word]
        raise ProjectError(f"The project has no picture {name!r}.", f"It has {len(by_name)} others.")

    def open_picture(self, record: PictureRecord) -> Picture:
        """Return the pixels of a picture.

        Raises
        ------
        ProjectError
            If the file was moved, or replaced by one of another size.
        """
        return pictures.open_record(record)

    def add_pictures(self, folder: Path | str, progress: Progress | None = None) -> tuple[PictureRecord, ...]:
        """Add the pictures of a folder that the project doesn't have yet, all or none; the new records.

        Raises
        ------
        PictureError
            As for ``create``.
        ProjectError
            If a new picture has the name of another that the project has.
        """
        fresh = pictures.new_pictures(self._pictures, list_pictures(folder))
        checked = pictures.check_pictures(fresh, progress)
        with self._database.transaction():
            pictures.insert_pictures(self._database, self.path.parent, checked)
        known = {record.id for record in self._pictures}
        self._reload()
        return tuple(record for record in self._pictures if record.id not in known)

    def relink(self, folder: Path | str) -> int:
        """Find pictures that aren't where they were, by their content, in ``folder``; the number found.

        Raises
        ------
        PictureError
            If the folder isn't there.
        """
        found = pictures.relink_pictures(self._database, self.path.parent, Path(folder))
        self._reload()
        return found

    # Classes --------------------------------------------------------------------------------------

    @property
    def classes(self) -> ClassTable:
        """The class table; a class's place in it is its label code."""
        return self._classes

    def add_class(self, name: str, color: tuple[int, int, int] | None = None) -> int:
        """Add a class at the end; its index. Can be undone.

        Raises
        ------
        ClassError
            If the name is empty or taken, or the table is full.
        """
        index = len(self._classes)
        self._edit_class(index, ClassInfo(name, color or default_color(index)), f"Add class {name}")
        return index

    def rename_class(self, index: int, name: str) -> None:
        """Give a class another name; its marks stay its own. Can be undone.

        Raises
        ------
        ClassError
            If there is no such class, or the name is empty or taken.
        """
        old = self._classes.classes[self._classes.index(index)]
        self._edit_class(index, ClassInfo(name, old.color), f"Rename class {old.name} to {name}")

    def recolor_class(self, index: int, color: tuple[int, int, int]) -> None:
        """Give a class another colour (red, green, blue in 0..255). Can be undone.

        Raises
        ------
        ClassError
            If there is no such class, or the colour is out of range.
        """
        old = self._classes.classes[self._classes.index(index)]
        self._edit_class(index, ClassInfo(old.name, color), f"Recolour class {old.name}")

    def _edit_class(self, index: int, info: ClassInfo, note: str) -> None:
        class_table.check_edit(self._classes, index, info)
        with self._database.transaction():
            event = history.new_action(self._database, "class", note)
            class_table.change_class(self._database, event, index, info)
        self._reload()

    # Marks and their history ----------------------------------------------------------------------

    def add_marks(self, marks: Mapping[int, Sequence[Mark]], note: str) -> tuple[int, ...]:
        """Add marks as one step of the history, on the disk when this returns.

        Parameters
        ----------
        marks : mapping
            Picture id to its new marks.
        note : str
            What the user did, in words.

        Returns
        -------
        tuple of int
            Ids of the new marks, in the order given. Empty, and no step, if there are none.

        Raises
        ------
        MarkError
            If there is no such picture or class, or a point or patch doesn't lie in its picture. Nothing was
            added.
        """
        by_id = {record.id: record for record in self._pictures}
        return mark_store.add_marks(self._database, by_id, marks, note)

    def remove_marks(self, ids: Iterable[int], note: str = "Remove marks") -> None:
        """Take marks away as one step of the history.

        Raises
        ------
        MarkError
            If one isn't there. Nothing was removed.
        """
        mark_store.remove_marks(self._database, ids, note)

    def marks(self, picture_id: int) -> dict[int, Mark]:
        """Return marks of a picture by id, in the order they were made."""
        return mark_store.load_marks(self._database, picture_id)

    def marked_pictures(self) -> tuple[PictureRecord, ...]:
        """Pictures that have at least one mark, by name."""
        marked = mark_store.marked_pictures(self._database)
        return tuple(record for record in self._pictures if record.id in marked)

    def mark_counts(self) -> tuple[int, ...]:
        """How many marks speak of each class, in the order of the class table."""
        return mark_store.mark_counts(self._database)

    def weak_labels(self, record: PictureRecord, point_radius: float = 3.0) -> npt.NDArray[np.uint8]:
        """Return a picture's marks as a label map (H, W), uint8. See ``rasterize``."""
        marks = self.marks(record.id).values()
        return rasterize(marks, (record.height, record.width), len(self._classes), point_radius)

    def tags(self, record: PictureRecord) -> npt.NDArray[np.bool_]:
        """Which classes a picture is known to hold, (K,), bool. See ``tag_vector``."""
        marks = tuple(self.marks(record.id).values())
        labels = rasterize(marks, (record.height, record.width), len(self._classes))
        return tag_vector(marks, labels, len(self._classes))

    def undo(self) -> HistoryEntry | None:
        """Take the latest step back, of marks or classes; that step, or None if there is none left."""
        entry = history.undo(self._database)
        self._reload()
        return entry

    def redo(self) -> HistoryEntry | None:
        """Do the step again that was undone last; that step, or None if there is none."""
        entry = history.redo(self._database)
        self._reload()
        return entry

    def history(self) -> tuple[HistoryEntry, ...]:
        """Everything that was done, undone and redone, oldest first."""
        return history.entries(self._database)

    # Runs and folders -----------------------------------------------------------------------------

    @property
    def runs_folder(self) -> Path:
        """Holds a folder for each run."""
        return self.path / "runs"

    @property
    def predictions_folder(self) -> Path:
        """Holds an index PNG for each predicted picture."""
        return self.path / "predictions"

    @property
    def cache_folder(self) -> Path:
        """Holds what can be computed again: may be deleted at any time, so make it before use."""
        return self.path / "cache"

    def new_run(self, config: Mapping[str, Any]) -> Run:
        """Begin a training run: a row, a folder, and its config.json.

        Raises
        ------
        ConfigError
            If the configuration doesn't go into JSON.
        """
        if not self.writable:  # before the folder is made
            raise ProjectError(f"{self.path} is open for reading only.", "Open the project for writing.")
        return runs.new_run(self._database, self.runs_folder, config)

    def runs(self) -> tuple[Run, ...]:
        """All runs, oldest first."""
        return runs.load_runs(self._database, self.runs_folder)

    def set_run_state(self, run_id: str, state: RunState) -> None:
        """Say how a run stands: running, finished, stopped or failed.

        Raises
        ------
        ProjectError
            If there is no such run or state.
        """
        runs.set_run_state(self._database, run_id, state)

    def current_run(self) -> Run | None:
        """Return the run whose model the project uses, or None."""
        return runs.current_run(self._database, self.runs_folder)

    def set_current_run(self, run_id: str) -> None:
        """Choose the run whose model the project uses.

        Raises
        ------
        ProjectError
            If there is no such run.
        """
        runs.set_current_run(self._database, run_id)

    def _reload(self) -> None:
        self._pictures = pictures.load_pictures(self._database, self.path.parent)
        self._classes = class_table.load_classes(self._database)
