"""What was shown of a film's frames when they got their first mark: that is what marks correct. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spml_core.engine.film_results import FilmResults
from spml_core.engine.marked_frames import MarkedFrame
from spml_core.project import FilmRecord, Project

FOLDER = "bases"


@dataclass(frozen=True, eq=False)
class _Base:
    index: int
    labels: NDArray[np.uint8]
    confidence: float
    source: str
    final: bool = True
    is_cut: bool = False


class FilmBases:
    """The labels that marked frames had before they were marked, in the film's folder beside its results.

    Parameters
    ----------
    project : Project
    film : FilmRecord
    """

    def __init__(self, project: Project, film: FilmRecord) -> None:
        folder: Path = project.film_folder(film) / FOLDER
        self._kept = FilmResults(folder, film.count, project)

    def keep_up(self, marked: Sequence[MarkedFrame], results: FilmResults) -> None:
        """Keep what is shown of frames that were marked since, and forget frames that aren't marked any more.

        Raises
        ------
        StorageError
            If the disk is full.
        """
        there = self._kept.keys()
        places = {frame.index for frame in marked}
        self._kept.forget(there.keys() - places)
        new = sorted(places - there.keys())
        for index in new:
            # What was computed from a frame's own marks isn't what they corrected.
            labels = results.labels(index) if (source := results.source(index)) not in ("", "mark") else None
            if labels is not None:
                digest = blake2b(labels.tobytes(), digest_size=16).hexdigest()
                self._kept.put(_Base(index, labels, 1.0, source), digest)

    def of(self, marked: Sequence[MarkedFrame]) -> tuple[MarkedFrame, ...]:
        """The frames with digests that differ with what is kept of them."""
        keys = self._kept.keys()
        return tuple(
            replace(frame, digest=f"{frame.digest} {keys[frame.index]}") if frame.index in keys else frame
            for frame in marked
        )

    def labels(self, index: int) -> NDArray[np.uint8] | None:
        """What was shown of a frame, (H, W) uint8 in today's codes; None if nothing was, or it wasn't marked."""
        return self._kept.labels(index)

    def close(self) -> None:
        """Close the table."""
        self._kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


def shown_before_marks(project: Project, film: FilmRecord, index: int) -> NDArray[np.uint8] | None:
    """What was propagated to a frame before it was marked, which its marks correct: (H, W) uint8; None if nothing."""
    with FilmBases(project, film) as bases:
        kept = bases.labels(index)
    if kept is not None:
        return kept
    with FilmResults.of(project, film) as results:
        return results.labels(index) if results.source(index) not in ("", "mark") else None
