"""What a training is doing, how it is to be done, and how long it has taken. No Qt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum


class TrainingState(StrEnum):
    """What training is doing."""

    IDLE = "idle"
    PREPARING = "preparing"
    TRAINING = "training"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Choices:
    """How the next training is to be.

    Attributes
    ----------
    preset : str
    max_seconds : float or None
        None takes the preset's.
    device : str
    from_scratch : bool
        Whether to leave the current model aside.
    preview_seconds : float
        Least time between two previews.
    video : str
        How to learn from films, see :class:`spml_core.config.TrainConfig`; without films it isn't looked at.
    """

    preset: str = "quick"
    max_seconds: float | None = None
    device: str = "auto"
    from_scratch: bool = False
    preview_seconds: float = 1.25
    video: str = ""


class Stopwatch:
    """Seconds that training took, pauses left out."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + (0.0 if self._since is None else time.monotonic() - self._since)

    def go(self) -> None:
        """Begin, or go on."""
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> None:
        """Halt."""
        self._before, self._since = self.seconds, None
