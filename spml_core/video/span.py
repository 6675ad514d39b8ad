"""Pieces of a film that are labelled at once, and what comes out for each frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError

Source = Literal["mark", "forward", "backward", "both"]


@dataclass(frozen=True)
class Span:
    """Frames to label from the marked frames before and after them.

    Attributes
    ----------
    first, last : int
        The frames, both included.
    before, after : int or None
        Marked frames to start from: at most ``first``, at least ``last``. One that lies within the span is labelled,
        too.

    Raises
    ------
    ConfigError
        If the frames aren't in this order, or there is no marked frame.
    """

    first: int
    last: int
    before: int | None
    after: int | None

    def __post_init__(self) -> None:
        if self.before is None and self.after is None:
            raise ConfigError(
                f"The frames {self.first} to {self.last} have no marked frame beside them.", "Give one."
            )
        known = [at for at in (self.before, self.first, self.last, self.after) if at is not None]
        if known != sorted(known) or known[0] < 0:
            raise ConfigError(
                f"The frames of a span aren't in order: marked {self.before}, first {self.first},"
                f" last {self.last}, marked {self.after}.",
                "Give before <= first <= last <= after.",
            )


@dataclass(frozen=True, eq=False)
class FrameResult:
    """A frame's labels.

    Attributes
    ----------
    index : int
    labels : ndarray, (H, W) uint8
        Class indices of today; 255 where void was painted.
    confidence : float
        0..1: how sure the frame's classes are, each counting alike.
    final : bool
        False for what the way forward says of a frame that the way back will come to, too.
    source : {"mark", "forward", "backward", "both"}
    is_cut : bool
        Whether another scene begins here, seen in the direction of the pass.
    """

    index: int
    labels: NDArray[np.uint8]
    confidence: float
    final: bool
    source: Source
    is_cut: bool = False
