"""Networks and half-done trainings on disk, as safetensors: whole or not there at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from spml_core.errors import TrainingError
from spml_core.io import write_atomic
from spml_core.models.finite import not_finite
from spml_core.models.weights import read_safetensors


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, step: int = 0) -> None:
    """Write tensors, and the number of a step, into one file.

    Raises
    ------
    TrainingError
        If one holds NaN or infinite numbers; the file that was there stays.
    StorageError
        If the disk is full or the folder can't be written.
    """
    if broken := not_finite(tensors):
        raise TrainingError(
            f"{path} isn't written: {broken[0]} holds numbers that are NaN or infinite after step {step}.",
            "What was written before is kept. Train with another seed or a lower learning rate.",
        )
    # Clones: safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, safetensors.torch.save(plain, metadata={"step": str(step)}))


def load_tensors(path: Path, needed: Collection[str] = ()) -> tuple[dict[str, Tensor], int]:
    """Read what :func:`save_tensors` wrote: tensors, those that are needed among them, and step.

    Raises
    ------
    TrainingError
        If the file is missing, damaged, lacks a tensor that is needed, or holds NaN or infinite numbers.
    """
    try:
        tensors, metadata = read_safetensors(path)
        if missing := set(needed) - tensors.keys():
            raise ValueError(f"it lacks {min(missing)}")
        return tensors, int(metadata["step"])
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
