"""Weak label maps: marked pixels as they are, coarse marks by their seeds (METHODS.md 1.10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import TrainingError
from spml_core.paper.context import Labels, PaperContext
from spml_core.paper.run_folder import StageFolder
from spml_core.seeds.combining import combine_seeds
from spml_core.training.events import Event
from spml_core.training.training_set import TrainingPicture

Activation = Callable[[int], NDArray[np.float32]]
"""From the number of a training picture to its activation maps (K - 1, h, w)."""


def seed_stage(context: PaperContext, stage: StageFolder, activation: Activation) -> Iterator[Event]:
    """Write the weak label map of every training picture.

    Parameters
    ----------
    context : PaperContext
    stage : StageFolder
    activation : callable
        Asked only for pictures with boxes or tags.

    Raises
    ------
    MarkError
        If marks and activation maps don't fit the picture.
    TrainingError
        If a picture's painted marks have another size than it has.
    """
    if stage.done:
        return

    def make(index: int) -> None:
        picture = context.pictures[index]
        labels = weak_labels(picture, context.num_classes, lambda: activation(index))
        stage.write_labels(picture.name, labels)

    yield from stage.each_missing(context.data.names, ".png", make)
    stage.finish()


def weak_labels(
    picture: TrainingPicture, num_classes: int, activation: Callable[[], NDArray[np.float32]]
) -> NDArray[np.uint8]:
    """Weak label map (H, W) of a picture with any mixture of marks; see :func:`combine_seeds`.

    Parameters
    ----------
    picture : TrainingPicture
    num_classes : int
        K.
    activation : callable
        Gives the picture's activation maps (K - 1, h, w).
    """
    painted = None if picture.labels is None else picture.labels()
    if painted is not None and not picture.coarse:
        return painted
    shape = picture.rgb().shape[:2]
    labels = np.full(shape, num_classes, np.uint8) if painted is None else painted
    if labels.shape != shape:
        raise TrainingError(
            f"{picture.name}: labels of shape {labels.shape} don't fit a picture of {shape}.",
            "Give one label per pixel.",
        )
    maps = activation() if picture.coarse.boxes or picture.coarse.tags else None
    return combine_seeds(labels, picture.coarse, maps, num_classes)


def weak_label_maps(context: PaperContext, stage: StageFolder | None) -> Labels:
    """Weak label maps from a finished stage, or straight from the pictures where all of them are painted."""
    if stage is not None:
        written = stage
        return lambda index: written.read_labels(context.pictures[index].name)

    def painted(index: int) -> NDArray[np.uint8]:
        picture = context.pictures[index]
        if picture.labels is None:
            return np.full(picture.rgb().shape[:2], context.num_classes, np.uint8)
        return picture.labels()

    return painted
