"""What every part of an open project works on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spml_core.classes import IGNORE, ClassTable
from spml_core.project import class_table
from spml_core.project.database import Database
from spml_core.project.films import FilmRecord
from spml_core.project.listing import Listing
from spml_core.project.lock import WriterLock
from spml_core.project.pictures import PictureRecord


class Opened:
    """An open project's path and database, and its pictures, films and classes in memory.

    Several threads may use it: what is in memory is never changed, but replaced as a whole.

    Attributes
    ----------
    path : Path
        The project's folder, absolute, under its own name where it is a link.
    writable : bool
    """

    def __init__(self, path: Path, database: Database, lock: WriterLock | None) -> None:
        self.path = path
        self.writable = lock is not None
        self._database = database
        self._lock = lock
        self.refresh()

    def refresh(self) -> None:
        """Read pictures, films and classes again: who reads sees what the writer did to them since.

        Marks and runs are always read anew. Until the next call, marks come with the label codes of the
        classes as they were at the last one, and marks of classes added since aren't shown.
        """
        self._reload_pictures()
        self._reload_classes()

    def _reload_pictures(self) -> None:
        with self._database.snapshot():
            # Inside: of several threads that read, the one that saw the most comes last.
            self._listing = self._listed(Listing.read(self._database, self._base))

    def _listed(self, listing: Listing) -> Listing:
        return listing

    def _reload_classes(self) -> None:
        self._classes = class_table.load_classes(self._database)

    @property
    def _base(self) -> Path:
        """The folder that paths of pictures and films are relative to; where the project is a link, its target's."""
        return self.path.resolve().parent

    @property
    def pictures(self) -> tuple[PictureRecord, ...]:
        """All still pictures, by name. Frames of films aren't among them."""
        return self._listing.pictures

    @property
    def films(self) -> tuple[FilmRecord, ...]:
        """All films, by name."""
        return self._listing.films

    @property
    def frames(self) -> tuple[PictureRecord, ...]:
        """Frames that have, or once had, a mark: by film and index."""
        return self._listing.frames

    @property
    def classes(self) -> ClassTable:
        """The class table; a class's place in it is its label code."""
        return self._classes.table

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Id of each class, in the order of the class table: what is kept with label codes on the disk, for life."""
        return tuple(self._classes.ids)

    def codes_of(self, ids: Sequence[int]) -> npt.NDArray[np.uint8]:
        """How to read label codes of a time when the classes had these ids.

        Parameters
        ----------
        ids : sequence of int
            :attr:`class_ids` of that time.

        Returns
        -------
        ndarray (256,), uint8
            At each code of then, today's: that of the same class, of the class it was merged into, or K of
            today (UNLABELED) if it was deleted or was no class. IGNORE stays.
        """
        classes = self._classes
        codes = np.full(256, len(classes.table), np.uint8)
        codes[IGNORE] = IGNORE
        for then, number in enumerate(ids):
            codes[then] = classes.codes.get(number, len(classes.table))
        return codes
