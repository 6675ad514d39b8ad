"""The training loop and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spml_core.training.events import (
    CheckpointSaved,
    Event,
    Finished,
    StageProgress,
    StepDone,
    Warned,
)
from spml_core.training.training_set import Clip, TrainingPicture, TrainingSet

if TYPE_CHECKING:
    from spml_core.training.loop import train

__all__ = [
    "CheckpointSaved",
    "Clip",
    "Event",
    "Finished",
    "StageProgress",
    "StepDone",
    "TrainingPicture",
    "TrainingSet",
    "Warned",
    "train",
]


def __getattr__(name: str) -> object:
    """Import the loop, and torch with it, only when it is asked for: the window hears events without it."""
    if name == "train":
        from spml_core.training.loop import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
