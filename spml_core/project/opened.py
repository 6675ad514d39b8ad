"""What every part of an open project works on."""

from __future__ import annotations

from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ProjectError
from spml_core.images import Picture
from spml_core.project import class_table, pictures
from spml_core.project.database import Database
from spml_core.project.lock import WriterLock
from spml_core.project.pictures import PictureRecord


class Opened:
    """An open project's path and database, and its pictures and classes in memory.

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
        self.refresh()

    def refresh(self) -> None:
        """Read pictures and classes again: who reads sees what the writer did to them since.

        Marks and runs are always read anew. Until the next call, marks come with the label codes of the
        classes as they were at the last one, and marks of classes added since aren't shown.
        """
        self._reload_pictures()
        self._reload_classes()

    def _reload_pictures(self) -> None:
        self._pictures = pictures.load_pictures(self._database, self.path.parent)
        self._by_id = {record.id: record for record in self._pictures}

    def _reload_classes(self) -> None:
        self._classes = class_table.load_classes(self._database)

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

    @property
    def classes(self) -> ClassTable:
        """The class table; a class's place in it is its label code."""
        return self._classes.table
