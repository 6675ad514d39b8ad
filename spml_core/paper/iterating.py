"""Learning steps that can be broken off anywhere: the loop that every trained stage shares.

Whatever is drawn by lot in step ``t`` follows from the seed and ``t`` alone. So a checkpoint holds no state of a random
generator, and a run that went on from one ends exactly as one that was never broken off.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from spml_core.errors import SpmlError, TrainingError
from spml_core.models.finite import finite_losses
from spml_core.paper.run_folder import StageFolder
from spml_core.paper.tensors import load_tensors, save_tensors
from spml_core.training.events import CheckpointSaved, Event, StageProgress, StepDone

_CHECKPOINT = "checkpoint.safetensors"
_NETWORK = "network.safetensors"
_SAVING_SHARE = 0.05  # of the time may go into checkpoints


class Learner(Protocol):
    """Something that learns step by step."""

    def step(self, index: int, total: int) -> dict[str, Tensor]:
        """Take step ``index`` (from 0) of ``total``; gives its losses, their sum as ``"total"``."""

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""

    def network(self) -> dict[str, Tensor]:
        """What the stage leaves behind once all steps are taken."""


def learn(
    stage: StageFolder, make: Callable[[], Learner], iterations: int, seed: int, device: torch.device
) -> Iterator[Event]:
    """Take all steps of a stage, from its last checkpoint on; does nothing if it is finished.

    Checkpoints come as often as a twentieth of the time allows, and when the generator is closed. The stage leaves
    ``network.safetensors``.

    Parameters
    ----------
    stage : StageFolder
    make : callable
        Gives the learner at its start.
    iterations : int
    seed : int
    device : torch.device

    Raises
    ------
    TrainingError
        If a loss or the network isn't finite, which is told before anything of it is written; or if the checkpoint
        doesn't fit.
    StorageError
        If a checkpoint can't be written.
    """
    file = stage.path / _CHECKPOINT
    if stage.done:
        file.unlink(missing_ok=True)  # where the end of the last run came right after the marker
        return
    learner = make()
    first = 0
    if file.exists():
        state, first = load_tensors(file)
        try:
            learner.restore(state)
        except (SpmlError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"The checkpoint {file} doesn't fit this training ({str(error)[:200]}).",
                f"Delete the folder {stage.path} and run again.",
            ) from error
    yield StageProgress(stage.name, first, iterations, 0.0)
    began = saved = time.monotonic()
    saving = 0.0
    for index in range(first, iterations):
        seed_step(seed, stage.name, index, device)
        losses = finite_losses(learner.step(index, iterations), stage.name, index + 1)
        now = time.monotonic()
        left = (now - began) / (index + 1 - first) * (iterations - index - 1)
        try:
            yield StepDone(index + 1, iterations, losses, left)
        except GeneratorExit:
            save_tensors(file, learner.state(), step=index + 1)
            raise
        if index + 1 < iterations and now - saved >= saving / _SAVING_SHARE:
            save_tensors(file, learner.state(), step=index + 1)
            saved = time.monotonic()
            saving = saved - now
            yield CheckpointSaved(index + 1, str(stage.path))
    save_tensors(stage.path / _NETWORK, learner.network(), step=iterations)
    stage.finish({"iterations": iterations})
    file.unlink(missing_ok=True)


def has_learned(stage: StageFolder) -> bool:
    """Whether a stage has come to a network, finished or not."""
    return stage.done or (stage.path / _CHECKPOINT).exists()


def learned(stage: StageFolder) -> dict[str, Tensor]:
    """The network that a finished stage left behind, or that one that was broken off had come to."""
    return load_tensors(stage.path / (_NETWORK if stage.done else _CHECKPOINT))[0]


def derived_seed(seed: int, *words: object) -> int:
    """A seed that follows from another and some words, in 0..2^32-1."""
    return zlib.crc32(repr((seed, *words)).encode())


def seed_step(seed: int, stage: str, index: int, device: torch.device) -> None:
    """Let torch's own draws (dropout) follow from the step's number."""
    number = derived_seed(seed, stage, index)
    torch.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(number)
