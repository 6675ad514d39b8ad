"""Train on a project: from its marks to a run with a model."""

from __future__ import annotations

from collections.abc import Callable, Generator

from spml_core.config import TrainConfig
from spml_core.errors import TrainingError
from spml_core.labeling.trained_model import CONFIG_FILE
from spml_core.project import PictureRecord, Project, Run, RunState
from spml_core.training import Event, Finished, StepDone, TrainingPicture, TrainingSet, train
from spml_core.training.checkpoint import CHECKPOINT_FILE
from spml_core.training.training_set import check_training_set


def training_set_of(project: Project, point_radius: float = 3.0) -> TrainingSet:
    """The project's pictures and marks as training sees them; pixels are read when needed."""
    marked = {record.id for record in project.marked_pictures()}
    return TrainingSet(
        tuple(_picture(project, record, record.id in marked, point_radius) for record in project.pictures),
        project.classes.names,
    )


def _picture(project: Project, record: PictureRecord, marked: bool, point_radius: float) -> TrainingPicture:
    return TrainingPicture(
        record.name,
        lambda: project.open_picture(record).rgb(),
        (lambda: project.weak_labels(record, point_radius)) if marked else None,
        project.tags(record),
    )


def train_project(
    project: Project,
    config: TrainConfig,
    *,
    resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    started: float | None = None,
) -> Generator[Event, None, None]:
    """Train and make the result the project's current run.

    Parameters
    ----------
    project : Project
        Open for writing.
    config : TrainConfig
        With ``resume`` only its device counts; the rest comes from the run.
    resume : bool
        Whether to go on with the newest run that was stopped.
    should_stop : callable
        Asked after every step.
    started : float, optional
        When the time budget began to run, by :func:`time.monotonic`.

    Yields
    ------
    Event
        Those of :func:`spml_core.training.train`; steps are also written to the run's metrics.jsonl.

    Raises
    ------
    TrainingError
        If there is nothing to learn from, or nothing to resume.
    """
    if resume:
        run = _resumable(project)
        # One that was stopped before its first step begins anew: that is going on exactly.
        resume = (run.folder / CHECKPOINT_FILE).exists()
        config = TrainConfig.from_dict(run.config).changed(device=config.device)
        training_set = training_set_of(project, config.point_radius)
    else:
        training_set = training_set_of(project, config.point_radius)
        check_training_set(training_set)  # before there is a run: a failure shall leave none behind
        for record in project.pictures:
            project.open_picture(record)
        run = project.new_run(config.to_dict())
    state: RunState = "failed"
    try:
        for event in train(
            training_set, config, run.folder, resume=resume, should_stop=should_stop, started=started
        ):
            if isinstance(event, StepDone | Finished):
                run.append_metrics(event.to_dict())
            if isinstance(event, Finished):
                state = "stopped" if event.stopped else "finished"
            yield event
    except (GeneratorExit, KeyboardInterrupt):
        state = "stopped"
        raise
    finally:
        project.set_run_state(run.id, state)
        if (run.folder / CONFIG_FILE).exists() and state != "failed":
            project.set_current_run(run.id)


def _resumable(project: Project) -> Run:
    for run in reversed(project.runs()):
        if run.state != "finished":
            return run
    raise TrainingError("This project has no stopped training to resume.", "Train without --resume.")
