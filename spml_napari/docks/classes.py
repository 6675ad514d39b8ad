"""The dock of the classes: what can be marked, in which colour, and how much of it was."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QPoint
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QHBoxLayout, QMenu, QWidget

from spml_core.classes import default_color
from spml_core.wording import counted
from spml_napari.docks.class_question import ClassQuestion
from spml_napari.docks.classes_model import ClassesModel
from spml_napari.docks.classes_view import ClassesView
from spml_napari.docks.following import follow
from spml_napari.docks.icon_button import IconButton
from spml_napari.docks.parts import column, note
from spml_napari.qt_types import there
from spml_napari.session import Session

_NO_PROJECT = "Open a project, or make one, to see its classes here."


class ClassesDock(QWidget):
    """Table of the classes with buttons to add, delete, merge and reorder them.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    model : ClassesModel
    table : ClassesView
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("classes_dock")
        self.session = session
        self.model = ClassesModel(session, self)
        self.table = ClassesView(self.model)
        self.table.color_wanted.connect(self.choose_color)
        self.table.delete_wanted.connect(self.ask_delete)
        self.table.menu_wanted.connect(self._show_menu)
        self.question = ClassQuestion()
        self._hint = note(_NO_PROJECT)
        self._hint.setObjectName("no_project")
        self._buttons = QWidget()
        self._fill_buttons()
        layout = column(self)
        layout.addWidget(self._hint)
        layout.addWidget(self._buttons)
        layout.addWidget(self.question)
        layout.addWidget(self.table, 1)
        follow(
            self,
            {
                session.project_changed: self._on_change,
                session.classes_changed: self._on_change,
                session.class_changed: self._on_class,
                session.history_changed: self._drop_question,
            },
        )
        self._on_change()

    # What the buttons do ----------------------------------------------------------------------------

    def add(self) -> None:
        """Add a class with a free name and a free colour, make it current, and let its name be typed."""
        taken = set(self.session.classes.names)
        name = next(
            f"class {number}" for number in range(1, len(taken) + 2) if f"class {number}" not in taken
        )
        if self.session.edit_classes(lambda project: project.add_class(name), f"class {name} added"):
            row = len(self.session.classes) - 1
            self.session.set_class(row)
            self.table.setFocus()
            self.table.edit_name(row)

    def ask_delete(self, row: int) -> None:
        """Ask whether a class and its marks shall go."""
        name, marks = self.session.classes.names[row], self.model.mark_count(row)
        if marks == 0:
            text, yes = f"Delete {name}? It has no marks.", "Delete class"
        else:
            text = f"Delete {name}? Its {counted(marks, 'mark')} in the whole project go with it."
            yes = f"Delete class and {counted(marks, 'mark')}"
        self.question.ask(f"{text} This can be undone.", yes, lambda _: self._delete(row))

    def ask_merge(self, row: int) -> None:
        """Ask which other class shall take over this one's marks."""
        classes = self.session.classes
        others = [(info.name, info.color, i) for i, info in enumerate(classes) if i != row]
        if not others:
            self.session.report_text("info", "There is no other class to merge this one into.")
            return
        marks = counted(self.model.mark_count(row), "mark")
        text = f"Give the {marks} of {classes.names[row]} to another class, and take it off the table?"
        self.question.ask(f"{text} This can be undone.", "Merge", partial(self._merge, row), others)

    def choose_color(self, row: int) -> None:
        """Let the user choose a class's colour, in a window of its own that stops nothing."""
        info = self.session.classes.classes[row]
        for place in range(QColorDialog.customCount()):
            QColorDialog.setCustomColor(place, QColor(*default_color(place)))
        dialog = QColorDialog(QColor(*info.color), self)
        dialog.setObjectName("class_color")
        dialog.setWindowTitle(f"Colour of {info.name}")
        dialog.setOption(QColorDialog.ColorDialogOption.DontUseNativeDialog)
        dialog.colorSelected.connect(partial(self._recolor, info.name))
        dialog.finished.connect(dialog.deleteLater)
        dialog.show()

    def _ask_delete_current(self) -> None:
        self.ask_delete(self.session.class_index)

    def _ask_merge_current(self) -> None:
        self.ask_merge(self.session.class_index)

    def _move_up(self) -> None:
        self.model.move(self.session.class_index, self.session.class_index - 1)

    def _move_down(self) -> None:
        self.model.move(self.session.class_index, self.session.class_index + 1)

    def _delete(self, row: int) -> None:
        name = self.session.classes.names[row]
        self.session.edit_classes(lambda project: project.delete_class(row), f"class {name} deleted")

    def _merge(self, row: int, into: int) -> None:
        names = self.session.classes.names
        said = f"class {names[row]} merged into {names[into]}"
        if self.session.edit_classes(lambda project: project.merge_class(row, into), said):
            self.session.set_class(self.session.classes.names.index(names[into]))

    def _recolor(self, name: str, color: QColor) -> None:
        # The table may have changed while the dialog was open.
        names = self.session.classes.names
        if name in names and self.session.project is not None:
            row, rgb = names.index(name), (color.red(), color.green(), color.blue())
            if self.session.classes.classes[row].color != rgb:
                self.session.edit_classes(
                    lambda project: project.recolor_class(row, rgb), f"class {name} recoloured"
                )

    def _show_only(self, row: int) -> None:
        self.session.view(hidden=frozenset(range(len(self.session.classes))) - {row})

    # Making and following ---------------------------------------------------------------------------

    def _fill_buttons(self) -> None:
        self._add = IconButton("add", "Add a class")
        self._delete_button = IconButton("delete", "Delete the current class and its marks...")
        self._merge_button = IconButton("merge", "Merge the current class into another...")
        self._up = IconButton("up", "Move the current class up: its number key and label code follow")
        self._down = IconButton("down", "Move the current class down: its number key and label code follow")
        self._add.clicked.connect(self.add)
        self._delete_button.clicked.connect(self._ask_delete_current)
        self._merge_button.clicked.connect(self._ask_merge_current)
        self._up.clicked.connect(self._move_up)
        self._down.clicked.connect(self._move_down)
        layout = QHBoxLayout(self._buttons)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        buttons = {
            "class_add": self._add,
            "class_delete": self._delete_button,
            "class_merge": self._merge_button,
            "class_up": self._up,
            "class_down": self._down,
        }
        for name, button in buttons.items():
            button.setObjectName(name)
            layout.addWidget(button)
        layout.addStretch(1)

    def _show_menu(self, point: QPoint) -> None:
        row = self.table.currentIndex().row()
        if row < 0:
            return
        menu = QMenu(self)
        menu.setObjectName("class_menu")
        shown = self.model.shown(row)
        for text, action in (
            ("Rename", lambda: self.table.edit_name(row)),
            ("Change colour...", lambda: self.choose_color(row)),
            (
                "Hide in the overlay" if shown else "Show in the overlay",
                lambda: self.model.show_class(row, not shown),
            ),
            ("Show only this one", lambda: self._show_only(row)),
            ("Show all", lambda: self.session.view(hidden=frozenset())),
            ("Merge into...", lambda: self.ask_merge(row)),
            ("Delete...", lambda: self.ask_delete(row)),
        ):
            there(menu.addAction(text)).triggered.connect(action)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(point)

    def _on_change(self) -> None:
        is_open = self.session.project is not None
        self._hint.setVisible(not is_open)
        self._buttons.setEnabled(is_open)
        self.table.setEnabled(is_open)
        self._on_class()

    def _on_class(self) -> None:
        current, count = self.session.class_index, len(self.session.classes)
        self._drop_question()
        self._up.setEnabled(current > 0)
        self._down.setEnabled(current < count - 1)
        self._delete_button.setEnabled(count > 1)
        self._merge_button.setEnabled(count > 1)

    def _drop_question(self) -> None:
        # It speaks of rows and numbers of marks as they were.
        self.question.hide()
