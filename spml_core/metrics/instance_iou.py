"""Intersection over union weighted by instances (METHODS.md 1.18)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.errors import MarkError
from spml_core.metrics.confusion import confusion

_EPSILON = 1e-12


def instances_per_class(
    truth: npt.NDArray[np.integer[Any]], instances: npt.NDArray[np.integer[Any]], num_classes: int
) -> npt.NDArray[np.int64]:
    """Count a picture's instances of each class.

    Parameters
    ----------
    truth : ndarray of int, any shape
        Classes 0..K-1; 255 is void.
    instances : ndarray of int, the same shape
        Instance of every pixel; the background's number is an instance like any other.
    num_classes : int
        K.

    Returns
    -------
    ndarray (K,), int64
        An instance belongs to the class of most of its pixels, ties to the smallest; one that is void in most doesn't
        count.

    Raises
    ------
    MarkError
        If the shapes differ.
    """
    if truth.shape != instances.shape:
        raise MarkError(
            f"The truth is {truth.shape} and the instances {instances.shape}.", "Give maps of one size."
        )
    _, which = np.unique(instances, return_inverse=True)
    codes = np.bincount(which.ravel() * 256 + truth.ravel().astype(np.int64)).astype(np.int64)
    votes = np.pad(codes, (0, -len(codes) % 256)).reshape(-1, 256)
    majority = votes.argmax(axis=1)
    return np.bincount(majority[majority < num_classes], minlength=num_classes)


class InstanceIoU:
    """Per-picture intersection over union, each class weighted by its instances in that picture.

    Parameters
    ----------
    num_classes : int
        K.
    """

    def __init__(self, num_classes: int) -> None:
        self._sums = np.zeros(num_classes)
        self._counts = np.zeros(num_classes, np.int64)

    def update(
        self,
        truth: npt.NDArray[np.integer[Any]],
        prediction: npt.NDArray[np.integer[Any]],
        instances: npt.NDArray[np.integer[Any]],
    ) -> InstanceIoU:
        """Add a picture; arguments and errors as for ``confusion`` and ``instances_per_class``."""
        num_classes = len(self._sums)
        matrix = confusion(truth, prediction, num_classes)
        right = np.diagonal(matrix).astype(np.float64)
        iou = right / (matrix.sum(axis=0) + matrix.sum(axis=1) - right + _EPSILON)
        count = instances_per_class(truth, instances, num_classes)
        self._sums += iou * count
        self._counts += count
        return self

    def iou(self) -> npt.NDArray[np.float64]:
        """Mean over the instances of each class (K,), 0..1; NaN for a class without any."""
        means = np.full(len(self._sums), np.nan)
        there = self._counts > 0
        means[there] = self._sums[there] / self._counts[there]
        return means
