"""What training tells its listener: frozen events, the same for the window, the progress bar, ``--json`` and tests."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Something that happened in training."""

    kind: ClassVar[str] = "event"

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON values, with its kind."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True)
class StageProgress(Event):
    """A stage other than the learning steps goes on.

    Attributes
    ----------
    stage : str
        ``"features"``, ``"start"``, ``"choose"``, ``"second"``, or ``"marks"`` where pictures are read anew because
        their marks changed; of films ``"flow"``, ``"film"``
        and ``"teacher"``.
    done, total : int
        In the stage's own units.
    seconds_left : float
        Estimate for all of training.
    """

    kind: ClassVar[str] = "stage"
    stage: str
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True)
class StepDone(Event):
    """One learning step was taken.

    Attributes
    ----------
    step, total : int
        Steps taken so far, this one included, and planned.
    losses : dict of str to float
        Unweighted terms, and their weighted sum as ``"total"``.
    seconds_left : float
        Estimate for all of training.
    """

    kind: ClassVar[str] = "step"
    step: int
    total: int
    losses: dict[str, float]
    seconds_left: float


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """Training can be resumed from here, and the model used.

    Attributes
    ----------
    step : int
    path : str
        The run's folder.
    """

    kind: ClassVar[str] = "checkpoint"
    step: int
    path: str


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, but that doesn't stop training."""

    kind: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True)
class Finished(Event):
    """Training ended and the model is usable.

    Attributes
    ----------
    step : int
        Steps taken.
    seconds : float
        What training took, resumed parts included.
    stopped : bool
        Whether it was stopped before its planned end.
    held_back_score : float or None
        Mean IoU (0..1) on marks that were kept out while the refinement was chosen.
    """

    kind: ClassVar[str] = "finished"
    step: int
    seconds: float
    stopped: bool
    held_back_score: float | None
