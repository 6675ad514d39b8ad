"""Optical flow between the frames of one film, by their indices: computed once, then read from the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spml_core.video.flow import FlowEstimator
from spml_core.video.flow_cache import FlowCache
from spml_core.video.warp import Flow

CACHE_BYTES = 2**30


class FilmFlow:
    """Flow between frames of a film.

    Parameters
    ----------
    estimator : FlowEstimator
    folder : path, optional
        Where flow is kept; it may hold that of other films and estimators, too. Without it nothing is kept.
    film : str
        A word that differs with the film's content.
    """

    def __init__(self, estimator: FlowEstimator, folder: Path | None = None, film: str = "") -> None:
        self._estimator = estimator
        self._cache = None if folder is None else FlowCache(folder, estimator, CACHE_BYTES)
        self._film = film

    def between(self, t: int, k: int, rgb_t: NDArray[np.uint8], rgb_k: NDArray[np.uint8]) -> Flow:
        """Flow from frame ``t`` to frame ``k``, whose pixels (H, W, 3) are given at the size it is wanted for.

        Returns
        -------
        ndarray, (H, W, 2) float32
        """
        if self._cache is None:
            return self._estimator(rgb_t, rgb_k)
        return self._cache.get(f"{self._film}-{t}", f"{self._film}-{k}", rgb_t, rgb_k)
