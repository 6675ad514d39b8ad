"""Small frozen descriptions of what the window shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spml_napari.tools.region_map import RegionMap

MAX_BRUSH = 500.0
UNSURE = 128
"""Uncertainty (0..255) from which a suggestion counts as unsure, and is hatched."""


class Tool(StrEnum):
    """What a press on the picture does."""

    MOVE = "move"
    SCRIBBLE = "scribble"
    POINT = "point"
    KEY_POINT = "key_point"
    BOX = "box"
    ERASE = "erase"
    PICK = "pick"
    ANSWER = "answer"
    WHY = "why"


class OverlayMode(StrEnum):
    """What lies over the picture."""

    CLASSES = "classes"
    UNCERTAINTY = "uncertainty"
    DIFFERENCE = "difference"
    SEEDS = "seeds"


@dataclass(frozen=True)
class OverlayView:
    """How the overlay looks.

    Attributes
    ----------
    mode : OverlayMode
    opacity : float
        0..1.
    contour : int
        0 fills; otherwise outlines so many pixels wide.
    visible : bool
    hidden : frozenset of int
        Classes that are left out.
    compared_run : str or None
        The run that ``DIFFERENCE`` compares with; None takes the one before the current.
    suggested : bool
        Whether a suggestion, where there is one, is shown in place of the prediction.
    """

    mode: OverlayMode = OverlayMode.CLASSES
    opacity: float = 0.45
    contour: int = 0
    visible: bool = True
    hidden: frozenset[int] = frozenset()
    compared_run: str | None = None
    suggested: bool = True


@dataclass(frozen=True, eq=False)
class ShownPrediction:
    """The prediction that lies over the current picture.

    Attributes
    ----------
    picture_id : int
    run_id : str
    shrink : int
        It is this many times smaller than the picture.
    labels : ndarray, (h, w) uint8
        Today's label codes.
    probabilities : ndarray, (K, h, w) uint8, or None
        255 for certain; None as long as only labels are known.
    uncertainty : ndarray, (h, w) uint8, or None
    difference : ndarray, (h, w) bool, or None
        Where the compared run says something else.
    live : bool
        Whether it is a preview out of a training that goes on.
    """

    picture_id: int
    run_id: str
    shrink: int
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.uint8] | None = None
    uncertainty: NDArray[np.uint8] | None = None
    difference: NDArray[np.bool_] | None = None
    live: bool = False


@dataclass(frozen=True, eq=False)
class ShownFilmResult(ShownPrediction):
    """What marks of other frames came to on the current one, carried along the film.

    Attributes
    ----------
    confidence : float
        Mean over the frame, 0..1.
    """

    confidence: float = 1.0


@dataclass(frozen=True, eq=False)
class ShownSeeds:
    """What training would take the current picture's marks for.

    Attributes
    ----------
    picture_id : int
    shrink : int
        It is this many times smaller than the picture.
    labels : ndarray, (h, w) uint8
        Today's label codes; K where nothing is known.
    painted : ndarray, (h, w) bool
        Where a person painted or accepted the label; elsewhere it comes from boxes, tags or key points.
    """

    picture_id: int
    shrink: int
    labels: NDArray[np.uint8]
    painted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ShownSuggestion:
    """What the current picture's marks come to, without training.

    Attributes
    ----------
    picture_id : int
    labels : ndarray, (h, w) uint8
        Today's label codes; K where nothing can be said, 255 where void was painted.
    uncertainty : ndarray, (h, w) uint8
        255 for all classes alike; 0 under marks.
    regions : RegionMap
        What can be clicked on.
    next_region : int or None
        The region whose answer would teach most.
    says_something : bool
        Whether any pixel has a class.
    """

    picture_id: int
    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    regions: RegionMap
    next_region: int | None
    says_something: bool

    @property
    def shrink(self) -> int:
        """It is this many times smaller than the picture."""
        return self.regions.shrink


def display_shrink(height: int, width: int, most: int = 4096) -> int:
    """How many times smaller marks and predictions are shown than the picture, for sides of ``most`` pixels at most."""
    return max(1, -(-max(height, width) // most))
