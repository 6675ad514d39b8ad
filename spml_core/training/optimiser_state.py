"""What an optimiser remembers, as plain tensors for a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's buffers, named ``index.name``."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, buffers in state.items()
        for name, value in buffers.items()
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser the buffers that :func:`optimiser_tensors` took, each on the device of its parameter.

    Raises
    ------
    ValueError
        If some of them are missing, or of another shape than their parameters.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for full_name, tensor in tensors.items():
        number, name = full_name.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    if len({frozenset(buffers) for buffers in state.values()}) > 1:
        raise ValueError("the optimiser's state is incomplete")
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for index, buffers in state.items():
        if index >= len(parameters):
            raise ValueError(f"the optimiser has no parameter {index}")
        for name, tensor in buffers.items():
            if tensor.ndim and tensor.shape != parameters[index].shape:
                shape = tuple(parameters[index].shape)
                raise ValueError(f"the optimiser's {index}.{name} is {tuple(tensor.shape)}, not {shape}")
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
