"""Learning rates over time, and how many steps a time budget holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WARM_UP = 10
POWER = 0.9
_LONGEST_EPOCH = 3.0  # seconds


def poly(step: int, total: int, *, warm_up: int = _WARM_UP, power: float = POWER) -> float:
    """Factor on the learning rate at ``step`` (from 0) of ``total``: ``(1 - step/total)^power`` after a warm-up.

    In the first ``warm_up`` steps it can't exceed a ramp from 0.1 to 1 (METHODS.md 0.4).
    """
    factor = (1.0 - min(step / max(total, 1), 1.0)) ** power
    if step < warm_up:
        ramp = step / warm_up
        factor = min(0.1 * (1 - ramp) + ramp, factor)
    return float(factor)


class Clock:
    """Time spent against a budget, carried on over a resume.

    Parameters
    ----------
    budget : float
        Seconds.
    spent : float
        Seconds used before, in the parts of this run that were broken off.
    now : callable
        Clock to read, in seconds.
    """

    def __init__(self, budget: float, spent: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self.budget = budget
        self._now = now
        self._start = now() - spent

    @property
    def spent(self) -> float:
        """Seconds used so far."""
        return self._now() - self._start

    @property
    def left(self) -> float:
        """Seconds until the budget is used up; negative afterwards."""
        return self.budget - self.spent

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Don't count what happens inside."""
        began = self._now()
        try:
            yield
        finally:
            self._start += self._now() - began


class Epochs:
    """When a pass over the cached pictures ends.

    A pass that takes long ends after three seconds, so that new marks don't wait for it.

    Parameters
    ----------
    pictures, batch : int
        In the cache, and in a step.
    now : callable
        Clock to read, in seconds.
    """

    def __init__(self, pictures: int, batch: int, now: Callable[[], float] = time.monotonic) -> None:
        self._steps = math.ceil(pictures / batch)
        self._now = now
        self._began: tuple[int, float] | None = None

    def ends(self, step: int) -> bool:
        """Whether a new pass begins after ``step`` steps; so it does before the first step that is asked about."""
        if self._began is not None:
            first, since = self._began
            if step - first < self._steps and self._now() - since < _LONGEST_EPOCH:
                return False
        self.begin(step)
        return True

    def begin(self, step: int) -> None:
        """A pass begins now."""
        self._began = step, self._now()


class StepPlan:
    """How many steps fit into what is left, planned from their measured cost.

    The plan is revised after every step, since other programs may slow down the machine or leave it; the learning rate
    follows, so it always reaches its end with the budget.

    Parameters
    ----------
    clock : Clock
    reserve : float
        Seconds to leave for what follows the steps.
    most : int
        Never plan more.
    fixed : int or None
        Plan exactly this many, whatever they cost.
    """

    def __init__(self, clock: Clock, reserve: float, most: int, fixed: int | None = None) -> None:
        self._clock = clock
        self._reserve = reserve
        self._most = most
        self._fixed = fixed
        self._seconds_per_step: float | None = None
        self.total = most if fixed is None else fixed

    def took(self, step: int, seconds: float) -> None:
        """Take note that step ``step`` (from 1) took so long, and revise the plan."""
        old = self._seconds_per_step
        # The first step is slower than the rest: buffers are allocated and kernels chosen.
        self._seconds_per_step = seconds if old is None or step <= 2 else 0.9 * old + 0.1 * seconds
        if self._fixed is not None:
            return
        left = self._clock.left - self._reserve
        fits = step + max(0, math.floor(left / max(self._seconds_per_step, 1e-9)))
        self.total = max(step, min(self._most, fits))

    def seconds_left(self, step: int) -> float:
        """Estimate until the end of training, after ``step`` steps."""
        each = self._seconds_per_step or 0.0
        return max(0.0, (self.total - step) * each + self._reserve)
