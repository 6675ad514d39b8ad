"""The window's state, free of Qt: project, current picture, class, tool, overlay. Everybody listens to its signals.

All changes of a project go through here, so that they are on the disk, can be undone, and every dock hears of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from spml_core.annotations import Mark, Patch, Tag
from spml_core.classes import ClassTable
from spml_core.errors import ProjectError, SpmlError
from spml_core.project import HistoryEntry, PictureRecord, Project
from spml_napari.accepting import accepted_patch
from spml_napari.class_following import background_of, followed
from spml_napari.view_state import MAX_BRUSH, OverlayView, ShownPrediction, Tool, display_shrink

Level = Literal["info", "warning", "error"]


class Session:
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
    """

    settling = Signal()
    """Picture, project, classes or history are about to change: what is being drawn shall be finished now."""
    project_closing = Signal()
    """The open project is about to be closed; it can still be written to."""
    project_changed = Signal()
    picture_changed = Signal()
    pictures_changed = Signal()
    """Pictures were added or found again."""
    classes_changed = Signal()
    marks_changed = Signal(object)
    """Marks or review state of these pictures changed: frozenset of ids."""
    history_changed = Signal()
    class_changed = Signal()
    tool_changed = Signal()
    brush_changed = Signal()
    overlay_changed = Signal()
    prediction_changed = Signal()
    runs_changed = Signal()
    """A run was made, ended, or made current."""
    predictions_stored = Signal(object)
    """Predictions of these pictures were written to the disk: frozenset of ids."""
    saved = Signal(str)
    """A change is on the disk; what it was, in words, for the status line."""
    reported = Signal(str, str)
    """Something to tell the user: level (info, warning, error) and text."""

    def __init__(self) -> None:
        self.project: Project | None = None
        self.picture: PictureRecord | None = None
        self.class_index = 0
        self.tool = Tool.MOVE
        self.brush = 8.0
        self.overlay = OverlayView()
        self.prediction: ShownPrediction | None = None

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
        self.picture, self.prediction, self.class_index = None, None, 0
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
        self.picture, self.prediction, self.class_index = None, None, 0
        project.close()
        self.project_changed.emit()
        self.picture_changed.emit()
        self.prediction_changed.emit()
        self.history_changed.emit()

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
        self.picture, self.prediction = record, None
        self.picture_changed.emit()
        self.prediction_changed.emit()

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

    # Marks ------------------------------------------------------------------------------------------

    def marks(self) -> dict[int, Mark]:
        """Marks of the current picture by id, oldest first."""
        if self.project is None or self.picture is None:
            return {}
        return self.project.marks(self.picture.id)

    def add_marks(self, marks: Iterable[Mark], note: str) -> bool:
        """Add marks to the current picture as one step of the history; on the disk when this returns."""
        new = list(marks)
        if self.picture is None or not new:
            return False
        return self._edit_marks(lambda p, picture: p.add_marks({picture: new}, note), note)

    def remove_marks(self, ids: Iterable[int], note: str) -> bool:
        """Take marks of the current picture away as one step."""
        gone = list(ids)
        return bool(gone) and self._edit_marks(
            lambda project, picture: project.remove_marks(gone, note), note
        )

    def change_marks(self, marks: Iterable[Mark], gone: Iterable[int], note: str) -> bool:
        """Add marks to the current picture and take others away, as one step."""
        new, old = list(marks), list(gone)
        if self.picture is None or not (new or old):
            return False
        return self._edit_marks(lambda p, picture: p.change_marks({picture: new}, old, note), note)

    def set_tag(self, class_index: int, there: bool) -> bool:
        """Say that a class is in the current picture, or take that back."""
        name = self.classes.names[class_index]
        old = [k for k, m in self.marks().items() if isinstance(m, Tag) and m.class_index == class_index]
        if there and not old:
            return self.add_marks([Tag(class_index)], f"Tag {name}")
        if not there and old:
            return self.remove_marks(old, f"Take tag {name} off")
        return False

    def accept(self, labels: NDArray[np.uint8], class_index: int | None = None) -> bool:
        """Accept the prediction of the current picture, or of one class in it, as true.

        Parameters
        ----------
        labels : ndarray, (H, W) uint8
            In the picture's own size.
        class_index : int or None
            None accepts all of it: the picture is reviewed.
        """
        if self.project is None or self.picture is None:
            return False
        size, count = (self.picture.height, self.picture.width), len(self.classes)
        try:
            patch = accepted_patch(labels, size, count, class_index)
        except SpmlError as error:
            self.report(error)
            return False
        if patch is None:
            self.report_text("warning", "There is nothing of this in the prediction to accept.")
            return False
        what = "picture" if class_index is None else self.classes.names[class_index]
        return self.add_marks([patch], f"Accept {what}")

    def is_reviewed(self) -> bool:
        """Whether the current picture was accepted as a whole."""
        if self.project is None or self.picture is None:
            return False
        return self.picture in self.project.reviewed_pictures()

    def take_review_back(self) -> bool:
        """Let the current picture be not reviewed any more."""
        kept = [k for k, m in self.marks().items() if isinstance(m, Patch) and m.accepted == "picture"]
        return self.remove_marks(kept, "Take review back")

    def _edit_marks(self, edit: Callable[[Project, int], Any], note: str) -> bool:
        if self.project is None or self.picture is None:
            return False
        picture = self.picture.id
        if self._try(lambda project: (edit(project, picture), True)) is None:
            return False
        self.marks_changed.emit(frozenset({picture}))
        self.history_changed.emit()
        self.saved.emit(note)
        return True

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

    @property
    def classes(self) -> ClassTable:
        """The class table; a stand-in of two while no project is open."""
        if self.project is None:
            return ClassTable.from_names(["background", "object"])
        return self.project.classes

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

    # Tools and view -----------------------------------------------------------------------------------

    def set_tool(self, tool: Tool | str) -> None:
        """Choose what a press on the picture does."""
        if tool != self.tool:
            self.tool = Tool(tool)
            self.tool_changed.emit()

    def set_brush(self, diameter: float) -> None:
        """Set the pen's diameter in pixels of the picture; kept within 1..500."""
        diameter = float(min(max(round(diameter), 1), MAX_BRUSH))
        if diameter != self.brush:
            self.brush = diameter
            self.brush_changed.emit()

    def scale_brush(self, larger: bool) -> None:
        """Make the pen a step larger or smaller."""
        step = max(1.0, round(self.brush * 0.2))
        self.set_brush(self.brush + step if larger else self.brush - step)

    def view(self, **changes: Any) -> None:
        """Change how the overlay looks: fields of :class:`OverlayView`."""
        changed = replace(self.overlay, **changes)
        if changed != self.overlay:
            self.overlay = changed
            self.overlay_changed.emit()

    def show_prediction(self, prediction: ShownPrediction | None) -> None:
        """Lay a prediction over the current picture; one of another picture is dropped."""
        if prediction is not None and (self.picture is None or self.picture.id != prediction.picture_id):
            return
        self.prediction = prediction
        self.prediction_changed.emit()

    # Telling ------------------------------------------------------------------------------------------

    def report(self, error: SpmlError) -> None:
        """Tell the user what went wrong and what to do."""
        self.reported.emit("error", str(error))

    def report_text(self, level: Level, text: str) -> None:
        """Tell the user something."""
        self.reported.emit(level, text)

    def _try(self, change: Callable[[Project], Any]) -> Any:
        if self.project is None:
            self.report(ProjectError("No project is open.", "Open or make one first."))
            return None
        try:
            return change(self.project)
        except SpmlError as error:
            self.report(error)
            return None
