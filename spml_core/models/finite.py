"""Numbers that are none: no step is taken on such a loss, and nothing is written or read that holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
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


def descend(
    optimiser: torch.optim.LBFGS, objective: Callable[[], Tensor], name: str, stage: str, step: int
) -> float:
    """Take a step of L-BFGS; gives the loss before it.

    Parameters
    ----------
    optimiser : torch.optim.LBFGS
    objective : callable
        Gives the loss, ``()``.
    name, stage : str
        Of the loss and of what is fitted, for the error.
    step : int
        Number of the step, from 1.

    Raises
    ------
    TrainingError
        If the loss is NaN or infinite.
    """

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = objective()
        if bool(loss.isnan()):  # the line search would try a long time to make less of it
            finite_losses({name: loss}, stage, step)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    loss = optimiser.step(closure)  # type: ignore[no-untyped-call]
    return finite_losses({name: loss}, stage, step)[name]


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors with values that aren't finite in float32, in which networks compute, or are complex."""
    return [
        name
        for name, tensor in tensors.items()
        if tensor.is_complex() or (tensor.is_floating_point() and not bool(tensor.float().isfinite().all()))
    ]
