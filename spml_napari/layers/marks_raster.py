"""What marks paint, as a raster that follows them piece by piece. Knows no napari."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Erasure, Mark, Patch, Scribble, rasterize
from spml_core.classes import IGNORE, MAX_CLASSES
from spml_napari.layers.geometry import (
    NOWHERE,
    Painted,
    Window,
    as_seen_from,
    shrunken_shape,
    window_of,
    window_of_line,
)

VOID = 255
"""Raster value of pixels painted as void; classes have their code + 1, and 0 is nothing."""

# From label codes to raster values: class + 1, nothing where nobody painted (MAX_CLASSES is then UNLABELED).
_VALUES = np.zeros(256, np.uint8)
_VALUES[:MAX_CLASSES] = np.arange(1, MAX_CLASSES + 1)
_VALUES[IGNORE] = VOID


class MarksRaster:
    """Scribbles, erasures and patches of one picture, painted.

    Accepted predictions aren't painted: they would cover the whole picture. Points and boxes are shown otherwise.

    Parameters
    ----------
    height, width : int
        Of the picture.
    shrink : int
        The raster is so many times smaller.

    Attributes
    ----------
    values : ndarray, (h, w) uint8
        Class code + 1, 0 for nothing, 255 for void. Written to in place.
    """

    def __init__(self, height: int, width: int, shrink: int = 1) -> None:
        self.shrink = shrink
        self.values: NDArray[np.uint8] = np.zeros(shrunken_shape(height, width, shrink), np.uint8)
        self._painted: dict[int, Painted] = {}

    @property
    def whole(self) -> Window:
        """Window of all the raster."""
        return Window(0, 0, *self.values.shape)

    @property
    def is_blank(self) -> bool:
        """Whether no mark is painted, nor anything drawn over."""
        return not self._painted and not self.values.any()

    def is_like(self, other: MarksRaster) -> bool:
        """Whether another raster has the same size, as many times smaller than its picture."""
        return self.values.shape == other.values.shape and self.shrink == other.shrink

    def follow(self, marks: Mapping[int, Mark]) -> Window:
        """Make the raster show these marks (id to mark, in the order they are painted); the part that changed.

        Marks that only came on top are painted over; where one went or changed, its surroundings are painted anew.
        """
        wanted = {number: mark for number, mark in marks.items() if _is_painted(mark)}
        old = self._painted
        self._painted = wanted
        count = len(old)
        if list(wanted)[:count] == list(old) and all(wanted[number] == mark for number, mark in old.items()):
            touched = NOWHERE
            for number in list(wanted)[count:]:
                touched = touched.joined(self._paint_over(wanted[number]))
            return touched
        touched = NOWHERE
        for number in wanted.keys() | old.keys():
            before, after = old.get(number), wanted.get(number)
            if before != after:
                for mark in (before, after):
                    if mark is not None:
                        touched = touched.joined(window_of(mark, self.shrink))
        return self.repaint(touched)

    def repaint(self, window: Window) -> Window:
        """Paint a part anew from the marks; the part, cut to the raster."""
        window = window.within(self.whole.shape)
        if not window.is_empty:
            self.values[window.slices] = _painting(self._painted.values(), self.shrink, window)
        return window

    def draw(self, points: tuple[tuple[float, float], ...], width: float, class_index: int | None) -> Window:
        """Paint a piece of a line that isn't a mark yet; the part that changed.

        Parameters
        ----------
        points : tuple of (y, x)
            In pixels of the picture.
        width : float
            In pixels of the picture.
        class_index : int or None
            None rubs out.
        """
        line = Erasure(points, width) if class_index is None else Scribble(class_index, points, width)
        return self._paint_over(line)

    def is_painted_under(self, points: tuple[tuple[float, float], ...], width: float) -> bool:
        """Whether anything is painted under a line."""
        window = window_of_line(points, width, self.shrink).within(self.whole.shape)
        if window.is_empty:
            return False
        under = _stencil(Erasure(points, width), self.shrink, window)
        return bool(self.values[window.slices][under].any())

    def _paint_over(self, mark: Painted) -> Window:
        window = window_of(mark, self.shrink).within(self.whole.shape)
        if window.is_empty:
            return NOWHERE
        part = self.values[window.slices]
        if isinstance(mark, Patch):
            painted = _painting([mark], self.shrink, window)
            np.copyto(part, painted, where=painted > 0)
        else:
            value = 0 if isinstance(mark, Erasure) else mark.class_index + 1
            part[_stencil(mark, self.shrink, window)] = value
        return window


def _is_painted(mark: Mark) -> TypeGuard[Painted]:
    return isinstance(mark, Scribble | Erasure) or (isinstance(mark, Patch) and not mark.accepted)


def _painting(marks: Iterable[Painted], shrink: int, window: Window) -> NDArray[np.uint8]:
    """Raster values that marks give a window."""
    seen = (as_seen_from(mark, shrink, window) for mark in marks)
    labels = rasterize((mark for mark in seen if mark is not None), window.shape, MAX_CLASSES)
    return _VALUES[labels]


def _stencil(line: Scribble | Erasure, shrink: int, window: Window) -> NDArray[np.bool_]:
    """Pixels of a window that a line covers."""
    seen = as_seen_from(Scribble(0, line.points, line.width), shrink, window)
    labels = rasterize([] if seen is None else [seen], window.shape, 1)
    stencil: NDArray[np.bool_] = labels == 0
    return stencil
