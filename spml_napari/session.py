"""The window's state, free of Qt: project, current picture, class, tool, overlay. Everybody listens to its signals.

All changes of a project go through here, so that they are on the disk, can be undone, and every dock hears of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import SpmlError
from spml_core.project import FilmRecord, HistoryEntry, Project
from spml_core.wording import counted
from spml_napari.class_following import background_of, followed
from spml_napari.session_pictures import SessionPictures
from spml_napari.session_state import Level

__all__ = ["Level", "Session"]


class Session(SessionPictures):
    """What the window holds in its hands.

    Methods that change the project report what goes wrong (:attr:`reported`) and return None or False; they never
    raise an SpmlError, so that a dock can call them straight from a click.

    Attributes
    ----------
    project : Project or None
    picture : PictureRecord or None
        The one on the canvas: a still, or a frame of a film.
    class_index : int
        New marks are of this class.
    tool : Tool
    brush : float
        Diameter of the pen in pixels of the picture.
    overlay : OverlayView
    prediction : ShownPrediction or None
        What lies over the current picture.
    seeds : ShownSeeds or None
        What the current picture's marks are taken for; None while nobody looks.
    suggestion : ShownSuggestion or None
        What the current picture's marks come to; see also :attr:`seen_suggestion`.
    film_result : ShownFilmResult or None
        What was propagated to the current frame; see also :attr:`seen_film_result`.
    film_results : callable
        Given a frame's record, returns what was propagated to it, or None.
    film_range : (int, int) or None
        The first and last frame of the current film that work is for; None is all of it.
    is_passing : bool
        Whether frames are passing by, played or dragged through.
    marked_since : frozenset of int
        Ids of frames whose marks were changed since something was propagated to them.
    selected : frozenset of int
        Ids of the pictures that tags go to: the current one, and those selected with it.
    key_point_size : float or None
        Size of the last key point; None before the first.
    new_tags_complete : bool
        Whether a picture's first tag begins a complete list.
    """

    # Project ----------------------------------------------------------------------------------------

    def open(self, path: Path | str) -> bool:
        """Open a project; the one that was open is closed once the new one is there."""
        return self._switch_to(lambda: Project.open(path))

    def create(self, path: Path, images: Path | Sequence[Path], classes: ClassTable) -> bool:
        """Make a new project and open it."""
        return self._switch_to(lambda: Project.create(path, images, classes))

    def adopt(self, project: Project) -> None:
        """Take over a project that is already open."""
        self.settling.emit()
        if self.project is not None:
            self.project_closing.emit()
        old = self.project
        self.project = project
        self._forget_picture()
        self.class_index, self.key_point_size = 0, None
        shown, self.overlay = (
            self.overlay,
            replace(self.overlay, hidden=background_of(project.classes), compared_run=None),
        )
        if old is not None:
            old.close()
        self.project_changed.emit()
        self.classes_changed.emit()
        self.class_changed.emit()
        if self.overlay != shown:
            self.overlay_changed.emit()
        self.history_changed.emit()
        self._go_to_first(project)

    def _go_to_first(self, project: Project) -> None:
        found = project.marked_pictures() or project.pictures
        if found:
            self.go_to(found[0].id)
        elif project.films:
            self.go_to_film(project.films[0])
        else:
            self.picture_changed.emit()

    def close(self) -> None:
        """Close the project, if one is open."""
        if self.project is None:
            return
        self.settling.emit()
        self.project_closing.emit()
        project, self.project = self.project, None
        self._forget_picture()
        self.class_index = 0
        project.close()
        self.project_changed.emit()
        self.picture_changed.emit()
        self.prediction_changed.emit()
        self.seeds_changed.emit()
        self.suggestion_changed.emit()
        self.selection_changed.emit()
        self.history_changed.emit()

    def _forget_picture(self) -> None:
        self.picture, self.prediction, self.seeds, self.suggestion = None, None, None, None
        self.film_result, self.film_range = None, None
        self.selected = self.marked_since = frozenset()
        self._last_frames.clear()
        self.is_passing = False

    def _switch_to(self, make: Callable[[], Project]) -> bool:
        try:
            project = make()
        except SpmlError as error:
            self.report(error)
            return False
        self.adopt(project)
        return True

    # Files of pictures -------------------------------------------------------------------------------

    def relink(self, folder: Path) -> int:
        """Find moved pictures by their content in a folder; the number found."""
        found = self._try(lambda project: project.relink(folder))
        if found:
            self.pictures_arrived(f"{counted(found, 'picture')} found")
        return found or 0

    def add_film(
        self, path: Path | str, name: str | None = None, frame_rate: float | None = None
    ) -> FilmRecord | None:
        """Add a film to the project and show it; waits for the disk, as docks don't: they add in the background.

        Parameters
        ----------
        path, name, frame_rate
            As for ``Project.add_film``.
        """
        film: FilmRecord | None = self._try(lambda project: project.add_film(path, name, frame_rate))
        if film is not None:
            self.pictures_arrived("1 film added")
            self.go_to_film(film)
        return film

    def marks_arrived(self, said: str) -> None:
        """Tell everybody that a call of its own gave pictures marks, as one step of the history."""
        if self.project is None:
            return
        self.marks_changed.emit(self._all_ids())
        self.history_changed.emit()
        self.saved.emit(said)

    def pictures_arrived(self, said: str) -> None:
        """Tell everybody that the project was given pictures, or found some again, in a call of its own."""
        if self.project is None:
            return
        self.pictures_changed.emit()
        if self.picture is not None:
            here = self.picture.id
            moved = self._try(lambda project: project.record(here))
            if moved is not None and moved != self.picture:
                self.picture = moved
                self.picture_changed.emit()
        self.saved.emit(said)

    def _all_ids(self) -> frozenset[int]:
        """Ids of all stills, and of all frames that have marks or are shown."""
        assert self.project is not None
        shown = () if self.picture is None else (self.picture,)
        records = (*self.project.pictures, *self.project.marked_pictures(), *shown)
        return frozenset(record.id for record in records)

    # History ----------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take the latest step back, and go to the picture that it changed."""
        self._turn("undo", lambda project: project.undo())

    def redo(self) -> None:
        """Do again what was undone last, and go to the picture that it changes."""
        self._turn("redo", lambda project: project.redo())

    def _turn(self, verb: str, turn: Callable[[Project], HistoryEntry | None]) -> None:
        if self.project is None:
            return
        self.settling.emit()
        before = self.classes
        done = self._try(lambda project: (turn(project),))
        if done is None:
            return
        (entry,) = done
        if entry is None:
            self.saved.emit(f"nothing to {verb}")
            return
        if entry.kind == "class":
            self._classes_edited(before)
        else:
            if entry.pictures and (self.picture is None or self.picture.id not in entry.pictures):
                self.go_to(entry.pictures[0])
            self._note_marked(frozenset(entry.pictures))
            self.marks_changed.emit(frozenset(entry.pictures))
        self.history_changed.emit()
        self.saved.emit(f"{verb} {entry.note}")

    # Classes ----------------------------------------------------------------------------------------

    def edit_classes(self, edit: Callable[[Project], object], said: str) -> bool:
        """Change the class table, for instance ``edit_classes(lambda p: p.rename_class(2, "leaf"), "renamed")``."""
        self.settling.emit()
        before = self.classes
        if self._try(lambda project: (edit(project), True)) is None:
            return False
        self._classes_edited(before)
        self.history_changed.emit()
        self.saved.emit(said)
        return True

    def set_class(self, index: int) -> None:
        """Give new marks this class; an index beyond the table is ignored."""
        if 0 <= index < len(self.classes) and index != self.class_index:
            self.class_index = index
            self.class_changed.emit()

    def _classes_edited(self, before: ClassTable) -> None:
        """Let the current and the hidden classes stay the same classes, wherever they went."""
        moved, last = followed(before, self.classes), len(self.classes) - 1
        self.class_index = moved.get(self.class_index, min(self.class_index, last))
        hidden = frozenset(moved[index] for index in self.overlay.hidden if index in moved)
        shown, self.overlay = self.overlay, replace(self.overlay, hidden=hidden)
        self.classes_changed.emit()
        self.class_changed.emit()
        if self.overlay != shown:
            self.overlay_changed.emit()
        if self.project is not None:
            self.marks_changed.emit(self._all_ids())
