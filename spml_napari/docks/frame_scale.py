"""Where the frames of a film lie along a strip: each has its share of the width, all of them the same. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameScale:
    """Frames ``0 .. count - 1`` side by side from ``left`` over ``width`` pixels.

    Attributes
    ----------
    count : int
        At least 1.
    left, width : float
        In pixels of the widget.
    """

    count: int
    left: float
    width: float

    @property
    def step(self) -> float:
        """Width of a frame in pixels; below 1 where several share a column."""
        return self.width / max(self.count, 1)

    def x_of(self, index: int) -> float:
        """Where a frame's middle lies."""
        return self.left + (index + 0.5) * self.step

    def edge(self, index: int) -> float:
        """Where a frame begins."""
        return self.left + index * self.step

    def index_at(self, x: float) -> int:
        """Which frame lies at a place; the first or last beyond the ends."""
        index = int(np.floor((x - self.left) / self.step)) if self.step > 0 else 0
        return min(max(index, 0), self.count - 1)

    def nearest(self, x: float, among: Iterable[int], reach: float) -> int | None:
        """Return that of some frames whose middle is nearest to a place, no further than ``reach`` pixels away."""
        found = min(among, key=lambda index: abs(self.x_of(index) - x), default=None)
        return found if found is not None and abs(self.x_of(found) - x) <= max(reach, self.step / 2) else None


def worst_by_column(values: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Shrink or stretch values of frames to columns of pixels, keeping the lowest of those that share a column.

    Parameters
    ----------
    values : ndarray (count,), float32
        NaN where nothing is known. A column is NaN only if nothing is known of any of its frames.
    columns : int

    Returns
    -------
    ndarray (columns,), float32
    """
    count = len(values)
    if count == 0 or columns <= 0:
        return np.full(max(columns, 0), np.nan, np.float32)
    starts = np.arange(columns, dtype=np.int64) * count // columns
    if count <= columns:
        return values[starts]
    # fmin takes the number where the other is NaN.
    return np.fmin.reduceat(values, starts)


def frame_columns(frames: Iterable[int], count: int, columns: int) -> list[int]:
    """Return the columns of pixels, each once and ascending, in which some frames lie."""
    indices = np.fromiter(frames, np.int64)
    if not len(indices) or not count:
        return []
    middle = ((indices + 0.5) * columns / count).astype(np.int64)
    return [int(column) for column in np.unique(np.clip(middle, 0, columns - 1))]


def runs_of(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of frames without a gap, ascending."""
    found: list[tuple[int, int]] = []
    for index in sorted(frames):
        if found and index == found[-1][1] + 1:
            found[-1] = found[-1][0], index
        else:
            found.append((index, index))
    return found
