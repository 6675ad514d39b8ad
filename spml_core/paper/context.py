"""What every stage of a run needs to know."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.models.paper_network import PaperNetwork
from spml_core.paper.data import PaperData
from spml_core.paper.presets import PaperPreset
from spml_core.paper.run_folder import RunFolder, StageFolder
from spml_core.training.training_set import TrainingPicture

_OTHER_SIDE = {"left": "right", "right": "left"}
_SIDES = re.compile("left|right")

Labels = Callable[[int], NDArray[np.uint8]]
"""From the number of a training picture to a label map (H, W)."""


@dataclass(frozen=True)
class PaperContext:
    """A run of one preset on some data.

    Attributes
    ----------
    preset : PaperPreset
    data : PaperData
    folder : RunFolder
    device : torch.device
    seed : int
    build : callable
        Gives the network as it is before training.
    """

    preset: PaperPreset
    data: PaperData
    folder: RunFolder
    device: torch.device
    seed: int
    build: Callable[[], PaperNetwork]

    @property
    def num_classes(self) -> int:
        """K."""
        return self.data.num_classes

    @property
    def pictures(self) -> tuple[TrainingPicture, ...]:
        """The training pictures."""
        return self.data.training.pictures

    def stage(self, name: str) -> StageFolder:
        """Folder of a stage."""
        return self.folder.stage(name)

    @property
    def mirrored_classes(self) -> tuple[int, ...]:
        """Class that each class becomes in a mirrored picture, told by "left" and "right" in their names.

        Empty where the preset doesn't tell left from right.
        """
        names = self.data.training.class_names
        if not self.preset.left_and_right:
            return ()
        twins = [_SIDES.sub(lambda found: _OTHER_SIDE[found[0]], name) for name in names]
        return tuple(names.index(twin) if twin in names else i for i, twin in enumerate(twins))

    def present(self, index: int, weak: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Classes that a training picture may hold, (K,): those of its label map, or those it is known to hold.

        A picture of which nothing is known may hold all (METHODS.md 1.14, 1.17).
        """
        there = self.tags(index, weak)
        return there if there.any() else np.ones(self.num_classes, bool)

    def tags(self, index: int, weak: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Classes that a training picture is known to hold, (K,): none if nothing is known (METHODS.md 1.8.3)."""
        there: NDArray[np.bool_] = np.bincount(weak.ravel(), minlength=IGNORE + 1)[: self.num_classes] > 0
        if not self.preset.label_map_tags:
            there = there | self.pictures[index].tags
            if there.any():
                there[0] = True
        return there
