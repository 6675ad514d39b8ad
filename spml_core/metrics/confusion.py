"""Confusion matrix, intersection over union and accuracy (METHODS.md 1.18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.classes import IGNORE
from spml_core.errors import MarkError


def confusion(
    truth: npt.NDArray[np.integer[Any]], prediction: npt.NDArray[np.integer[Any]], num_classes: int
) -> npt.NDArray[np.int64]:
    """Count pixels by true and predicted class.

    Parameters
    ----------
    truth, prediction : ndarray of int, any shape, the same
        Truth holds classes 0..K-1; pixels that are IGNORE (255) or UNLABELED (K) there don't count, whatever
        is predicted.
    num_classes : int
        K.

    Returns
    -------
    ndarray (K, K), int64
        Truth in rows, prediction in columns.

    Raises
    ------
    MarkError
        If the shapes differ, or a counted pixel is no class.
    """
    if truth.shape != prediction.shape:
        raise MarkError(
            f"The truth is {truth.shape} and the prediction {prediction.shape}.", "Compare maps of one size."
        )
    counted = (truth != IGNORE) & (truth != num_classes)
    rows, columns = truth[counted].astype(np.int64), prediction[counted].astype(np.int64)
    for name, codes in (("truth", rows), ("prediction", columns)):
        wrong = codes[(codes < 0) | (codes >= num_classes)]
        if wrong.size:
            raise MarkError(
                f"The {name} holds {wrong.size} pixels with code {int(wrong[0])};"
                f" the classes are 0 to {num_classes - 1}.",
                "Check that it belongs to this class table.",
            )
    return np.bincount(rows * num_classes + columns, minlength=num_classes**2).reshape(
        num_classes, num_classes
    )


@dataclass(frozen=True)
class Scores:
    """Scores of a segmentation, all in 0..1.

    Parameters
    ----------
    miou : float
        Mean intersection over union of the classes that the truth or the prediction holds; NaN if no pixel
        counts.
    miou_all : float
        The mean over all K classes, an absent one counting as 0 (METHODS.md 1.18).
    accuracy : float
        Share of the counted pixels that are right; NaN if no pixel counts.
    iou : tuple of float
        Intersection over union of each class; NaN where neither truth nor prediction holds it.
    """

    miou: float
    miou_all: float
    accuracy: float
    iou: tuple[float, ...]

    @classmethod
    def from_confusion(cls, matrix: npt.NDArray[np.int64]) -> Scores:
        """Scores of a (K, K) confusion matrix with the truth in rows."""
        right = np.diagonal(matrix).astype(np.float64)
        union = matrix.sum(axis=0) + matrix.sum(axis=1) - right
        present = union > 0
        iou = np.full(len(matrix), np.nan)
        iou[present] = right[present] / union[present]
        total = float(matrix.sum())
        return cls(
            miou=float(iou[present].mean()) if present.any() else float("nan"),
            miou_all=float((right / (union + 1e-12)).mean()),
            accuracy=float(right.sum() / total) if total else float("nan"),
            iou=tuple(float(value) for value in iou),
        )


class ConfusionMatrix:
    """A confusion matrix over many pictures, one at a time.

    Parameters
    ----------
    num_classes : int
        K.

    Attributes
    ----------
    counts : ndarray (K, K), int64
        Pixels so far, truth in rows.
    """

    def __init__(self, num_classes: int) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros((num_classes, num_classes), np.int64)

    def update(
        self, truth: npt.NDArray[np.integer[Any]], prediction: npt.NDArray[np.integer[Any]]
    ) -> ConfusionMatrix:
        """Add a picture; arguments and errors as for ``confusion``."""
        self.counts += confusion(truth, prediction, len(self.counts))
        return self

    def scores(self) -> Scores:
        """Scores of everything so far."""
        return Scores.from_confusion(self.counts)
