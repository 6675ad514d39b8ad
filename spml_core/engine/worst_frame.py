"""Where in a film a mark helps most. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class HasConfidences(Protocol):
    """Such as :class:`~spml_core.engine.film_results.FilmResults`."""

    def confidences(self) -> NDArray[np.float32]:
        """(count,) in 0..1, NaN where there is no result."""


def worst_frame(results: HasConfidences, marked: Iterable[int]) -> int | None:
    """The frame where a mark helps most.

    A mark helps its own frame and, through propagation, those up to the next marked frame, as far as they share the
    doubt: a frame's worth is the sum over these frames of the least doubt (1 - confidence) on the way to them. Frames
    next to a marked one are left out: a mark there says little that is new. Of several alike the one farthest from all
    marked frames is the worst.

    Parameters
    ----------
    results : FilmResults
    marked : iterable of int
        Frames with marks.

    Returns
    -------
    int or None
        None if there are results of no other frames than those on and next to marked ones.
    """
    doubt = 1 - np.nan_to_num(results.confidences().astype(np.float64), nan=1)
    known = ~np.isnan(results.confidences())
    count = len(doubt)
    places = sorted({index for index in marked if 0 <= index < count})
    doubt[places] = 0  # nothing is carried across a marked frame
    worth = _shared(doubt) + _shared(doubt[::-1])[::-1] - doubt
    distance = np.full(count, count)
    for place in places:
        distance = np.minimum(distance, np.abs(np.arange(count) - place))
    worth = np.where(known & (distance > 1), np.round(worth, 6), -1)
    if not len(worth) or worth.max() < 0:
        return None
    return int(np.lexsort((distance, worth))[-1])


def _shared(doubt: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each frame the sum, over it and all before it, of the least doubt from there to it."""
    found = np.zeros(len(doubt))
    rising: list[int] = []  # frames with less doubt than all between them and the present one
    for index, value in enumerate(doubt):
        while rising and doubt[rising[-1]] >= value:
            rising.pop()
        before = rising[-1] if rising else -1
        found[index] = value * (index - before) + (found[before] if rising else 0)
        rising.append(index)
    return found
