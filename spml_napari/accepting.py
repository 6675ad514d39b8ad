"""Predictions that a person accepts, as marks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import UNTOUCHED, Patch
from spml_core.errors import MarkError


def accepted_patch(
    labels: NDArray[np.uint8], size: tuple[int, int], num_classes: int, class_index: int | None = None
) -> Patch | None:
    """Make a mark of a prediction, or of one class in it.

    Parameters
    ----------
    labels : ndarray, (H, W) uint8
        Label codes; those that are no class are left out.
    size : (int, int)
        Height and width of the picture.
    num_classes : int
    class_index : int or None
        None takes all classes: the patch covers the picture and says that it is reviewed.

    Returns
    -------
    Patch or None
        None if there is nothing to accept. Of one class only the box around it is kept.

    Raises
    ------
    MarkError
        If the labels aren't of the picture's size.
    """
    if labels.shape != size:
        raise MarkError(
            f"A prediction of shape {labels.shape} can't be accepted for a picture of {size}.",
            "Give labels in the picture's own size.",
        )
    known = labels < num_classes if class_index is None else (labels == class_index) & (labels < num_classes)
    if not known.any():
        return None
    codes = np.where(known, labels, UNTOUCHED).astype(np.uint8)
    if class_index is None:
        return Patch(0, 0, codes, accepted="picture")
    rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
    top, left = int(rows[0]), int(columns[0])
    return Patch(top, left, codes[top : rows[-1] + 1, left : columns[-1] + 1], accepted="class")
