"""The training loop and its events."""

from spml_core.training.events import (
    CheckpointSaved,
    Event,
    Finished,
    StageProgress,
    StepDone,
    Warned,
)
from spml_core.training.loop import train
from spml_core.training.training_set import TrainingPicture, TrainingSet

__all__ = [
    "CheckpointSaved",
    "Event",
    "Finished",
    "StageProgress",
    "StepDone",
    "TrainingPicture",
    "TrainingSet",
    "Warned",
    "train",
]
