"""What propagation through a film is doing, how it is to be done, and how fast it goes. No Qt."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_REMEMBERED = 24


class PropagationState(StrEnum):
    """What propagation is doing."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True)
class PropagationChoices:
    """How the next propagation is to be; which frames is :attr:`Session.film_range`.

    Attributes
    ----------
    direction : str
        "both", "forward" or "backward" from the marked frames.
    flow : str
        How motion is found: "dis", "deepflow" or "raft".
    device : str
    follow : bool
        Whether the canvas shows each frame as it is done.
    after_every_mark : bool
        Whether a change of marks begins a propagation.
    """

    direction: str = "both"
    flow: str = "dis"
    device: str = "auto"
    follow: bool = True
    after_every_mark: bool = False


@dataclass(frozen=True)
class PropagationProgress:
    """How far a propagation is.

    Attributes
    ----------
    film_id : int
    index : int
        The frame that was done last.
    done, total : int
        Frames that are final, and all that had to be computed.
    share : float
        How much of the work is done, 0..1: between two marked frames every frame is passed twice.
    is_final : bool
        Whether that frame is; False on the first pass between two marked frames, the second betters it.
    frames_per_second : float
        Frames gone over, of late; NaN if that can't be told yet.
    seconds_left : float
    """

    film_id: int
    index: int
    done: int
    total: int
    share: float
    is_final: bool
    frames_per_second: float
    seconds_left: float


class Pace:
    """Frames a second, by the last two dozen of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_REMEMBERED)

    def begin(self) -> None:
        """Count anew: after a pause the frames before tell nothing."""
        self._times.clear()

    def note(self) -> None:
        """Take in that a frame is done."""
        self._times.append(self._clock())

    @property
    def frames_per_second(self) -> float:
        """NaN as long as there are fewer than three frames to tell by."""
        if len(self._times) < 3:
            return math.nan
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-3)
