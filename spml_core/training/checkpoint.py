"""Checkpoints: everything a broken-off run needs to go on exactly, as safetensors and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spml_core.errors import ConfigError, TrainingError
from spml_core.io import write_atomic
from spml_core.models.weights import read_safetensors
from spml_core.relations import MemoryBank
from spml_core.training.optimiser_state import optimiser_tensors, restore_optimiser

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

    def check(self) -> None:
        """Complain of values that no training wrote.

        Raises
        ------
        ValueError, TypeError
        """
        counts = (self.step, self.total, self.per_class, *self.sizes, *self.marks)
        if not all(isinstance(count, int) for count in counts) or not 0 <= self.step <= self.total:
            raise ValueError("its counts are no whole numbers from 0 on")
        if not (0 <= float(self.seconds) < math.inf and math.isfinite(self.color_strength)):
            raise ValueError("its times and weights are no numbers")
        if any(len(counts) not in (0, len(self.pictures)) for counts in (self.sizes, self.marks)):
            raise ValueError("its lists have different lengths")
        if not all(isinstance(name, str) for name in self.pictures):
            raise ValueError("the names of its pictures are no words")
        np.random.default_rng().bit_generator.state = self.generator


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
    for name, value in optimiser_tensors(optimiser).items():
        tensors[f"optimiser.{name}"] = value.cpu().contiguous()
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
            tensors, metadata = read_safetensors(path)
            values = json.loads(metadata["progress"])
            listed = {name: tuple(values.get(name, ())) for name in ("pictures", "sizes", "marks")}
            progress = Progress(**(values | listed))
            progress.check()
            if missing := {"labels", "generator"} - tensors.keys():
                raise ValueError(f"it lacks {min(missing)}")
        except FileNotFoundError as error:
            raise TrainingError(
                f"There is no checkpoint in {folder}.", "Train without --resume to begin anew."
            ) from error
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            safetensors.SafetensorError,
        ) as error:
            raise TrainingError(
                f"The checkpoint {path} is damaged ({str(error)[:200]}).",
                "Train without --resume to begin anew.",
            ) from error
        return cls(progress, tensors)

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
        """Put everything back where it was: tensors onto the network's device, random states where they are drawn.

        Raises
        ------
        TrainingError
            If something is missing or doesn't fit.
        """
        try:
            self._restore(network, optimiser, memory, generator, rng)
        except (ConfigError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"The checkpoint doesn't fit this training ({str(error)[:200]}).",
                "Train without --resume to begin anew.",
            ) from error

    def _restore(
        self,
        network: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        memory: MemoryBank,
        generator: torch.Generator,
        rng: np.random.Generator,
    ) -> None:
        lacks, _ = network.load_state_dict(self.part("network"), strict=False)
        lacks = [name for name in lacks if not name.startswith("backbone.")]  # kept only where it learns
        if lacks:
            raise ValueError(f"it lacks {lacks[0]}")
        device = next(network.parameters()).device
        restore_optimiser(optimiser, self.part("optimiser"))
        memory.load_state_dict({name: tensor.to(device) for name, tensor in self.part("memory").items()})
        generator.set_state(self.tensors["generator"])
        rng.bit_generator.state = self.progress.generator
