"""Messages between the window and the process that measures what was propagated; this file imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoreOrder:
    """What to measure; the one thing the process is given.

    Attributes
    ----------
    project : str
        The project's folder; it is opened for reading only.
    film : str
        Name of one of its films.
    flow, device : str
    """

    project: str
    film: str
    flow: str = "dis"
    device: str = "auto"


@dataclass(frozen=True)
class ScoreProgress:
    """Of ``total`` frames ``done`` have been looked at."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class FilmScored:
    """What the film's labels are worth; the last message. See :class:`spml_core.engine.film_evaluation.FilmScores`.

    Attributes
    ----------
    frames, scored, pairs : int
        Frames with labels, those of them with marks, and pairs of consecutive frames.
    mean_iou : float or None
        Mean over the classes, 0..1, on what is marked; None without marks.
    literature, corrected : float
        Temporal consistency, 0..1; NaN without a pair.
    flicker : ndarray, (H, W) float32
        Share 0..1 of the pairs in which a pixel's label changes for no reason; NaN where that can't be told.
    """

    frames: int
    scored: int
    pairs: int
    mean_iou: float | None
    literature: float
    corrected: float
    flicker: NDArray[np.float32]
