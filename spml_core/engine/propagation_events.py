"""What propagation tells its listener: the same for the window, the progress bar, ``--json`` and tests. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class PropagationEvent:
    """Something that happened while marks were propagated through a film."""

    kind: ClassVar[str] = "event"

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON values, with its kind."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True)
class FrameDone(PropagationEvent):
    """A frame has labels, and they are on the disk.

    Attributes
    ----------
    index : int
    done, total : int
        Frames with final labels so far, and all that had to be computed.
    share : float
        How much of the work is done, 0..1: between two marked frames every frame is passed twice.
    confidence : float
        0..1.
    source : str
        "mark", "forward", "backward" or "both": where the labels come from.
    final : bool
        False on the first pass between two marked frames; the second betters it.
    is_cut : bool
        Whether a new scene begins here.
    seconds_left : float
        Estimate; pauses don't count.
    """

    kind: ClassVar[str] = "frame"
    index: int
    done: int
    total: int
    share: float
    confidence: float
    source: str
    final: bool
    is_cut: bool
    seconds_left: float


@dataclass(frozen=True)
class SpanDone(PropagationEvent):
    """All frames from ``first`` to ``last`` are final; ``done`` of ``total`` spans are."""

    kind: ClassVar[str] = "span"
    first: int
    last: int
    done: int
    total: int


@dataclass(frozen=True)
class Warned(PropagationEvent):
    """Something the user should know; propagation goes on."""

    kind: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True)
class Propagated(PropagationEvent):
    """The end.

    Attributes
    ----------
    first, last : int
        The range, both included.
    frames : int
        Frames of the range that have a result now.
    computed : int
        Frames that got final labels in this call.
    seconds : float
        Time it took, pauses not counted.
    stopped : bool
        Whether it was stopped before the end; the next call goes on.
    mean_confidence : float or None
        Of the range's results, 0..1; None without any.
    worst_frame : int or None
        Where a mark helps most; None if all results are next to marked frames.
    """

    kind: ClassVar[str] = "propagated"
    first: int
    last: int
    frames: int
    computed: int
    seconds: float
    stopped: bool
    mean_confidence: float | None
    worst_frame: int | None
