"""A training with a published method: its stages, told as the events of one training, with its stops and its model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from spml_core.config import TrainConfig
from spml_core.devices import find_device
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models import PaperNetwork
from spml_core.paper.algorithms import Scored, run_algorithm
from spml_core.paper.chosen import chosen_network, chosen_preset, learning_steps, with_steps
from spml_core.paper.context import PaperContext
from spml_core.paper.data import PaperData
from spml_core.paper.forecast import Forecast, probe
from spml_core.paper.frozen_marks import freeze_marks, frozen_set
from spml_core.paper.model_so_far import give_bank, model_so_far
from spml_core.paper.presets import PaperPreset
from spml_core.paper.run_folder import RunFolder, write_json
from spml_core.paper.side_files import region_maps
from spml_core.training.events import CheckpointSaved, Event, Finished, StageProgress, StepDone, Warned
from spml_core.training.pulse import StoppedEarlyError, Supervision
from spml_core.training.schedule import Clock
from spml_core.training.training_set import TrainingSet

SPENT = "seconds.json"
"""In a run's folder: how long it took so far."""

_MOMENT = 0.02  # seconds between two looks whether a pause has ended
_SECONDS_FOR_BANK = 1.0  # where training is to end at once
_SECONDS_FOR_PART_OF_BANK = 20.0  # where it was stopped
_LONG = 3600.0  # seconds; nobody is warned of less

_Result = TypeVar("_Result")


