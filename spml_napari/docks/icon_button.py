"""A button with a drawn icon that follows the theme."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QToolButton, QWidget

from spml_napari.docks.icons import icon

_REDRAWN_BY = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)


class IconButton(QToolButton):
    """Flat button with one of our icons, in the colour of the theme's text.

    Parameters
    ----------
    name : str
        Which icon, see :mod:`spml_napari.docks.icons`.
    tip : str
    text : str
        Shown under the icon; nothing by default.
    side : int
        Size of the icon in pixels.
    """

    def __init__(
        self, name: str, tip: str, text: str = "", side: int = 18, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._name = name
        self._drawn: tuple[str, int] | None = None
        self.setAutoRaise(True)
        self.setIconSize(QSize(side, side))
        self.setToolTip(tip)
        self.setAccessibleName(text or tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if text:
            self.setText(text)
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self._draw()

    def set_icon(self, name: str) -> None:
        """Show another icon."""
        self._name = name
        self._draw()

    def icon_color(self) -> QColor:
        """The colour that the icon is drawn in."""
        return self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Draw again after a change of theme."""
        super().changeEvent(event)
        if event.type() in _REDRAWN_BY:
            self._draw()

    def _draw(self) -> None:
        color = self.icon_color()
        look = (self._name, color.rgba())
        if look != self._drawn:
            self._drawn = look
            self.setIcon(icon(self._name, color, self.iconSize().width()))
