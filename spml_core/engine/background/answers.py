"""The answers to questions about pictures: labels, regions, reasons, seeds."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from spml_core.devices import DEVICES, find_device
from spml_core.engine.background.answer_cache import SizedCache
from spml_core.engine.background.answer_queue import Question, Steps, failure
from spml_core.engine.background.answer_regions import every_middle, remembering, shrunk_rgb
from spml_core.engine.background.messages import (
    AskSeeds,
    AskWhy,
    FindRegions,
    Predict,
    PredictAll,
    Prediction,
    Reason,
    Reasons,
    Regions,
    SeedsAnswer,
    Stored,
)
from spml_core.engine.background.ranking_answers import Ranker
from spml_core.engine.background.suggest_messages import RankPictures
from spml_core.engine.predict_project import todays_codes
from spml_core.engine.predictions import PictureSummary, PredictionStore
from spml_core.engine.seeds import seed_map
from spml_core.errors import DeviceError, ProjectError, SpmlError, StorageError
from spml_core.labeling.explaining import LabelledSegment, SegmentedWindow, nearest_labelled, segment_window
from spml_core.labeling.picture_prediction import ShrunkPrediction, described_prediction, shrunk_prediction
from spml_core.labeling.trained_model import MODEL_FILE, OLD_ABOUT_FILE, TrainedModel
from spml_core.project import PictureRecord, Project, Run
from spml_core.segments import Hierarchy

_MODELS = 2  # the shown run's and the one it is compared with
_HIERARCHY_BYTES = 2**27
_SEGMENT_BYTES = 2**25
_PREDICTION_BYTES = 2**27

_Model: TypeAlias = tuple[TrainedModel, Hashable]
"""A model, and what tells it from another one of the same run."""


class Answers:
    """Answers questions about the pictures of a project, which is only read.

    Parameters
    ----------
    project_path : Path
        Opened at the first question; one that can't be opened is tried again at the next.
    """

    def __init__(self, project_path: Path) -> None:
        self._path = project_path
        self._opened: Project | None = None
        self._models: OrderedDict[Hashable, TrainedModel] = OrderedDict()
        self._build = remembering(SizedCache[Hierarchy](_HIERARCHY_BYTES))
        self._segments = SizedCache[list[SegmentedWindow]](_SEGMENT_BYTES)
        self._predictions = SizedCache[ShrunkPrediction](_PREDICTION_BYTES)
        self._ranker = Ranker()

    def answer(self, question: Question) -> Steps:
        """Begin the answer: messages, and None where something else may come first.

        Raises
        ------
        SpmlError
            From the steps: a picture, run or project can't be read, or the question makes no sense.
        """
        match question:
            case Predict():
                return self._predict(question)
            case PredictAll():
                return self._predict_all(question)
            case FindRegions():
                return self._find_regions(question)
            case AskWhy():
                return self._ask_why(question)
            case AskSeeds():
                return self._ask_seeds(question)
            case RankPictures():
                return self._ranker.rank(question, self._project)

    def _predict(self, question: Predict) -> Steps:
        project = self._project()
        record = project.record(question.picture_id)
        run = project.run(question.run_id)
        model, stamp = self._model(run)
        codes = todays_codes(project, run, model)
        count = len(project.classes)
        pixels = project.open_picture(record)
        key = stamp, _pixels_stamp(record), question.shrink, codes.tobytes(), count
        found = self._predictions.get(key)
        if found is None:
            found = yield from shrunk_prediction(model, pixels, question.shrink, codes, count, self._build)
            self._predictions.put(key, found, found.nbytes)
        yield Prediction(
            question.request,
            record.id,
            run.id,
            question.shrink,
            found.labels,
            found.probabilities,
            found.uncertainty,
        )

    def _predict_all(self, question: PredictAll) -> Steps:
        project = self._project()
        run = project.run(question.run_id)
        model, _ = self._model(run)
        store = PredictionStore(project)
        store.begin(run, _digest(run))
        there = store.names(run)
        pictures = _from(question.first, project.pictures)
        missing = [record for record in pictures if record.name not in there]
        for done, record in enumerate(missing, 1):
            yield None
            try:
                yield from self._store(project, store, run, model, record)
            except StorageError:
                raise  # the next picture would have no room either
            except Exception as error:
                yield failure(error, question.request)
                continue
            yield Stored(question.request, run.id, record.id, done, len(missing))

    def _store(
        self, project: Project, store: PredictionStore, run: Run, model: TrainedModel, record: PictureRecord
    ) -> Steps:
        pixels = project.open_picture(record)
        found = yield from described_prediction(model, pixels, self._build)
        summary = PictureSummary(
            found.uncertainty, tuple(found.descriptor.tolist()), tuple(found.shares.tolist())
        )
        store.store(run, record.name, found.labels, summary, model.class_names)

    def _find_regions(self, question: FindRegions) -> Steps:
        project = self._project()
        record = project.record(question.picture_id)
        rgb = shrunk_rgb(project.open_picture(record), question.shrink)
        labels: NDArray[np.int32] = self._build(rgb).cut(question.count)
        yield Regions(question.request, record.id, question.shrink, labels)

    def _ask_why(self, question: AskWhy) -> Steps:
        project = self._project()
        record = project.record(question.picture_id)
        run = project.run(question.run_id)
        model, stamp = self._model(run)
        codes = todays_codes(project, run, model)
        names = project.picture_names

        def still_there(segment: LabelledSegment) -> bool:
            return segment.picture in names and int(codes[segment.class_index]) < len(project.classes)

        y, x = round(question.y), round(question.x)
        window = self._window(model, stamp, project, record, y, x)
        found = nearest_labelled(model, window.prototype_at(y, x), question.neighbors, still_there)
        reasons = tuple(
            Reason(s.picture, float(s.y), float(s.x), int(codes[s.class_index]), s.similarity) for s in found
        )
        yield Reasons(question.request, record.id, question.y, question.x, reasons)

    def _ask_seeds(self, question: AskSeeds) -> Steps:
        project = self._project()
        record = project.record(question.picture_id)
        model = codes = None
        if question.run_id is not None:
            run = project.run(question.run_id)
            model, _ = self._model(run)
            codes = todays_codes(project, run, model)
        yield None
        labels = seed_map(project, record, model, codes)
        painted = project.weak_labels(record) != len(project.classes)
        shrink = question.shrink
        yield SeedsAnswer(
            question.request, record.id, shrink, every_middle(labels, shrink), every_middle(painted, shrink)
        )

    # What is remembered -----------------------------------------------------------------------------

    def _project(self) -> Project:
        """The project as the window left it last."""
        if self._opened is None:
            self._opened = Project.open(self._path, write=False)
            return self._opened
        try:
            self._opened.refresh()
        except SpmlError:
            self._opened.close()
            self._opened = None
            raise
        return self._opened

    def _model(self, run: Run) -> _Model:
        if not (run.folder / MODEL_FILE).exists():
            raise ProjectError(f"{run.id} has no model yet.", "Wait for its training, or choose another run.")
        stamp = run.id, _stamp(run.folder / MODEL_FILE), _stamp(run.folder / OLD_ABOUT_FILE)
        if stamp not in self._models:
            self._models[stamp] = TrainedModel.load(run.folder, find_device("auto"))
        self._models.move_to_end(stamp)
        while len(self._models) > _MODELS:
            self._models.popitem(last=False)
        return self._models[stamp], stamp

    def _window(
        self, model: TrainedModel, stamp: Hashable, project: Project, record: PictureRecord, y: int, x: int
    ) -> SegmentedWindow:
        pixels = project.open_picture(record)
        key = stamp, _pixels_stamp(record)
        windows = self._segments.get(key) or []
        for window in windows:
            if window.covers(y, x):
                return window
        window = segment_window(model, pixels, y, x)
        windows = [*windows, window]
        self._segments.put(key, windows, sum(w.nbytes for w in windows))
        return window


def present_devices() -> tuple[str, ...]:
    """Names of the devices that are there, best first."""
    present = []
    for name in DEVICES:
        if name != "auto":
            try:
                present.append(find_device(name).type)
            except DeviceError:
                continue
    return tuple(sorted(present, key=("cuda", "mps", "cpu").index))


def share_the_machine() -> None:
    """Use half the processors: the others train, and threads that wait for a busy one make everything slow."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


