"""The training loop: one generator of events for the window, the command line and the tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import torch

from spml_core.config import TrainConfig
from spml_core.devices import find_device
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.trained_model import TrainedModel, build_network, network_state
from spml_core.models import SegmentationNetwork
from spml_core.relations import MemoryBank
from spml_core.training.bank import build_bank
from spml_core.training.checkpoint import Checkpoint, Progress, save_checkpoint
from spml_core.training.events import CheckpointSaved, Event, Finished, StepDone, Warned
from spml_core.training.preparation import Prepared, prepare, refresh, reread
from spml_core.training.schedule import Clock, StepPlan, poly
from spml_core.training.sources import CachedPixels, CropPixels, PixelSource
from spml_core.training.step import losses, make_optimiser
from spml_core.training.training_set import TrainingSet, check_training_set

_SECONDS_BETWEEN_CHECKPOINTS = 20.0


def train(
    training_set: TrainingSet,
    config: TrainConfig,
    folder: Path | None = None,
    *,
    resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    started: float | None = None,
) -> Generator[Event, None, TrainedModel]:
    """Learn a segmentation from weak marks.

    The features of the pictures are read, a logistic regression on the marked cells gives the embedding a start, marks
    held back in turn settle how far to trust colours, and then embedding and head learn from cross-entropy and the four
    relations until the planned steps are done.

    Parameters
    ----------
    training_set : TrainingSet
    config : TrainConfig
    folder : Path, optional
        Where the model and the checkpoints go; without, nothing is written.
    resume : bool
        Whether to go on from the checkpoint in ``folder``.
    should_stop : callable
        Asked after every step; once it says yes, training ends early with a usable model.
    started : float, optional
        When the time budget began to run, by :func:`time.monotonic`; now if not given.

    Yields
    ------
    Event

    Returns
    -------
    TrainedModel

    Raises
    ------
    TrainingError
        If there is nothing to learn from, or nothing to resume.
    DeviceError
        If the asked-for device isn't there.
    StorageError
        If the disk is full.

    Examples
    --------
    >>> for event in train(training_set, TrainConfig(max_seconds=30)):  # doctest: +SKIP
    ...     print(event.to_dict())
    """
    for message in check_training_set(training_set):
        yield Warned(message)
    checkpoint = Checkpoint.load(folder) if resume and folder is not None else None
    clock = Clock(config.max_seconds, (checkpoint.progress.seconds if checkpoint else 0.0) + _since(started))
    rng = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = build_network(config, training_set.num_classes).to(find_device(config.device))
    if checkpoint is None:
        prepared = yield from prepare(network, training_set, config, clock, rng, should_stop)
    else:
        prepared = yield from reread(network, training_set, config, clock, checkpoint)
    optimiser = make_optimiser(network, config)
    memory = MemoryBank()
    step = 0
    plan = StepPlan(clock, prepared.seconds_to_finish, config.max_steps, config.steps)
    if checkpoint is not None:
        checkpoint.restore(network, optimiser, memory, generator, rng)
        step, plan.total = checkpoint.progress.step, checkpoint.progress.total
    source = _source(network, training_set, prepared, config)

    def snapshot() -> None:
        if folder is None:
            return
        model.save(folder)
        # What was cut short in the preparation couldn't go on exactly: resuming it means beginning anew.
        if not prepared.cut_short:
            progress = Progress(
                step,
                plan.total,
                clock.spent,
                prepared.names,
                prepared.per_class,
                prepared.choice.color_strength,
                prepared.choice.score,
                dict(rng.bit_generator.state),
            )
            save_checkpoint(
                folder,
                progress,
                prepared.labels,
                network_state(network, config),
                optimiser,
                memory,
                generator,
            )

    model = TrainedModel(
        network,
        Refinement(config.regions, color_strength=prepared.choice.color_strength),
        training_set.class_names,
        config,
    )
    if checkpoint is None:
        snapshot()
    saved = time.monotonic()
    while step < plan.total and not should_stop():
        began = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * poly(step, plan.total)
        terms = losses(network, source.batch(rng), memory, config, generator)
        optimiser.zero_grad()
        terms["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        plan.took(step, time.monotonic() - began)
        yield StepDone(
            step, plan.total, {k: float(v.detach()) for k, v in terms.items()}, plan.seconds_left(step)
        )
        if folder is not None and time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
            snapshot()
            saved = time.monotonic()
            yield CheckpointSaved(step, str(folder))
    samples = refresh(network, training_set, prepared, config) if config.fine_tune else prepared.samples
    model.bank = build_bank(network, samples)
    model.bank_pictures = prepared.names
    snapshot()
    yield Finished(step, clock.spent, step < plan.total or prepared.cut_short, prepared.choice.score)
    return model


def _since(started: float | None) -> float:
    return 0.0 if started is None else time.monotonic() - started


def _source(
    network: SegmentationNetwork, training_set: TrainingSet, prepared: Prepared, config: TrainConfig
) -> PixelSource:
    if config.fine_tune:
        by_name = {picture.name: picture for picture in training_set.pictures}
        pictures = [by_name[name] for name in prepared.names]
        return CropPixels(network, pictures, prepared.samples, prepared.num_marked, config)
    return CachedPixels(network, prepared.samples, prepared.num_marked, config)
