"""Seeds from tags: where a class's activation is the highest and high enough (METHODS.md 1.10.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import MarkError
from spml_core.seeds.activation import with_background
from spml_core.seeds.grid import Real


def tag_seeds(
    activation: NDArray[Real],
    present: NDArray[np.bool_],
    alpha: float = 6.0,
    threshold: float = 0.2,
) -> NDArray[np.uint8]:
    """Label each cell with the background or the tagged class of the highest score.

    Parameters
    ----------
    activation : ndarray (K-1, h, w), float
        Normalised activation maps (:func:`normalise_psa`, :func:`normalise_seam`).
    present : ndarray (K,) bool
        Classes in the picture. The background takes part whatever its entry says.
    alpha : float
        Exponent of the background's score, :func:`with_background`.
    threshold : float
        A cell whose highest score is less stays UNLABELED.

    Returns
    -------
    ndarray (h, w), uint8
        A class 0..K-1, or K (UNLABELED). Of equal scores the lowest class wins.

    Raises
    ------
    MarkError
        If the maps and ``present`` don't belong together, or the maps aren't normalised.
    """
    num_classes = len(activation) + 1
    if present.shape != (num_classes,):
        raise MarkError(
            f"{len(activation)} activation maps came with tags of shape {present.shape}.",
            "Give one map for each class but the background.",
        )
    tagged = present[1:, None, None]
    scores = with_background(np.where(tagged, activation, 0).astype(activation.dtype), alpha)
    scores[1:][~present[1:]] = -np.inf
    labels: NDArray[np.uint8] = scores.argmax(axis=0).astype(np.uint8)
    labels[scores.max(axis=0) < threshold] = num_classes
    return labels
