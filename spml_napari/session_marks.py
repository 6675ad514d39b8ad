"""The part of the session that changes marks and tags: of the current picture, or of all that are selected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Mark, Patch, Tag
from spml_core.errors import SpmlError
from spml_core.project import Project
from spml_core.wording import counted
from spml_napari.accepting import accepted_patch
from spml_napari.session_state import SessionState


class SessionMarks(SessionState):
    """Marks, tags and review; every change is on the disk when its method returns, and one step to undo."""

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

    # Tags of all selected pictures --------------------------------------------------------------------

    def tag_counts(self) -> dict[int, int]:
        """How many of the selected pictures are tagged with each class; classes without a tag are left out."""
        counts: Counter[int] = Counter()
        for tags in self._tags().values():
            counts.update({tag.class_index for tag in tags.values()})
        return dict(counts)

    def tags_complete(self) -> bool | None:
        """Whether the lists of tags of the selected pictures are complete; None if some are and some aren't.

        Where nobody tagged anything yet it is what the first tag will be: :attr:`new_tags_complete`.
        """
        lists = {all(tag.complete for tag in tags.values()) for tags in self._tags().values() if tags}
        if not lists:
            return self.new_tags_complete
        return lists.pop() if len(lists) == 1 else None

    def set_tag(self, class_index: int, there: bool) -> bool:
        """Say that a class is in the selected pictures, or take that back, as one step."""
        name = self.classes.names[class_index]
        new: dict[int, list[Mark]] = {}
        gone: list[int] = []
        for picture, tags in self._tags().items():
            old = [number for number, tag in tags.items() if tag.class_index == class_index]
            if there and not old:
                complete = all(tag.complete for tag in tags.values()) if tags else self.new_tags_complete
                new[picture] = [Tag(class_index, complete)]
            elif not there:
                gone += old
        return self._edit_tags(new, gone, f"Tag {name}" if there else f"Take tag {name} off")

    def set_tags_complete(self, complete: bool) -> bool:
        """Say whether the tags of each selected picture are all the classes in it, as one step."""
        self.new_tags_complete = complete
        new: dict[int, list[Mark]] = {}
        gone: list[int] = []
        for picture, tags in self._tags().items():
            old = [number for number, tag in tags.items() if tag.complete is not complete]
            if old:
                gone += old
                new[picture] = [replace(tags[number], complete=complete) for number in old]
        return self._edit_tags(new, gone, "Tags are complete" if complete else "Tags are not complete")

    def _tags(self) -> dict[int, dict[int, Tag]]:
        """Tags by mark id of each selected picture."""
        if self.project is None:
            return {}
        project = self.project
        return {
            picture: {k: mark for k, mark in project.marks(picture).items() if isinstance(mark, Tag)}
            for picture in sorted(self.selected)
        }

    def _edit_tags(self, new: Mapping[int, list[Mark]], gone: Collection[int], note: str) -> bool:
        if not (new or gone):
            return False
        if len(self.selected) > 1:
            note = f"{note} ({counted(len(self.selected), 'picture')})"
        return self._edit(lambda project: project.change_marks(new, gone, note), self.selected, note)

    # Review -------------------------------------------------------------------------------------------

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
        return self._edit(lambda project: edit(project, picture), frozenset({picture}), note)

    def _note_marked(self, pictures: frozenset[int]) -> None:
        """What was propagated doesn't know these marks yet."""
        self.marked_since |= pictures

    def _edit(self, edit: Callable[[Project], Any], pictures: frozenset[int], note: str) -> bool:
        if self._try(lambda project: (edit(project), True)) is None:
            return False
        self._note_marked(pictures)
        self.marks_changed.emit(pictures)
        self.history_changed.emit()
        self.saved.emit(note)
        return True
