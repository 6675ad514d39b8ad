"""The button for what a user will want to do next."""

from __future__ import annotations

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QPushButton, QWidget

_REDRAWN_BY = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
_STYLE = """
QPushButton {{ font-weight: bold; padding: 6px; }}
QPushButton:enabled {{ background-color: {color}; }}
QPushButton:enabled:hover {{ background-color: {hovered}; }}
"""


class PrimaryButton(QPushButton):
    """Bold, and in the colour by which the theme marks what is current; named ``primary``.

    Parameters
    ----------
    text : str
    tip : str
    """

    def __init__(self, text: str, tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setObjectName("primary")
        self.setToolTip(tip)
        self._style = ""
        self._is_coloring = False
        self._color()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Take the new colours after a change of theme."""
        super().changeEvent(event)
        # Setting our style passes through palettes that are nobody's theme.
        if event.type() in _REDRAWN_BY and not self._is_coloring:
            self._color()

    def _color(self) -> None:
        # By our own text, which is light in dark themes: a style sheet may hold for one window only.
        text = self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)
        theme = get_theme("dark" if text.lightness() > 128 else "light")
        style = _STYLE.format(color=theme.current.as_hex(), hovered=theme.highlight.as_hex())
        if style != self._style:
            self._style, self._is_coloring = style, True
            self.setStyleSheet(style)
            self._is_coloring = False
