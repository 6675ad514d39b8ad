"""The part of a project that keeps its marks and the history of everything."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from spml_core.annotations import Mark, rasterize, tag_vector
from spml_core.project import history, mark_store
from spml_core.project.class_table import LoadedClasses
from spml_core.project.filming import Filming
from spml_core.project.films import FilmRecord, film_and_index
from spml_core.project.history import HistoryEntry
from spml_core.project.mark_store import PictureState
from spml_core.project.pictures import PictureRecord


class Marking(Filming):
    """Marks, what follows from them, and one undo for marks and classes."""

    _kept: tuple[tuple[int, int, LoadedClasses] | None, dict[int, Mark]] = None, {}

    def add_marks(self, marks: Mapping[int, Sequence[Mark]], note: str) -> tuple[int, ...]:
        """Add marks as one step of the history, on the disk when this returns.

        It outlives any end of the process. A power cut may take back the last steps, whole ones.

        Parameters
        ----------
        marks : mapping
            Picture id, also of a frame that had no mark yet, to its new marks.
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
        return self.change_marks(marks, (), note)

    def remove_marks(self, ids: Iterable[int], note: str = "Remove marks") -> None:
        """Take marks away as one step of the history.

        Raises
        ------
        MarkError
            If one isn't there. Nothing was removed.
        """
        self.change_marks({}, ids, note)

    def change_marks(
        self, marks: Mapping[int, Sequence[Mark]], gone: Iterable[int], note: str
    ) -> tuple[int, ...]:
        """Add marks and take others away as one step of the history; all or nothing, as for ``add_marks``.

        Parameters
        ----------
        marks : mapping
            Picture id to its new marks.
        gone : iterable of int
            Ids of the marks to take away.
        note : str

        Returns
        -------
        tuple of int
            Ids of the new marks, in the order given.

        Raises
        ------
        MarkError
            As for ``add_marks`` and ``remove_marks``. Nothing was changed.
        """
        found = {number: self._find(number) for number in marks}
        records = {number: record for number, record in found.items() if record is not None}
        added = mark_store.change_marks(self._database, records, self._classes, marks, gone, note)
        if any(its_marks and number not in self._listing.by_id for number, its_marks in marks.items()):
            self._reload_pictures()  # frames have got their rows
        return added

    def marks(self, picture_id: int) -> dict[int, Mark]:
        """Return marks of a picture by id, in the order they were made.

        Those asked for last are kept: after a stroke several listeners ask for the same, and it is the only new one.
        """
        classes = self._classes
        state = (picture_id, history.latest_event(self._database), classes)
        kept_for, kept = self._kept
        if kept_for != state:
            known = kept if kept_for is not None and kept_for[::2] == state[::2] else {}
            kept = mark_store.load_marks(self._database, classes, picture_id, known)
            # Together: another thread may ask for another picture meanwhile.
            self._kept = state, kept
        return dict(kept)

    def marked_pictures(self) -> tuple[PictureRecord, ...]:
        """Pictures that have at least one mark: stills by name, then frames by film and index."""
        return self._those(mark_store.marked_pictures(self._database, self._classes))

    def reviewed_pictures(self) -> tuple[PictureRecord, ...]:
        """Pictures whose whole prediction was accepted (a patch with ``accepted="picture"``), in the same order."""
        return self._those(mark_store.reviewed_pictures(self._database, self._classes))

    def marked_frames(self, film: FilmRecord) -> tuple[int, ...]:
        """Indices of a film's frames that have at least one mark, ascending."""
        return tuple(self.frame_states(film))

    def frame_states(self, film: FilmRecord) -> dict[int, PictureState]:
        """How far each frame of a film is that has a mark, by its index, ascending. Two queries."""
        states = mark_store.states(self._database, self._classes)
        places = ((film_and_index(number), state) for number, state in states.items() if number < 0)
        return dict(sorted((index, state) for (its_film, index), state in places if its_film == film.id))

    def states(self) -> dict[int, PictureState]:
        """How far each still picture is, by its id: all of them, in the order of ``pictures``. Two queries."""
        marked = mark_store.states(self._database, self._classes)
        untouched = PictureState(0, False)
        return {record.id: marked.get(record.id, untouched) for record in self.pictures}

    def mark_counts(self) -> tuple[int, ...]:
        """How many marks speak of each class, in the order of the class table."""
        return mark_store.mark_counts(self._database, self._classes)

    def weak_labels(self, record: PictureRecord, point_radius: float = 3.0) -> npt.NDArray[np.uint8]:
        """Return a picture's marks as a label map (H, W), uint8. See ``rasterize``."""
        marks = self.marks(record.id).values()
        return rasterize(marks, (record.height, record.width), len(self.classes), point_radius)

    def tags(self, record: PictureRecord) -> npt.NDArray[np.bool_]:
        """Which classes a picture is known to hold, (K,), bool. See ``tag_vector``."""
        marks = tuple(self.marks(record.id).values())
        labels = rasterize(marks, (record.height, record.width), len(self.classes))
        return tag_vector(marks, labels, len(self.classes))

    def undo(self, picture_id: int | None = None) -> HistoryEntry | None:
        """Take a step back: the latest of all, of marks or classes, or the latest on one picture.

        Parameters
        ----------
        picture_id : int, optional
            Take back the latest step that changed marks of this picture and that no later step builds on:
            none removed its marks, deleted or merged their classes. Other pictures that it changed (an
            import) are changed back too. Edits of classes concern all pictures and build on one another:
            they are only taken back as the latest step of all.

        Returns
        -------
        HistoryEntry or None
            The step, or None if there is none. Its ``pictures`` tell what to show.
        """
        return self._turned(history.undo(self._database, picture_id))

    def redo(self) -> HistoryEntry | None:
        """Do the step again that was undone last; that step, or None if there is none."""
        return self._turned(history.redo(self._database))

    def can_undo(self, picture_id: int | None = None) -> HistoryEntry | None:
        """Return the step that ``undo(picture_id)`` would take back, or None; its ``note`` says what it was."""
        return history.next_undo(self._database, picture_id)

    def can_redo(self) -> HistoryEntry | None:
        """Return the step that ``redo()`` would do again, or None; its ``note`` says what it was."""
        return history.next_redo(self._database)

    def history(self) -> tuple[HistoryEntry, ...]:
        """Everything that was done, undone and redone, oldest first."""
        return history.entries(self._database)

    def latest_steps(self, count: int) -> tuple[HistoryEntry, ...]:
        """Return the last steps that are done or can be redone, oldest first: quick, however long the history is."""
        return history.latest_steps(self._database, count)

    def _those(self, ids: Collection[int]) -> tuple[PictureRecord, ...]:
        if any(number < 0 and number not in self._listing.by_id for number in ids):
            self._reload_pictures()  # the writer marked a frame since
        return tuple(record for record in self._listing.by_id.values() if record.id in ids)

    def _turned(self, entry: HistoryEntry | None) -> HistoryEntry | None:
        if entry is not None and entry.kind == "class":
            self._reload_classes()
        return entry
