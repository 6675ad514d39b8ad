"""A picture as the canvas shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spml_core.project import PictureRecord


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """A picture's pixels as the canvas can show them.

    Attributes
    ----------
    record : PictureRecord
    levels : tuple of ndarray (h, w, 3), uint8
        One, or those of a pyramid, the finest first.
    is_final : bool
        Whether nothing sharper will come.
    """

    record: PictureRecord
    levels: tuple[NDArray[np.uint8], ...]
    is_final: bool = True

    @property
    def bytes_in_memory(self) -> int:
        """Memory it takes; levels that are mapped from a file take none."""
        return sum(level.nbytes for level in self.levels if not isinstance(level, np.memmap))
