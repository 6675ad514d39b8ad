"""No step is taken on a loss that is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from spml_core.errors import TrainingError


def finite_losses(losses: Mapping[str, Tensor], stage: str, step: int) -> dict[str, float]:
    """The losses as plain numbers.

    Parameters
    ----------
    losses : mapping
        Name and value, ``()``; the sum is among them.
    stage : str
        What is being trained, for the error.
    step : int
        Number of the step, from 1.

    Raises
    ------
    TrainingError
        If one is NaN or infinite.
    """
    values = {name: float(loss.detach()) for name, loss in losses.items()}
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise TrainingError(
            f"{stage}: the loss {broken[0]} is {values[broken[0]]} in step {step}.",
            "The last checkpoint is kept. Train with another seed or a lower learning rate; if it happens in the first"
            " steps, check that the weights belong to the backbone.",
        )
    return values
