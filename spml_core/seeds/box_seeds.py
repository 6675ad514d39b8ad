"""Seeds from boxes: what is most like the class inside each box; outside all of them background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box
from spml_core.seeds.activation import check_finite
from spml_core.seeds.checks import check_foreground, check_maps
from spml_core.seeds.grid import Real, box_cells

_CONSTANT = 1e-6
"""Relative differences inside a box up to this are rounding: its map is constant."""


def box_seeds(
    activation: NDArray[Real],
    boxes: Sequence[Box],
    shape: tuple[int, int],
    num_classes: int,
    threshold: float = 0.5,
) -> NDArray[np.uint8]:
    """Label the cells of each box in which its class's activation is high, and those outside all boxes.

    Inside a box the class's map is stretched to 0..1: from ``threshold`` on, a cell has the class, below it is
    UNLABELED. Where boxes overlap, the highest stretched value wins (of equal ones the earlier box), and UNLABELED
    never overwrites a class. A box in which the map is constant is all UNLABELED. Outside all boxes
    everything is background.

    Parameters
    ----------
    activation : ndarray (K-1, h, w), float
        Of any scale, on any grid over the whole picture.
    boxes : sequence of Box
        In pixels of the picture. They may reach past its border; one that lies wholly outside says nothing.
        A box between the centres of the cells holds the one cell in which its middle lies.
    shape : tuple of int
        Height and width of the picture.
    num_classes : int
        K.
    threshold : float

    Returns
    -------
    ndarray (h, w), uint8
        A class 0..K-1, or K (UNLABELED): everywhere if no box touches the picture.

    Raises
    ------
    MarkError
        If a box's class is the background or none of the K, or the maps don't fit.

    References
    ----------
    SPML, section on bounding boxes; METHODS.md 1.10.2.
    """
    check_maps(activation, num_classes)
    check_finite(activation)
    for box in boxes:
        check_foreground(box, num_classes)
    grid = (activation.shape[1], activation.shape[2])
    windows = [(box, box_cells(box, grid, shape)) for box in boxes]
    inside = np.zeros(grid, bool)
    labels = np.full(grid, num_classes, np.uint8)
    best = np.full(grid, -np.inf)
    touched = False
    for box, cells in windows:
        if cells is None:
            continue
        touched = inside[cells] = True
        score = _stretched(activation[box.class_index - 1][cells])
        wins = (score >= threshold) & (score > best[cells])
        best[cells][wins] = score[wins]
        labels[cells][wins] = box.class_index
    if touched:
        labels[~inside] = 0
    return labels


def _stretched(part: NDArray[Real]) -> NDArray[np.float64]:
    """The part stretched to 0..1; NaN, which wins nowhere, if it is constant."""
    low, high = float(part.min()), float(part.max())
    if high - low <= _CONSTANT * max(abs(low), abs(high)):
        return np.full(part.shape, np.nan)
    return (part.astype(np.float64) - low) / (high - low)
