"""Where the cells of a map lie in its picture, and maps brought from one grid to another."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box
from spml_core.errors import MarkError

Real = TypeVar("Real", np.float32, np.float64)


def cell_centres(cells: int, pixels: int) -> NDArray[np.float64]:
    """Where the centres of ``cells`` equal cells over ``pixels`` pixels lie; the first pixel's centre is 0."""
    return (np.arange(cells, dtype=np.float64) + 0.5) * (pixels / cells) - 0.5


def box_cells(box: Box, grid: tuple[int, int], shape: tuple[int, int]) -> tuple[slice, slice] | None:
    """Rows and columns of the cells whose centres lie in a box.

    Parameters
    ----------
    box : Box
        In pixels of the picture; it may reach past its border.
    grid : tuple of int
        Rows and columns of cells over the whole picture.
    shape : tuple of int
        Height and width of the picture.

    Returns
    -------
    tuple of slice, or None
        Never empty: a box between the centres holds the cell in which its middle lies. None if the box lies
        outside the picture.
    """
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


def fits_picture(grid: tuple[int, int], shape: tuple[int, int]) -> bool:
    """Whether a map of this size can be the picture's, made smaller or larger and then rounded.

    There must be one scale from which height and width of the map both differ by less than a cell.
    """
    (rows, columns), (height, width) = grid, shape
    return abs(rows / height - columns / width) < 1 / height + 1 / width


def to_picture(maps: NDArray[Real], shape: tuple[int, int]) -> NDArray[Real]:
    """Maps (C, h, w) resized bilinearly to a picture of size (H, W), if they can be its.

    Raises
    ------
    MarkError
        If the proportions differ ("CAM of other size").
    """
    rows, columns = maps.shape[-2:]
    if not fits_picture((rows, columns), shape):
        raise MarkError(
            f"An activation map of {rows} x {columns} cells doesn't fit a picture of {shape[0]} x {shape[1]}.",
            "Give a map of the whole picture; it may be smaller or larger, but of the same proportions.",
        )
    return resize_bilinear(maps, shape)


def resize_bilinear(maps: NDArray[Real], shape: tuple[int, int]) -> NDArray[Real]:
    """Maps (..., h, w) resized bilinearly to (..., H, W).

    The corners of both grids coincide, not the centres of their outermost cells (METHODS.md 0.2:
    ``align_corners=False``).
    """
    if maps.shape[-2:] == shape:
        return maps
    rows = _between(maps, shape[0], axis=-2)
    return _between(rows, shape[1], axis=-1)


def _between(maps: NDArray[Real], count: int, axis: int) -> NDArray[Real]:
    """Linear interpolation along one axis; beyond the outermost centres the maps stay constant."""
    length = maps.shape[axis]
    place = np.clip(cell_centres(count, length), 0, length - 1)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, length - 1)
    share = (place - low).astype(maps.dtype)
    share = share[:, None] if axis == -2 else share
    result: NDArray[Real] = maps.take(low, axis) * (1 - share) + maps.take(high, axis) * share
    return result
