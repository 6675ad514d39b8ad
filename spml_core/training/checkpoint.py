"""Checkpoints: everything a broken-off run needs to go on exactly, as safetensors and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spml_core.errors import TrainingError
from spml_core.io import write_atomic
from spml_core.relations import MemoryBank

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Progress:
    """The plain values of a checkpoint.

    Attributes
    ----------
    step, total : int
        Steps taken and planned.
    seconds : float
        Time spent so far.
    pictures : tuple of str
        The pictures whose features were read, in order.
    sizes, marks : tuple of int
        Sampled cells of each picture, and a digest of its marks; empty in checkpoints of older versions.
    per_class : int
        Marked cells kept of each class in a picture.
    color_strength : float
    held_back_score : float or None
    generator : dict
        State of the numpy generator.
    """

    step: int
    total: int
    seconds: float
    pictures: tuple[str, ...]
    per_class: int
    color_strength: float
    held_back_score: float | None
    generator: dict[str, Any]
    sizes: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()


def save_checkpoint(
    folder: Path,
    progress: Progress,
    labels: Tensor,
    network: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    memory: MemoryBank,
    generator: torch.Generator,
    films: dict[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint in one file, whole or not at all.

    ``labels`` (n,) are those of the sampled cells of all pictures, pseudo labels included; ``films`` is what learning
    from films needs to go on.

    Raises
    ------
    StorageError
        If the disk is full or the folder can't be written.
    """
    tensors = {f"network.{name}": tensor for name, tensor in network.items()}
    tensors |= {f"memory.{name}": tensor.cpu().contiguous() for name, tensor in memory.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {
            f"optimiser.{index}.{name}": torch.as_tensor(value).cpu().contiguous()
            for name, value in state.items()
        }
    tensors |= {f"films.{name}": tensor.contiguous() for name, tensor in (films or {}).items()}
    tensors["labels"] = labels.to(torch.uint8)
    tensors["generator"] = generator.get_state()
    data = safetensors.torch.save(tensors, metadata={"progress": json.dumps(asdict(progress))})
    write_atomic(folder / CHECKPOINT_FILE, data)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from disk."""

    progress: Progress
    tensors: dict[str, Tensor]

    @classmethod
    def load(cls, folder: Path) -> Checkpoint:
        """Read a run's checkpoint.

        Raises
        ------
        TrainingError
            If there is none, or it is damaged.
        """
        path = folder / CHECKPOINT_FILE
        try:
            with safetensors.safe_open(path, "pt") as file:
                values = json.loads(file.metadata()["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError as error:
            raise TrainingError(
                f"There is no checkpoint in {folder}.", "Train without --resume to begin anew."
            ) from error
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise TrainingError(
                f"The checkpoint {path} is damaged ({error}).", "Train without --resume to begin anew."
            ) from error
        listed = {name: tuple(values.get(name, ())) for name in ("pictures", "sizes", "marks")}
        return cls(Progress(**(values | listed)), tensors)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name begins with ``prefix`` and a dot, without it."""
        start = prefix + "."
        return {name[len(start) :]: t for name, t in self.tensors.items() if name.startswith(start)}

    def restore(
        self,
        network: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        memory: MemoryBank,
        generator: torch.Generator,
        rng: np.random.Generator,
    ) -> None:
        """Put everything back where it was."""
        network.load_state_dict(self.part("network"), strict=False)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.part("optimiser").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        memory.load_state_dict(self.part("memory"))
        generator.set_state(self.tensors["generator"])
        rng.bit_generator.state = self.progress.generator
