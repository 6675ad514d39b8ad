"""What all tools have in common. Places are (y, x) in pixels of the picture; pixel centres are whole numbers."""

from __future__ import annotations

from typing import Literal, Protocol

from spml_core.project import PictureRecord
from spml_napari.layers.marks_layers import MarksLayers
from spml_napari.layers.pointer_layer import PointerLayer
from spml_napari.session import Session

CursorKind = Literal["brush", "cross", "hand", "arrow"]

Place = tuple[float, float]


def is_inside(place: Place, picture: PictureRecord) -> bool:
    """Whether a place lies on a pixel of a picture."""
    return -0.5 <= place[0] < picture.height - 0.5 and -0.5 <= place[1] < picture.width - 0.5


class Surface(Protocol):
    """What tools draw on while nothing is a mark yet; the canvas is one.

    Attributes
    ----------
    marks : MarksLayers
    pointer : PointerLayer
    """

    marks: MarksLayers
    pointer: PointerLayer

    @property
    def pixel(self) -> float:
        """Side of a pixel of the screen in pixels of the picture."""

    def say(self, text: str) -> None:
        """Show a word in the status line."""


class PictureTool:
    """What presses, drags and clicks of the left button on the picture do.

    The controller calls ``press``, ``drag`` any number of times, and then ``release`` or ``cancel``. Presses outside
    the picture don't arrive; drags and releases may.

    Parameters
    ----------
    session : Session
    surface : Surface
    """

    cursor: CursorKind = "arrow"
    pans = False
    """Whether napari moves the picture by the left button."""

    def __init__(self, session: Session, surface: Surface) -> None:
        self.session = session
        self.surface = surface

    def press(self, place: Place) -> None:
        """The left button goes down."""

    def drag(self, place: Place) -> None:
        """The cursor moves while the button is down."""

    def release(self, place: Place) -> None:
        """The button comes up: what was drawn becomes a mark, on the disk when this returns."""

    def cancel(self) -> None:
        """Forget what was drawn since the press."""

    def hover(self, place: Place | None) -> None:
        """The cursor moves over the picture with no button down, or leaves it (None)."""

    # Helpers ----------------------------------------------------------------------------------------

    @property
    def picture(self) -> PictureRecord:
        """The open picture; there is one whenever a press arrives."""
        assert self.session.picture is not None
        return self.session.picture

    @property
    def class_name(self) -> str:
        """Name of the class that new marks get."""
        return self.session.classes.names[self.session.class_index]


class MoveTool(PictureTool):
    """Dragging moves the picture: napari's own way."""

    cursor = "hand"
    pans = True
