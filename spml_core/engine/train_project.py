"""Train on a project: from its marks to a run with a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Tag, with_classes
from spml_core.classes import IGNORE
from spml_core.config import TrainConfig
from spml_core.devices import find_device
from spml_core.engine.clips import film_clips
from spml_core.engine.run_control import begin_run, end_run
from spml_core.engine.training_pictures import (
    check_there,
    training_pictures,
    what_was_replaced,
    without_replaced,
)
from spml_core.errors import ProjectError, TrainingError
from spml_core.labeling.trained_model import TrainedModel
from spml_core.paper.training_run import check_paper_training, train_paper
from spml_core.project import PictureRecord, Project, Run, RunState
from spml_core.training import Clip, Event, Finished, StepDone, TrainingPicture, TrainingSet, Warned, train
from spml_core.training.checkpoint import CHECKPOINT_FILE
from spml_core.training.continuing import EarlierModel
from spml_core.training.pulse import StoppedEarlyError, Supervision
from spml_core.training.training_set import check_clips, check_training_set


class RunPictures:
    """A project's pictures and marks as training sees them, in label codes that stay the same while it lasts.

    Parameters
    ----------
    project : Project
    run : Run, optional
        Whose codes those are; without, today's.
    point_radius : float
        Pixels around a click that count as marked.

    Attributes
    ----------
    codes : ndarray, (256,) uint8
        Today's code of each of the run's.
    replaced : tuple of str
        Marked pictures in whose place another file was found when the training set was made.
    """

    codes: NDArray[np.uint8]
    replaced: tuple[str, ...] = ()

    def __init__(self, project: Project, run: Run | None = None, point_radius: float = 3.0) -> None:
        self._project = project
        self._run = run
        self._radius = point_radius
        ids = None if run is None else run.class_ids
        self._count = len(project.classes) if ids is None else len(ids)
        self._unknown: int | None = None
        self._read_codes()

    def _read_codes(self) -> None:
        today = len(self._project.classes)
        if self._run is None:
            self.codes = np.full(256, today, np.uint8)
            self.codes[: self._count] = np.arange(self._count)
            self.codes[IGNORE] = IGNORE
        else:
            self.codes = self._project.codes_of_run(self._run)
        # A class that is new has none of the run's codes: its marks wait for the next run.
        self._back = np.full(256, self._count, np.uint8)
        self._back[IGNORE] = IGNORE
        for then in reversed(range(self._count)):
            if self.codes[then] < today:
                self._back[self.codes[then]] = then

    def training_set(self, config: TrainConfig | None = None) -> TrainingSet:
        """Stills and frames as ``training_pictures`` chooses them; pixels and marks are read when needed.

        With settings that ask for films it has clips, too. Marked pictures whose files were replaced are left out.
        """
        marked = {record.id for record in self._project.marked_pictures()}
        records, self.replaced = without_replaced(training_pictures(self._project), marked)
        names = (*self._project.classes.names, "a class that was deleted")

        def picture(record: PictureRecord) -> TrainingPicture:
            return self._picture(record, record.id in marked)

        clips: tuple[Clip, ...] = ()
        if config is not None and config.video:
            clips = film_clips(self._project, picture, config.video_windows)
        return TrainingSet(
            tuple(picture(record) for record in records),
            tuple(names[min(code, len(names) - 1)] for code in self.codes[: self._count]),
            clips,
        )

    def changed(self, ids: Iterable[int]) -> list[TrainingPicture]:
        """The pictures of these ids, after what has happened to the project since; those that are gone left out."""
        self._refresh()
        marked = {record.id for record in self._project.marked_pictures()}
        wanted = set(ids)
        return [
            self._picture(record, record.id in marked)
            for record in (*self._project.pictures, *self._project.frames)
            if record.id in wanted and record.name not in self.replaced
        ]

    def find(self, picture_id: int) -> PictureRecord | None:
        """The picture or frame of this id, which may have been added since; None if there is none."""
        with suppress(ProjectError):
            return self._project.record(picture_id)
        if picture_id != self._unknown:
            self._refresh()
            with suppress(ProjectError):
                return self._project.record(picture_id)
            self._unknown = picture_id  # it is asked for again and again
        return None

    def _refresh(self) -> None:
        """See the project as its writer left it last."""
        self._project.refresh()
        self._read_codes()
        self._unknown = None

    def since(self, earlier: Run) -> NDArray[np.uint8]:
        """The run's code of each code of an earlier run, (256,) uint8; its number of classes where it has none."""
        return self._back[self._project.codes_of_run(earlier)]

    def _picture(self, record: PictureRecord, marked: bool) -> TrainingPicture:
        project = self._project
        tags = np.zeros(self._count, bool)
        coarse = CoarseMarks()
        if marked:
            coarse = self._coarse(record)
            today = np.append(project.tags(record), False)
            tags = today[np.minimum(self.codes[: self._count], len(today) - 1)]
        return TrainingPicture(
            record.name,
            # It may have been found elsewhere since.
            lambda: project.open_picture(project.record(record.id)).rgb(),
            (lambda: self._back[project.weak_labels(record, self._radius)]) if marked else None,
            tags,
            coarse,
        )

    def _coarse(self, record: PictureRecord) -> CoarseMarks:
        """The picture's coarse marks in the run's codes, as far as the run knows their classes."""
        marks = [m for m in self._project.marks(record.id).values() if isinstance(m, Box | KeyPoint | Tag)]
        then = {m.class_index: int(self._back[m.class_index]) for m in marks}
        known = [with_classes(m, then) for m in marks if then[m.class_index] < self._count]
        coarse = CoarseMarks.of(known)
        if len(known) < len(marks):
            # There is an object of a class without a code: it mustn't be taken for background.
            return CoarseMarks(tags=coarse.tags)
        return coarse


