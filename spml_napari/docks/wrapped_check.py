"""A check box whose text wraps: Qt's own would widen a narrow dock."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from spml_napari.docks.parts import note


class WrappedCheck(QWidget):
    """A check box with a wrapping text beside it; a click on either checks or unchecks.

    Parameters
    ----------
    name : str
        Object name of the check box.
    text, tip : str
    """

    clicked = Signal(bool)
    """The user checked (True) or unchecked it."""

    def __init__(self, name: str, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QCheckBox()
        self.box.setObjectName(name)
        self.box.setAccessibleName(text)
        self.text = note(text)
        self.setToolTip(tip)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.box, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.text, 1)
        self.box.clicked.connect(self._on_click)
        self.text.installEventFilter(self)

    def show_state(self, checked: bool | None) -> None:
        """Show it checked, unchecked, or (None) as partly both."""
        states = {True: Qt.CheckState.Checked, False: Qt.CheckState.Unchecked}
        self.box.setTristate(checked is None)
        self.box.setCheckState(Qt.CheckState.PartiallyChecked if checked is None else states[checked])

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """Let a click on the text be one on the box."""
        if watched is self.text and event is not None and event.type() == QEvent.Type.MouseButtonRelease:
            assert isinstance(event, QMouseEvent)
            if event.button() == Qt.MouseButton.LeftButton and self.text.rect().contains(event.pos()):
                self.box.click()
                return True
        return False

    def _on_click(self) -> None:
        # Partly both is only shown: a click decides.
        self.box.setTristate(False)
        self.clicked.emit(self.box.isChecked())
