"""Why: ask which labelled segments decided a place."""

from __future__ import annotations

from collections.abc import Callable

from spml_napari.session import Session
from spml_napari.tools.tool import PictureTool, Place, Surface


class WhyTool(PictureTool):
    """A click asks.

    Parameters
    ----------
    session : Session
    surface : Surface
    ask : callable
        Called with row and column of the click in pixels of the picture.
    """

    cursor = "cross"

    def __init__(self, session: Session, surface: Surface, ask: Callable[[float, float], object]) -> None:
        super().__init__(session, surface)
        self._ask = ask

    def press(self, place: Place) -> None:
        """Ask about the place."""
        self._ask(*place)