def training_set_of(project: Project, point_radius: float = 3.0) -> TrainingSet:
    """The project's pictures and marks as training sees them; pixels are read when needed."""
    return RunPictures(project, point_radius=point_radius).training_set()


def train_run(
    project: Project,
    run: Run,
    *,
    pictures: RunPictures | None = None,
    resume: bool = False,
    continue_from: Run | None = None,
    device: str | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    started: float | None = None,
    supervision: Supervision | None = None,
) -> Generator[Event, None, RunState]:
    """Train a run that was begun. The database isn't changed: the project may be open for reading only.

    Parameters
    ----------
    project : Project
    run : Run
        Its config.json holds the settings; metrics, model and checkpoints go into its folder.
    pictures : RunPictures, optional
        The project's pictures in the run's codes, if somebody else needs them too.
    resume : bool
        Whether to go on from the run's checkpoint. Without one it begins anew: that is going on exactly. A published
        method always goes on with what the run's folder holds.
    continue_from : Run, optional
        A run whose model is the start.
    device : str, optional
        Instead of the one in the settings.
    should_stop : callable
        Asked after every step, and in between.
    started : float, optional
        When the time budget began to run, by :func:`time.monotonic`.
    supervision : Supervision, optional
        Previews, pauses and new marks.

    Yields
    ------
    Event
        Those of :func:`spml_core.training.train` or, for a published method,
        :func:`spml_core.paper.training_run.train_paper`; steps are also written to the run's metrics.jsonl.

    Returns
    -------
    str
        "finished" or "stopped". One that is stopped before there is a model ends without ``Finished``.

    Raises
    ------
    SpmlError
        If there is nothing to learn from, a picture or the other run's model can't be read, or the disk is full.
    """
    config = TrainConfig.from_dict(run.config).changed(device=device)
    pictures = pictures or RunPictures(project, run, config.point_radius)
    earlier = None
    if continue_from is not None:
        model = TrainedModel.load(continue_from.folder, find_device(config.device))
        earlier = EarlierModel(model, pictures.since(continue_from))
    if config.is_published:
        learn = train_paper
    else:
        learn = partial(train, resume=resume and (run.folder / CHECKPOINT_FILE).exists())
    state: RunState = "stopped"
    training_set = pictures.training_set(config)
    if warning := what_was_replaced(pictures.replaced):
        yield Warned(warning)
    try:
        for event in learn(
            training_set,
            config,
            run.folder,
            should_stop=should_stop,
            started=started,
            earlier=earlier,
            supervision=supervision,
        ):
            if isinstance(event, StepDone | Finished):
                run.append_metrics(event.to_dict())
            if isinstance(event, Finished) and not event.stopped:
                state = "finished"
            yield event
    except StoppedEarlyError:
        return "stopped"
    return state


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
        Those of :func:`train_run`.

    Raises
    ------
    TrainingError
        If there is nothing to learn from, or nothing to resume.
    """
    if resume:
        run = resumable_run(project)
    else:
        # Before there is a run: a failure shall leave none behind.
        pictures = RunPictures(project, point_radius=config.point_radius)
        training_set = pictures.training_set(config)
        try:
            if config.is_published:
                check_paper_training(training_set, config)
            else:
                check_training_set(training_set)
        except TrainingError as error:
            if pictures.replaced:
                raise TrainingError(error.problem, what_was_replaced(pictures.replaced)) from error
            raise
        if config.video:
            check_clips(training_set)
        check_there(project)
        for record in project.pictures:
            project.open_picture(record)
        run = begin_run(project, config)
    state: RunState = "failed"
    try:
        state = yield from train_run(
            project, run, resume=resume, device=config.device, should_stop=should_stop, started=started
        )
    except (GeneratorExit, KeyboardInterrupt):
        state = "stopped"
        raise
    finally:
        end_run(project, run.id, state)


def resumable_run(project: Project) -> Run:
    """Return the newest run that was stopped.

    Raises
    ------
    TrainingError
        If there is none.
    """
    for run in reversed(project.runs()):
        if run.state != "finished":
            return run
    raise TrainingError("This project has no stopped training to resume.", "Train without --resume.")