class PaperRun:
    """One training with a published method, from where its folder stands to its model.

    Parameters
    ----------
    training_set : TrainingSet
    config : TrainConfig
    run : RunFolder
    clock : Clock
    should_stop : callable
    supervision : Supervision
    """

    def __init__(
        self,
        training_set: TrainingSet,
        config: TrainConfig,
        run: RunFolder,
        clock: Clock,
        should_stop: Callable[[], bool],
        supervision: Supervision,
    ) -> None:
        self._set = training_set
        self._config = config
        self._run = run
        self._clock = clock
        self._should_stop = should_stop
        self._supervision = supervision
        self._stopped = False
        self._step = 0
        self._seconds_per_look = math.nan

    def events(self) -> Generator[Event, None, TrainedModel]:
        """See :func:`train_paper`."""
        marks = self._run.stage("marks")
        yield from self._obeying(freeze_marks(marks, self._set))
        context = self._context(frozen_set(marks, self._set))
        context = yield from self._obeying(self._planned(context))
        whole = True
        try:
            yield from self._obeying(self._told(context))
        except StoppedEarlyError:
            whole = False
        model = self._model(context)
        if model is None:
            raise StoppedEarlyError
        yield from give_bank(model, context, self._enough_bank())
        model.save(self._run.path)
        self._keep_time()
        yield Finished(self._step, self._clock.spent, not whole, None)
        return model

    # The stages -----------------------------------------------------------------------------------------

    def _context(self, kept: TrainingSet) -> PaperContext:
        preset, config = chosen_preset(self._config), self._config
        regions = region_maps(Path(config.region_maps), kept.pictures) if config.region_maps else None
        data, device = PaperData(kept, regions=regions), find_device(config.device)
        return PaperContext(preset, data, self._run, device, preset.seed, self._builder(preset))

    def _builder(self, preset: PaperPreset) -> Callable[[], PaperNetwork]:
        return lambda: chosen_network(preset, self._config, self._set.num_classes)

    def _planned(self, context: PaperContext) -> Generator[Event, None, PaperContext]:
        """The context with as many steps as were asked for, or as the time budget holds."""
        plan = self._run.stage("plan")
        if not plan.done:
            steps = self._config.steps
            if steps is None:
                steps = yield from self._fitting_steps(context)
            plan.finish({"steps": steps})
        preset = with_steps(context.preset, int(plan.figures()["steps"]))
        return replace(context, preset=preset, build=self._builder(preset))

    def _fitting_steps(self, context: PaperContext) -> Generator[Event, None, int]:
        each = self._seconds_per_look = yield from probe(context)
        published = context.preset.embedding.optimisation.iterations
        forecast = Forecast.of(context.preset, context.pictures)
        whole = forecast.after("") * each
        steps = forecast.fitting_steps(self._clock.left / each)
        schedule = (
            f"The published schedule, {published:,} steps of {context.preset.embedding.optimisation.batch} crops of"
            f" {context.preset.crop} pixels, takes about {_words(whole)} here"
        )
        if steps < published:
            yield Warned(f"{schedule}; in the time given there is room for about {steps:,}.")
        elif whole > _LONG:
            yield Warned(
                f"{schedule}. Fewer steps, less time, smaller crops or batches, or a smaller backbone make it shorter."
            )
        return steps

    def _told(self, context: PaperContext) -> Generator[Event, None, None]:
        """The algorithm's events as those of one training. A model is kept at every checkpoint of the embedding."""
        forecast = Forecast.of(context.preset, context.pictures)
        lengths = learning_steps(context.preset)
        total = sum(lengths.values())
        stage, offset = "", 0
        self._step = sum(steps for name, steps in lengths.items() if context.stage(name).done)
        # Its network is filled again and again: only for keeping.
        keeping = replace(context, build=cache(context.build))
        with closing(run_algorithm(context)) as events:
            for event in events:
                match event:
                    case StageProgress():
                        if event.stage != stage:
                            stage, offset = event.stage, _steps_before(event.stage, lengths)
                            if context.stage("embedding").done:
                                self._keep_model(keeping)
                        left = event.seconds_left
                        if stage in lengths:
                            self._step = offset + event.done
                            left = forecast.looks_per_step(stage) * (event.total - event.done)
                            left *= self._seconds_per_look
                        left += forecast.after(stage) * self._seconds_per_look
                        yield replace(event, seconds_left=left)
                    case StepDone():
                        self._step = offset + event.step
                        if event.step < event.total:
                            a_step = event.seconds_left / (event.total - event.step)
                            self._seconds_per_look = a_step / forecast.looks_per_step(stage)
                        left = event.seconds_left + forecast.after(stage) * self._seconds_per_look
                        yield StepDone(self._step, total, event.losses, left)
                    case CheckpointSaved():
                        if stage == "embedding":
                            self._keep_model(keeping)
                        self._keep_time()
                        yield CheckpointSaved(self._step, str(self._run.path))
                    case Scored():
                        pass  # there is nothing to score on
                    case _:
                        yield event

    # What is kept ---------------------------------------------------------------------------------------

    def _model(self, context: PaperContext) -> TrainedModel | None:
        return model_so_far(context, self._config, self._set.class_names)

    def _keep_model(self, context: PaperContext) -> None:
        model = self._model(context)
        if model is not None:
            model.save(self._run.path)

    def _keep_time(self) -> None:
        write_json(self._run.path / SPENT, {"seconds": self._clock.spent})

    def _enough_bank(self) -> Callable[[], bool]:
        """Whether there are segments enough: all of them are wanted, unless training was stopped."""
        limit = _SECONDS_FOR_BANK if self._supervision.at_once else _SECONDS_FOR_PART_OF_BANK
        began = time.monotonic()
        stopped_at: list[float] = [began] if self._stopped else []

        def enough() -> bool:
            if not stopped_at and not self._go_on():
                stopped_at.append(time.monotonic())
            return bool(stopped_at) and time.monotonic() - stopped_at[0] > limit

        return enough

    # Stop and pause -------------------------------------------------------------------------------------

    def _obeying(self, events: Generator[Event, None, _Result]) -> Generator[Event, None, _Result]:
        """Pass on events until told to stop.

        Raises
        ------
        StoppedEarlyError
            If told to; the stage that was at work has kept where it was.
        """
        try:
            while True:
                try:
                    event = next(events)
                except StopIteration as end:
                    return cast("_Result", end.value)
                yield event
                if not self._go_on():
                    raise StoppedEarlyError
        finally:
            events.close()
            self._keep_time()

    def _go_on(self) -> bool:
        """Whether to go on, after a pause perhaps. Neither asking nor waiting counts as time of the training."""
        with self._clock.paused():
            self._stopped = self._stopped or self._should_stop()
            while not self._stopped and self._supervision.pausing():
                time.sleep(_MOMENT)
                self._stopped = self._should_stop()
        return not self._stopped


def _steps_before(stage: str, lengths: Mapping[str, int]) -> int:
    """Steps of the stages before one that learns; 0 for one that doesn't."""
    names = list(lengths)
    return sum(lengths[name] for name in names[: names.index(stage)]) if stage in lengths else 0


def _words(seconds: float) -> str:
    """A time in words."""
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
