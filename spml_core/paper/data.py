"""What a run of the paper's algorithms is fed with: pictures and marks, and what is known beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import TrainingError
from spml_core.training.training_set import TrainingSet


@dataclass(frozen=True)
class EvaluationPicture:
    """A picture with its true classes.

    Attributes
    ----------
    name : str
    rgb : callable
        Gives (H, W, 3) uint8.
    truth : callable
        Gives (H, W) uint8: classes, 255 for void.
    instances : callable, or None
        Gives (H, W) int: instance of every pixel.
    """

    name: str
    rgb: Callable[[], NDArray[np.uint8]]
    truth: Callable[[], NDArray[np.uint8]]
    instances: Callable[[], NDArray[np.int32]] | None = None


@dataclass(frozen=True)
class PaperData:
    """Training pictures with marks, validation pictures with truth, and what others computed of them before.

    Attributes
    ----------
    training : TrainingSet
        Scribbles and points are in the pictures' ``labels``; boxes, tags and key points in ``coarse``.
    validation : tuple of EvaluationPicture
        May be empty; then nothing is scored.
    activation : callable, or None
        Gives a training picture's activation maps (K - 1, H, W), 0 to 1, by its name. None has a classifier of tags
        trained for them where they are needed.
    regions : callable, or None
        Gives a training picture's over-segmentation (H, W), 0 or more, by its name. None has it computed.

    Raises
    ------
    TrainingError
        If there is no training picture, a name can't be a file's, or stands twice.
    """

    training: TrainingSet
    validation: tuple[EvaluationPicture, ...] = ()
    activation: Callable[[str], NDArray[np.float32]] | None = None
    regions: Callable[[str], NDArray[np.integer]] | None = field(default=None)

    def __post_init__(self) -> None:
        if not self.training.pictures:
            raise TrainingError("There is no picture to train on.", "Add pictures and mark them.")
        for what, pictures in (("training", self.training.pictures), ("validation", self.validation)):
            seen: set[str] = set()
            for picture in pictures:
                if not picture.name or picture.name.startswith(".") or {"/", "\\", "\0"} & set(picture.name):
                    raise TrainingError(
                        f"A {what} picture is called {picture.name!r}.", "Give it the name of a file."
                    )
                if picture.name in seen:
                    raise TrainingError(
                        f"Two {what} pictures are called {picture.name!r}.", "Give each its own name."
                    )
                seen.add(picture.name)

    @property
    def names(self) -> list[str]:
        """Names of the training pictures."""
        return [picture.name for picture in self.training.pictures]

    @property
    def num_classes(self) -> int:
        """K."""
        return self.training.num_classes

    def digest(self) -> str:
        """A word that changes when the lists of pictures, or the classes, do."""
        lines = [*self.training.class_names, "", *self.names, "", *(p.name for p in self.validation)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
