"""The last few frames' probability maps, so that a neighbour's needn't be computed anew (METHODS.md 7.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from torch import Tensor

from spml_core.errors import ConfigError


class ProbabilityMemory:
    """Ring buffer of the teacher's probabilities of the last ``frames - 1`` frames.

    Parameters
    ----------
    frames : int
        n: the target frame and its n - 1 predecessors. 1 remembers nothing.

    Raises
    ------
    ConfigError
        If ``frames`` is below 1.
    """

    def __init__(self, frames: int = 3) -> None:
        if frames < 1:
            raise ConfigError(f"A memory for {frames} frames was asked for.", "Use 1 or more.")
        self._kept: deque[tuple[int, Tensor]] = deque(maxlen=frames - 1)

    def __len__(self) -> int:
        return len(self._kept)

    def push(self, index: int, probabilities: Tensor) -> None:
        """Remember frame ``index``, and forget the oldest if there are too many. Gradients aren't kept."""
        if self._kept and index <= self._kept[-1][0]:
            self.clear()  # the film was wound back: what is remembered lies ahead
        self._kept.append((index, probabilities.detach()))

    def before(self, index: int) -> Iterator[tuple[int, Tensor]]:
        """Index and probabilities of the remembered frames before frame ``index``, earliest first."""
        return ((i, kept) for i, kept in tuple(self._kept) if i < index)

    def clear(self) -> None:
        """Forget everything, as after a scene cut."""
        self._kept.clear()
