"""The window's state, free of Qt: project, current picture, class, tool, overlay. Everybody listens to its signals.

All changes of a project go through here, so that they are on the disk, can be undone, and every dock hears of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from spml_core.classes import ClassTable
from spml_core.errors import ProjectError, SpmlError
from spml_core.project import HistoryEntry, Project
from spml_napari.class_following import background_of, followed
from spml_napari.session_marks import SessionMarks
from spml_napari.session_state import Level
from spml_napari.view_state import display_shrink

__all__ = ["Level", "Session"]


class Session(SessionMarks):
    """What the window holds in its hands.

    Methods that change the project report what goes wrong (:attr:`reported`) and return None or False; they never
    raise an SpmlError, so that a dock can call them straight from a click.

    Attributes
    ----------
    project : Project or None
    picture : PictureRecord or None
        The one on the canvas.
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
        marked = project.marked_pictures()
        self.go_to((marked or project.pictures)[0].id)

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
        self.selected = frozenset()

    def _switch_to(self, make: Callable[[], Project]) -> bool:
        try:
            project = make()
        except SpmlError as error:
            self.report(error)
            return False
        self.adopt(project)
        return True

    # Pictures ---------------------------------------------------------------------------------------

    def go_to(self, picture_id: int) -> None:
        """Show a picture."""
        if self.project is None or (self.picture is not None and self.picture.id == picture_id):
            return
        record = next((r for r in self.project.pictures if r.id == picture_id), None)
        if record is None:
            self.report(ProjectError(f"The project has no picture with id {picture_id}.", "Choose another."))
            return
        self.settling.emit()
        self.picture, self.prediction, self.seeds, self.suggestion = record, None, None, None
        # Who goes on to another picture means that one alone.
        self.selected = frozenset({picture_id})
        self.picture_changed.emit()
        self.prediction_changed.emit()
        self.seeds_changed.emit()
        self.suggestion_changed.emit()
        self.selection_changed.emit()

    def select(self, ids: Iterable[int]) -> None:
        """Let tags go to these pictures of the project, and to the current one."""
        if self.project is None or self.picture is None:
            return
        known = {record.id for record in self.project.pictures}
        selected = frozenset(known.intersection(ids)) | {self.picture.id}
        if selected != self.selected:
            self.selected = selected
            self.selection_changed.emit()

    def step(self, count: int, among: Sequence[int] | None = None) -> None:
        """Go ``count`` pictures on (negative: back) in the project's order, or in that of the ids ``among``."""
        if self.project is None:
            return
        ids = list(among) if among else [record.id for record in self.project.pictures]
        if not ids:
            return
        if self.picture is None or self.picture.id not in ids:
            self.go_to(ids[0])
            return
        position = ids.index(self.picture.id) + count
        self.go_to(ids[min(max(position, 0), len(ids) - 1)])

    @property
    def shrink(self) -> int:
        """How many times smaller marks and predictions of the current picture are shown than it is."""
        return 1 if self.picture is None else display_shrink(self.picture.height, self.picture.width)

    def relink(self, folder: Path) -> int:
        """Find moved pictures by their content in a folder; the number found."""
        found = self._try(lambda project: project.relink(folder))
        if found:
            self.pictures_arrived(f"{found} pictures found")
        return found or 0

    def marks_arrived(self, said: str) -> None:
        """Tell everybody that a call of its own gave pictures marks, as one step of the history."""
        if self.project is None:
            return
        self.marks_changed.emit(frozenset(record.id for record in self.project.pictures))
        self.history_changed.emit()
        self.saved.emit(said)

    def pictures_arrived(self, said: str) -> None:
        """Tell everybody that the project was given pictures, or found some again, in a call of its own."""
        if self.project is None:
            return
        self.pictures_changed.emit()
        if self.picture is not None:
            moved = next((r for r in self.project.pictures if r.id == self.picture.id), self.picture)
            if moved != self.picture:
                self.picture = moved
                self.picture_changed.emit()
        self.saved.emit(said)

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
            self.marks_changed.emit(frozenset(record.id for record in self.project.pictures))
