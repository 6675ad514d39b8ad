"""Networks and half-done trainings on disk, as safetensors: whole or not there at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spml_core.errors import TrainingError
from spml_core.io import write_atomic


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, step: int = 0) -> None:
    """Write tensors, and the number of a step, into one file.

    Raises
    ------
    StorageError
        If the disk is full or the folder can't be written.
    """
    # Clones: safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, safetensors.torch.save(plain, metadata={"step": str(step)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], int]:
    """Read what :func:`save_tensors` wrote: tensors and step.

    Raises
    ------
    TrainingError
        If the file is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            step = int(file.metadata()["step"])
            return {name: file.get_tensor(name) for name in file.keys()}, step  # noqa: SIM118
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise TrainingError(
            f"{path} can't be read: {error}.", f"Delete the folder {path.parent} and run again."
        ) from error


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors named ``prefix.name``."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those tensors whose name begins with ``prefix.``, without it."""
    start = prefix + "."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


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
    """Give an optimiser the buffers that :func:`optimiser_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
