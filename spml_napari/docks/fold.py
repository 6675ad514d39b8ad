"""A title that folds what is under it in and out."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from spml_napari.docks.icon_button import IconButton


class Fold(QWidget):
    """Folded in at first.

    Parameters
    ----------
    title : str
    tip : str
    content : QWidget
    """

    toggled = Signal(bool)

    def __init__(self, title: str, tip: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self.header = IconButton("folded", tip, title, side=10)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setCheckable(True)
        self.header.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.header.setStyleSheet("QToolButton { border: none; background: transparent; text-align: left; }")
        self.header.toggled.connect(self._on_toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.header)
        layout.addWidget(content)
        content.hide()

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.header.isChecked()

    def set_open(self, is_open: bool) -> None:
        """Show or hide the content."""
        self.header.setChecked(is_open)

    def _on_toggle(self, is_open: bool) -> None:
        self.header.set_icon("unfolded" if is_open else "folded")
        self.content.setVisible(is_open)
        self.toggled.emit(is_open)
