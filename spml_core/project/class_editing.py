"""The part of a project that changes its classes."""

from __future__ import annotations

from spml_core.classes import ClassInfo
from spml_core.errors import ClassError
from spml_core.project import class_table, history, mark_store
from spml_core.project.class_table import NEW, ClassEdit
from spml_core.project.opened import Opened
from spml_core.spelling import tidy


class ClassEditing(Opened):
    """Edits of the class table. Each is one step of the history; none rewrites a mark."""

    def add_class(self, name: str, color: tuple[int, int, int] | None = None) -> int:
        """Add a class at the end; its index. Can be undone.

        Parameters
        ----------
        name : str
        color : tuple of int, optional
            Red, green and blue in 0..255. Otherwise the first default colour that no class has.

        Raises
        ------
        ClassError
            If the name is empty or taken, or the table is full.
        """
        info = ClassInfo(tidy(name), color or self.classes.free_color)
        self._edit(f"Add class {info.name}", ClassEdit((*self._classes.ids, NEW), infos={NEW: info}))
        return len(self.classes) - 1

    def rename_class(self, index: int, name: str) -> None:
        """Give a class another name; its marks stay its own. Can be undone.

        Raises
        ------
        ClassError
            If there is no such class, or the name is empty or taken.
        """
        number, old = self._class(index)
        info = ClassInfo(tidy(name), old.color)
        edit = ClassEdit(self._classes.ids, infos={number: info})
        self._edit(f"Rename class {old.name} to {info.name}", edit)

    def recolor_class(self, index: int, color: tuple[int, int, int]) -> None:
        """Give a class another colour (red, green, blue in 0..255). Can be undone.

        Raises
        ------
        ClassError
            If there is no such class, or the colour is out of range.
        """
        number, old = self._class(index)
        edit = ClassEdit(self._classes.ids, infos={number: ClassInfo(old.name, color)})
        self._edit(f"Recolour class {old.name}", edit)

    def move_class(self, index: int, new_index: int) -> None:
        """Take a class out of the table and put it in again at ``new_index``. Can be undone.

        Label codes follow the order; marks stay with their classes.

        Raises
        ------
        ClassError
            If there is no class at one of the places.
        """
        number, info = self._class(index)
        self._class(new_index)
        if index == new_index:
            return
        order = self._ids_without(number)
        order.insert(new_index, number)
        self._edit(f"Move class {info.name}", ClassEdit(order))

    def merge_class(self, index: int, into: int) -> None:
        """Make one class of two: the marks of ``index`` become those of ``into``. Can be undone.

        Raises
        ------
        ClassError
            If there is no such class, or both are the same.
        """
        number, info = self._class(index)
        target, target_info = self._class(into)
        if number == target:
            raise ClassError(f"Class {info.name!r} can't be merged into itself.", "Choose another class.")
        edit = ClassEdit(self._ids_without(number), merged={number: target})
        self._edit(f"Merge class {info.name} into {target_info.name}", edit)

    def delete_class(self, index: int) -> None:
        """Take a class out of the table; its marks are shown no more. Can be undone, with all its marks.

        A mark that also speaks of other classes stays, untouched where the deleted class was.

        Raises
        ------
        ClassError
            If there is no such class, or it is the last: one must stay.
        """
        number, info = self._class(index)
        self._edit(f"Delete class {info.name}", ClassEdit(self._ids_without(number)))

    def marks_of_class(self, index: int) -> int:
        """How many marks speak of a class: what its deletion would take.

        Raises
        ------
        ClassError
            If there is no such class.
        """
        self._class(index)
        return mark_store.mark_counts(self._database, self._classes, only=index)[index]

    def _class(self, index: int) -> tuple[int, ClassInfo]:
        index = self.classes.index(index)
        return self._classes.ids[index], self.classes.classes[index]

    def _ids_without(self, number: int) -> list[int]:
        return [other for other in self._classes.ids if other != number]

    def _edit(self, note: str, edit: ClassEdit) -> None:
        class_table.check_edit(self._classes, edit)
        with self._database.transaction():
            event = history.new_action(self._database, "class", note)
            class_table.apply_edit(self._database, event, edit)
        self._reload_classes()
