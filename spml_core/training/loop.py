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
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.models import SegmentationNetwork
from spml_core.models.finite import finite_losses
from spml_core.relations import MemoryBank
from spml_core.training.bank import build_bank
from spml_core.training.checkpoint import Checkpoint
from spml_core.training.choosing import choice_in_haste
from spml_core.training.continuing import EarlierModel, earlier_bank, obstacle, take_over
from spml_core.training.events import CheckpointSaved, Event, Finished, StepDone, Warned
from spml_core.training.preparation import Prepared, prepare, prepare_again
from spml_core.training.pulse import Pulse, Supervision
from spml_core.training.recording import Recorder
from spml_core.training.schedule import Clock, Epochs, StepPlan, poly
from spml_core.training.sources import CachedPixels, CropPixels, PixelSource
from spml_core.training.step import losses, make_optimiser
from spml_core.training.teaching import follow_marks
from spml_core.training.training_set import TrainingSet, check_training_set
from spml_core.video.film_lessons import weighted
from spml_core.video.film_stage import FilmStage

_SECONDS_BETWEEN_CHECKPOINTS = 20.0
_SECONDS_FOR_BANK = 1.0  # where training is to end at once


def train(
    training_set: TrainingSet,
    config: TrainConfig,
    folder: Path | None = None,
    *,
    resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    started: float | None = None,
    earlier: EarlierModel | None = None,
    supervision: Supervision | None = None,
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
        Asked after every step, and in between; once it says yes, training ends early with a usable model. The time it
        takes to answer doesn't count.
    started : float, optional
        When the time budget began to run, by :func:`time.monotonic`; now if not given.
    earlier : EarlierModel, optional
        Where to start instead of from nothing. Not looked at on a resume.
    supervision : Supervision, optional
        Previews, pauses and new marks.

    Yields
    ------
    Event

    Returns
    -------
    TrainedModel

    Raises
    ------
    TrainingError
        If there is nothing to learn from, or nothing to resume; or if a loss or the model isn't finite, which is told
        before anything of it is written.
    StoppedEarlyError
        A TrainingError: if it was to stop at once before there was a model.
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
    supervision = supervision or Supervision()
    checkpoint = Checkpoint.load(folder) if resume and folder is not None else None
    clock = Clock(config.max_seconds, (checkpoint.progress.seconds if checkpoint else 0.0) + _since(started))
    rng = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = build_network(config, training_set.num_classes).to(find_device(config.device))
    refinement = Refinement(
        config.regions, color_strength=choice_in_haste(config.color_strengths).color_strength
    )
    pulse = Pulse(network, clock, should_stop, supervision, refinement)
    films = FilmStage(config, clock, pulse)
    training_set = yield from films.join(training_set)
    if checkpoint is not None:
        network.load_state_dict(checkpoint.part("network"), strict=False)
        tolerant = supervision.changed is not None
        prepared = yield from prepare_again(
            network, training_set, config, clock, checkpoint, pulse, tolerant=tolerant
        )
    else:
        if earlier is not None and (reason := obstacle(earlier, config, network.num_classes)):
            yield Warned(f"Training begins anew, since it can't go on from the earlier model: {reason}.")
            earlier = None
        if earlier is not None:
            take_over(network, earlier, config)
            pulse.refinement = earlier.model.refinement
        prepared = yield from prepare(
            network, training_set, config, clock, rng, pulse, onwards=earlier is not None
        )
    prepared = yield from films.learn(network, prepared, checkpoint)
    optimiser = make_optimiser(network, config)
    memory = MemoryBank()
    step = 0
    plan = StepPlan(clock, prepared.seconds_to_finish, config.max_steps, config.steps)
    if checkpoint is not None:
        checkpoint.restore(network, optimiser, memory, generator, rng)
        step, plan.total = checkpoint.progress.step, checkpoint.progress.total
    pulse.step = step
    pulse.show_network()
    strength = prepared.choice.color_strength
    refinement = films.refinement(Refinement(config.regions, color_strength=strength))
    model = TrainedModel(network, refinement, training_set.class_names, config)
    recorder = Recorder(folder, model, prepared, optimiser, memory, generator, rng, films.state)
    if checkpoint is None:
        recorder.save(step, plan.total)
    saved = time.monotonic()
    source = _source(network, prepared, config)
    epochs = Epochs(len(prepared.cache), config.batch)
    new = prepared.changed
    while step < plan.total and pulse.beat():
        if supervision.changed is not None and epochs.ends(step):
            pictures = supervision.changed()
            if new or pictures:
                yield from follow_marks(network, prepared.reader, prepared.cache, pictures, new, strength)
                films.forget([*new, *(picture.name for picture in pictures)], prepared.cache)
                new = ()
                source = _source(network, prepared, config)
                epochs = Epochs(len(prepared.cache), config.batch)
                epochs.begin(step)
                continue
        began = clock.spent
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * poly(step, plan.total)
        terms = losses(network, source.batch(rng), memory, config, generator)
        if extra := films.terms(network, prepared.cache, rng):
            terms |= extra | {"total": terms["total"] + weighted(extra, config)}
        values = finite_losses(terms, "Training", step + 1)
        optimiser.zero_grad()
        terms["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        pulse.step = step
        plan.took(step, clock.spent - began)
        yield StepDone(step, plan.total, values, plan.seconds_left(step))
        if folder is not None and time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
            recorder.save(step, plan.total)
            saved = time.monotonic()
            yield CheckpointSaved(step, str(folder))
    _give_bank(model, network, prepared, pulse, clock, earlier)
    recorder.save(step, plan.total)
    yield Finished(step, clock.spent, step < plan.total or prepared.cut_short, prepared.choice.score)
    return model


def _since(started: float | None) -> float:
    return 0.0 if started is None else time.monotonic() - started


def _source(network: SegmentationNetwork, prepared: Prepared, config: TrainConfig) -> PixelSource:
    cached = prepared.cache.marked_first
    samples, num_marked = [c.taught for c in cached], prepared.cache.num_marked
    if config.fine_tune:
        return CropPixels(network, [c.picture for c in cached], samples, num_marked, config)
    return CachedPixels(network, samples, num_marked, config)


def _give_bank(
    model: TrainedModel,
    network: SegmentationNetwork,
    prepared: Prepared,
    pulse: Pulse,
    clock: Clock,
    earlier: EarlierModel | None,
) -> None:
    """Give the model its retrieval bank; one of fewer pictures if training is to end at once, or is late."""
    cached = prepared.cache.marked_first
    model.bank_pictures = tuple(c.picture.name for c in cached)
    if pulse.at_once and prepared.cut_short and earlier is not None:
        model.bank, model.bank_pictures = earlier_bank(network, earlier)
        return
    samples = (
        prepared.reader.refresh(prepared.cache) if model.config.fine_tune else [c.taught for c in cached]
    )
    until = clock.spent + _SECONDS_FOR_BANK

    def enough() -> bool:
        return clock.spent > (until if pulse.at_once else max(until, clock.budget))

    model.bank = build_bank(network, samples, enough)
