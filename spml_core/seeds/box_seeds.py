"""Seeds from boxes: what is most like the class inside each box; outside all of them background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box
from spml_core.seeds.activation import check_finite
from spml_core.seeds.checks import check_foreground, check_maps
from spml_core.seeds.grid import Real, cell_centres

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
    windows = [(box, _cells(box, activation.shape[1:], shape)) for box in boxes]
    inside = np.zeros(activation.shape[1:], bool)
    labels = np.full(activation.shape[1:], num_classes, np.uint8)
    best = np.full(activation.shape[1:], -np.inf)
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


def _cells(box: Box, grid: tuple[int, ...], shape: tuple[int, int]) -> tuple[slice, slice] | None:
    """Rows and columns of the grid whose centres lie in a box; None if it lies outside the picture."""
    rows = _span(box.top, box.bottom, grid[0], shape[0])
    columns = _span(box.left, box.right, grid[1], shape[1])
    return None if rows is None or columns is None else (rows, columns)


def _span(start: float, stop: float, cells: int, pixels: int) -> slice | None:
    low, high = max(start, -0.5), min(stop, pixels - 0.5)  # the picture's borders
    if low >= high:
        return None
    first, end = np.searchsorted(cell_centres(cells, pixels), [start, stop], side="left")
    if first >= end:
        first = min(int((0.5 * (low + high) + 0.5) * cells / pixels), cells - 1)
        end = first + 1
    return slice(int(first), int(end))