def _from(first: int | None, pictures: tuple[PictureRecord, ...]) -> tuple[PictureRecord, ...]:
    """The pictures, beginning with the shown one: those after it are likely to be shown next."""
    start = next((i for i, record in enumerate(pictures) if record.id == first), 0)
    return pictures[start:] + pictures[:start]


def _stamp(path: Path) -> Hashable:
    """Differs when a file was written anew."""
    try:
        about = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), about.st_mtime_ns, about.st_size


def _pixels_stamp(record: PictureRecord) -> Hashable:
    """Differs when a picture's file was written anew; the frames of a film have one file."""
    return _stamp(record.path), record.frame


def _digest(run: Run) -> str:
    """A word that stands for the run's model as it is now."""
    hasher = blake2b(digest_size=16)
    # As ever, so that predictions of models of older formats stay: what describes them comes first.
    for name in (OLD_ABOUT_FILE, MODEL_FILE):
        try:
            hasher.update((run.folder / name).read_bytes())
        except FileNotFoundError:
            if name == MODEL_FILE:
                raise ProjectError(f"{run.id} has no model.", "Train again.") from None
        except OSError as error:
            raise ProjectError(
                f"The model in {run.folder} can't be read: {error.strerror}.", "Train again."
            ) from error
    return hasher.hexdigest()
