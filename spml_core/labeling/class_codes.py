"""A model's label codes as the project counts its classes today: some may be gone, merged or moved. Needs no torch.

The lookup ``codes`` (256,) gives for each code a model knows the one that it has today; a deleted class has the code of
UNLABELED, the number of today's classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_probabilities(
    probabilities: NDArray[np.floating], codes: NDArray[np.uint8], num_classes: int
) -> NDArray[np.float32]:
    """Probabilities of today's classes, and of what is gone.

    Parameters
    ----------
    probabilities : ndarray, (..., K) float
        Of the model's classes, 0..1.
    codes : ndarray, (256,) uint8
    num_classes : int
        Of today.

    Returns
    -------
    ndarray, (..., num_classes + 1) float32
        Merged classes have the sum of their parts, classes the model doesn't know 0; the last column is the share of
        deleted classes.
    """
    known = probabilities.shape[-1]
    members = np.zeros((known, num_classes + 1), np.float32)
    members[np.arange(known), np.minimum(codes[:known], num_classes)] = 1
    grouped: NDArray[np.float32] = probabilities.astype(np.float32, copy=False) @ members
    return grouped


def regroup(maps: NDArray[np.float32], codes: NDArray[np.uint8], num_classes: int) -> NDArray[np.float32]:
    """Maps (num_classes, H, W) of today's classes from those of the model's (K, H, W), like the above.

    The maps themselves are given back if the classes are still the same.
    """
    if len(maps) == num_classes and (codes[:num_classes] == np.arange(num_classes)).all():
        return maps
    grouped = np.zeros((num_classes, *maps.shape[1:]), np.float32)
    for plane, code in zip(maps, codes[: len(maps)], strict=True):
        if code < num_classes:
            grouped[code] += plane
    return grouped


def normalised_entropy(probabilities: NDArray[np.floating], classes: int) -> NDArray[np.float32]:
    """Entropy over the last axis, 0 for certain and 1 for ``classes`` alike.

    Parameters
    ----------
    probabilities : ndarray, (..., K) float
        Sum to 1 over the last axis.
    classes : int
        How many of them can differ from 0; with less than two the entropy is 0.

    Returns
    -------
    ndarray, (...) float32
        In 0..1.
    """
    if classes < 2:
        return np.zeros(probabilities.shape[:-1], np.float32)
    surprise = probabilities * np.log(np.maximum(probabilities, 1e-12))
    entropy: NDArray[np.float32] = np.clip(-surprise.sum(-1) / np.log(classes), 0, 1).astype(np.float32)
    return entropy
