"""A button that asks for pictures or films to add to the project."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QWidget

from spml_napari.docks.icon_button import IconButton
from spml_napari.docks.paths import ask_for_film, ask_for_folder, ask_for_pictures
from spml_napari.qt_types import slot, there


class AddButton(IconButton):
    """Its menu asks for picture files, for a film, or for a folder whose pictures are the frames of a film."""

    chosen = Signal(list, list)
    """Paths to add, and of folders to add as one film each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "add", "Add pictures or a film... (files and folders can be dropped here, too)", parent=parent
        )
        self.setObjectName("add_pictures")
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self._item(menu, "add_files", "Add pictures...", "PNG, JPEG and TIFF files", self._ask_pictures)
        self._item(menu, "add_film", "Add film...", "A video, a TIFF stack or a zarr array", self._ask_film)
        self._item(
            menu,
            "add_sequence",
            "Add folder as a film...",
            "Its pictures are the frames of one film, in the order of their names",
            self._ask_sequence,
        )
        self.setMenu(menu)
        self.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)

    def _item(self, menu: QMenu, name: str, text: str, tip: str, ask: Callable[[], object]) -> None:
        action = there(menu.addAction(text))
        action.setObjectName(name)
        action.setToolTip(tip)
        action.triggered.connect(slot(lambda: ask()))

    def _ask_pictures(self) -> None:
        if paths := ask_for_pictures(self):
            self.chosen.emit(paths, [])

    def _ask_film(self) -> None:
        if (path := ask_for_film(self)) is not None:
            self.chosen.emit([], [path])

    def _ask_sequence(self) -> None:
        if (folder := ask_for_folder(self, "Folder whose pictures are one film")) is not None:
            self.chosen.emit([], [folder])
