"""What boxes, key points and tags tell training of a picture's cells: labels, first guesses, what is ruled out.

Three kinds of knowledge, from sure to vague (METHODS.md 1.10):

* labels: outside all boxes is background; near a key point is its class. They count as marks.
* guesses: the core of each box has its class, smaller boxes lying in front of larger ones; far from key points is
  background. A first classifier learns from them, then its own answers take their place.
* allowed classes: inside a box, background and the classes of the boxes around it; in a picture whose tags are
  complete, background and those. Answers are looked for among these alone.

What a person painted outweighs all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box, CoarseMarks
from spml_core.annotations.sufficiency import BACKGROUND
from spml_core.seeds import key_point_seeds
from spml_core.seeds.grid import box_cells

_MARGIN = 0.15  # of a box's height and width on each side: what is left is its core


@dataclass(frozen=True)
class GridHints:
    """What coarse marks tell of a picture's feature grid.

    Attributes
    ----------
    labels : ndarray, (h, w) int64
        Labels that count as marks: a class, UNLABELED (K) or IGNORE (255).
    guesses : ndarray, (h, w) int64
        The same, and first guesses where there is no label.
    """

    labels: NDArray[np.int64]
    guesses: NDArray[np.int64]
    _coarse: CoarseMarks
    _shape: tuple[int, int]
    _painted: NDArray[np.bool_]

    @classmethod
    def of(
        cls, painted: NDArray[np.int64], coarse: CoarseMarks, shape: tuple[int, int], num_classes: int
    ) -> GridHints:
        """Hints of a picture.

        Parameters
        ----------
        painted : ndarray, (h, w) int64
            Labels of the cells by painted marks alone, codes of METHODS.md 0.2.
        coarse : CoarseMarks
        shape : tuple of int
            Height and width of the picture.
        num_classes : int
            K.
        """
        grid = (painted.shape[0], painted.shape[1])
        boxes = tuple(_clipped(box, shape) for box in coarse.boxes if box_cells(box, grid, shape))
        there = np.bincount(painted[painted < num_classes], minlength=num_classes)[:num_classes] > 0
        labels, guesses = painted, painted
        if coarse.key_points:
            seeds = key_point_seeds(coarse.key_points, shape, num_classes, grid=grid).astype(np.int64)
            near = np.where(seeds == BACKGROUND, num_classes, seeds)
            labels = _under(labels, near, num_classes)
            guesses = _under(labels, seeds, num_classes)
        if boxes:
            front = _front(boxes, grid, shape, num_classes)
            # A painted or tagged class without a box may be anywhere: then nothing is sure outside the boxes.
            loose = there.copy()
            loose[list(coarse.tags)] = True
            loose[[BACKGROUND, *(box.class_index for box in boxes)]] = False
            if coarse.key_points or loose.any():
                guesses = _under(guesses, front, num_classes)
            else:
                outside = np.where(front == BACKGROUND, BACKGROUND, num_classes)
                labels = _under(labels, outside, num_classes)
                guesses = _under(labels, front, num_classes)
        return cls(labels, guesses, replace(coarse, boxes=boxes), shape, there)

    def allowed(self, positions: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Classes that each cell may have.

        Parameters
        ----------
        positions : ndarray, (n, 2) int64
            Row and column of cells.

        Returns
        -------
        ndarray, (n, K) bool, or None
            None if nothing is ruled out.
        """
        coarse = self._coarse
        if not (coarse.complete or coarse.boxes or coarse.key_points):
            return None
        anywhere = self._painted.copy()
        anywhere[[BACKGROUND, *coarse.tags, *(point.class_index for point in coarse.key_points)]] = True
        # Where there are boxes, each object of their classes has one.
        anywhere[[box.class_index for box in coarse.boxes]] = False
        allowed = np.repeat(anywhere[None], len(positions), axis=0)
        grid = (self.labels.shape[0], self.labels.shape[1])
        for box in coarse.boxes:
            inside = np.zeros(self.labels.shape, bool)
            inside[box_cells(box, grid, self._shape)] = True
            allowed[inside[tuple(positions.T)], box.class_index] = True
        return allowed


def _under(labels: NDArray[np.int64], others: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """The labels, and the others where there is none."""
    return np.where(labels == num_classes, others, labels)


def _clipped(box: Box, shape: tuple[int, int]) -> Box:
    """The part of a box that lies in the picture."""
    return Box(
        box.class_index,
        max(box.top, -0.5),
        max(box.left, -0.5),
        min(box.bottom, shape[0] - 0.5),
        min(box.right, shape[1] - 0.5),
    )


def _front(
    boxes: Sequence[Box], grid: tuple[int, int], shape: tuple[int, int], num_classes: int
) -> NDArray[np.int64]:
    """Background outside all boxes, the class in each box's core, the smallest box in front, K in between."""
    labels = np.full(grid, BACKGROUND, np.int64)
    for box in sorted(boxes, key=lambda b: (b.top - b.bottom) * (b.right - b.left)):
        height, width = box.bottom - box.top, box.right - box.left
        core = Box(
            box.class_index,
            box.top + _MARGIN * height,
            box.left + _MARGIN * width,
            box.bottom - _MARGIN * height,
            box.right - _MARGIN * width,
        )
        labels[box_cells(box, grid, shape)] = num_classes
        labels[box_cells(core, grid, shape)] = box.class_index
    return labels
