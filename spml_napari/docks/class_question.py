"""A bar in the classes dock that asks before a class goes, without stopping anything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QResizeEvent
from qtpy.QtWidgets import QComboBox, QFrame, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from spml_napari.docks.parts import MARGIN, SPACING, note, swatch


class ClassQuestion(QFrame):
    """Asks one question at a time; hidden while there is none. Escape is no."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("class_question")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._then: Callable[[int], object] = lambda choice: None
        self._text = note()
        self._choices = QComboBox()
        self._choices.setObjectName("class_question_choices")
        self._choices.setToolTip("The class that takes over the marks")
        self._choices.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._yes = QPushButton()
        self._yes.setObjectName("class_question_yes")
        self._yes.clicked.connect(self._answer)
        self._no = QPushButton("Cancel")
        self._no.setObjectName("class_question_no")
        self._no.setToolTip("Leave the classes as they are (Esc)")
        self._no.clicked.connect(self.hide)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(SPACING)
        for widget in (self._text, self._choices, self._yes, self._no):
            layout.addWidget(widget)
        self.hide()

    def ask(
        self,
        text: str,
        yes: str,
        then: Callable[[int], object],
        choices: Sequence[tuple[str, tuple[int, int, int], int]] = (),
    ) -> None:
        """Ask, and do something on yes.

        Parameters
        ----------
        text : str
            The question.
        yes : str
            What the button says that does it.
        then : callable
            Called on yes, with the value that was chosen, or -1 if there was nothing to choose.
        choices : sequence of (str, (int, int, int), int)
            Text, colour and value of what can be chosen.
        """
        self._then = then
        self._text.setText(text)
        self._yes.setText(yes)
        self._yes.setToolTip(f"{yes}; this can be undone")
        self._choices.clear()
        for name, color, value in choices:
            self._choices.addItem(swatch(color), name, value)
        self._choices.setVisible(bool(choices))
        self.show()
        self._fit()
        (self._choices if choices else self._yes).setFocus()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Give the question the height that its lines need: a crowded column would cut it."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self._text.setMinimumHeight(
            max(self._text.heightForWidth(self._text.width()), 0)
        )  # -1 without a text

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Escape is no, Return is yes."""
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not self._no.hasFocus():
            self._answer()
        else:
            super().keyPressEvent(event)

    def _answer(self) -> None:
        value = self._choices.currentData()
        self.hide()
        self._then(-1 if value is None else int(value))
