"""Over-segmentations of the training pictures: those given with the data, or our own (METHODS.md 1.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import TrainingError
from spml_core.io.region_maps import write_regions
from spml_core.paper.context import PaperContext
from spml_core.paper.parts import read_instances
from spml_core.paper.run_folder import StageFolder
from spml_core.segments import oversegment
from spml_core.training.events import Event
from spml_core.training.training_set import TrainingPicture

Regions = Callable[[int], NDArray[np.int32]]
"""From the number of a training picture to its regions (H, W), 0 or more."""


def region_stage(context: PaperContext, stage: StageFolder) -> Iterator[Event]:
    """Write the regions of every training picture, so that each step of the training reads them fast.

    Raises
    ------
    TrainingError
        If a given map isn't of its picture's size.
    """
    if stage.done:
        return

    def make(index: int) -> None:
        picture = context.pictures[index]
        write_regions(stage.file(picture.name, ".png"), _regions(context, picture))

    yield from stage.each_missing(context.data.names, ".png", make)
    stage.finish()


def regions_of(context: PaperContext, stage: StageFolder) -> Regions:
    """What :func:`region_stage` wrote."""
    return lambda index: read_instances(stage.file(context.pictures[index].name, ".png"))


def _regions(context: PaperContext, picture: TrainingPicture) -> NDArray[np.integer]:
    rgb = picture.rgb()
    if context.data.regions is None:
        return oversegment(rgb, context.preset.regions)
    given = context.data.regions(picture.name)
    if given.shape != rgb.shape[:2] or int(given.min()) < 0:
        raise TrainingError(
            f"{picture.name}: regions of shape {given.shape} from {int(given.min())} on don't fit a picture of"
            f" {rgb.shape[:2]}.",
            "Give one number of 0 or more per pixel.",
        )
    return given
