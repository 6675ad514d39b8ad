"""What a picture's marks say, pixel by pixel: painted labels, and the seeds of boxes, key points and tags."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box, CoarseMarks, KeyPoint
from spml_core.engine.background.answer_regions import every_middle
from spml_core.generators import run_to_end
from spml_core.labeling.picture_prediction import shrunk_prediction
from spml_core.labeling.trained_model import TrainedModel
from spml_core.project import PictureRecord, Project
from spml_core.seeds import combine_seeds

_MOST_PIXELS = 2**20  # seeds of a larger picture are made on a grid of about so many cells


def seed_map(
    project: Project,
    record: PictureRecord,
    model: TrainedModel | None = None,
    codes: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Label map of a picture from its marks alone, its boxes and tags read with a model's help (METHODS.md 1.10).

    The model's probabilities are the activation maps: inside a box they are stretched to 0..1, a tagged class's to the
    picture. Without a model boxes only tell where background is, and tags tell nothing.

    Parameters
    ----------
    project : Project
    record : PictureRecord
    model : TrainedModel, optional
    codes : ndarray, (256,) uint8
        Today's code of each of the model's; needed with a model.

    Returns
    -------
    ndarray, (H, W) uint8
        A class 0..K-1, K (UNLABELED) or 255 (IGNORE).

    Raises
    ------
    SpmlError
        If the picture can't be read.
    """
    count = len(project.classes)
    painted = project.weak_labels(record)
    coarse = CoarseMarks.of(project.marks(record.id).values())
    if not coarse:
        return painted
    step = max(1, math.ceil(math.sqrt(painted.size / _MOST_PIXELS)))
    small = every_middle(painted, step)
    activation = np.zeros((count - 1, *small.shape), np.float32)
    if model is None or codes is None:
        coarse = replace(coarse, tags=(), complete=False)
    else:
        pixels = project.open_picture(record)
        shrink = max(step, 4 if min(painted.shape) >= 64 else 1)
        found = run_to_end(shrunk_prediction(model, pixels, shrink, codes, count))
        activation = found.probabilities[1:].astype(np.float32) / 255
    seeds = combine_seeds(small, _scaled(coarse, step), activation, count)
    seeds = seeds.repeat(step, axis=0).repeat(step, axis=1)[: painted.shape[0], : painted.shape[1]]
    return np.where(painted == count, seeds, painted)


def _scaled(coarse: CoarseMarks, step: int) -> CoarseMarks:
    """The marks in a picture ``step`` times smaller."""
    if step == 1:
        return coarse

    def place(value: float) -> float:
        return (value + 0.5) / step - 0.5  # of a place; the first pixel's centre is 0 in both pictures

    return replace(
        coarse,
        boxes=tuple(
            Box(b.class_index, place(b.top), place(b.left), place(b.bottom), place(b.right))
            for b in coarse.boxes
        ),
        key_points=tuple(
            KeyPoint(p.class_index, place(p.y), place(p.x), p.size / step) for p in coarse.key_points
        ),
    )
