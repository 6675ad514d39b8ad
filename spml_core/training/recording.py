"""What a run leaves on the disk: its model, and checkpoints from which it can go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spml_core.labeling.trained_model import TrainedModel, network_state
from spml_core.relations import MemoryBank
from spml_core.training.checkpoint import Progress, save_checkpoint
from spml_core.training.preparation import Prepared


@dataclass(frozen=True)
class Recorder:
    """Writes the model and the state of training into a folder.

    Attributes
    ----------
    folder : Path or None
        None writes nothing.
    model : TrainedModel
    prepared : Prepared
    optimiser : Optimizer
    memory : MemoryBank
    generator : torch.Generator
    rng : numpy.random.Generator
    films : callable
        Gives tensors that learning from films needs to go on.
    """

    folder: Path | None
    model: TrainedModel
    prepared: Prepared
    optimiser: torch.optim.Optimizer
    memory: MemoryBank
    generator: torch.Generator
    rng: np.random.Generator
    films: Callable[[], dict[str, torch.Tensor]] = dict

    def save(self, step: int, total: int) -> None:
        """Write everything after ``step`` steps of ``total``.

        Raises
        ------
        StorageError
            If the disk is full or the folder can't be written.
        """
        if self.folder is None:
            return
        self.model.save(self.folder)
        prepared, cache = self.prepared, self.prepared.cache
        # What was cut short in the preparation couldn't go on exactly: resuming it means beginning anew.
        if prepared.cut_short or not all(cached.sample.whole for cached in cache.in_order):
            return
        progress = Progress(
            step,
            total,
            prepared.reader.clock.spent,
            cache.names,
            prepared.reader.per_class,
            prepared.choice.color_strength,
            prepared.choice.score,
            dict(self.rng.bit_generator.state),
            tuple(len(cached.sample) for cached in cache.in_order),
            tuple(cached.digest for cached in cache.in_order),
        )
        save_checkpoint(
            self.folder,
            progress,
            cache.labels,
            network_state(self.model.network, self.model.config),
            self.optimiser,
            self.memory,
            self.generator,
            self.films(),
        )
