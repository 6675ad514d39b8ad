"""Suggestions for the pictures of a project: every mark is answered at once, before any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Mark
from spml_core.devices import find_device
from spml_core.engine.background.answer_cache import SizedCache
from spml_core.engine.feature_store import DISK_BYTES, MEMORY_BYTES, FeatureStore
from spml_core.engine.film_bases import shown_before_marks
from spml_core.engine.predict_project import todays_codes
from spml_core.engine.predictions import PictureSummary
from spml_core.engine.ranking import next_to_mark
from spml_core.errors import ProjectError, SpmlError
from spml_core.generators import run_to_end
from spml_core.labeling.picture_prediction import shorten, shrunk_prediction
from spml_core.labeling.trained_model import MODEL_FILE, TrainedModel
from spml_core.project import PictureRecord, Project
from spml_core.project.pictures import is_original
from spml_core.suggesting.evidence import Evidence, corrected_prior, gather_evidence
from spml_core.suggesting.picture_features import PictureFeatures
from spml_core.suggesting.region_graph import Floats, average_in_regions
from spml_core.suggesting.suggestion import (
    LEVEL,
    KeepGoing,
    OtherMarks,
    Suggestion,
    region_scores,
    suggest,
)

_OTHER_PICTURES = 30
_OTHER_SAMPLES = 1500
_OTHER_BYTES = 2**26
_PRIOR_SHRINK = 4
_PRIOR_BYTES = 2**26


@dataclass(frozen=True)
class RankedPicture:
    """A picture was looked at, to find those whose marks would teach most.

    Attributes
    ----------
    name : str
        The picture looked at.
    done, total : int
    best : tuple of str
        Names of all pictures that aren't reviewed, best first, as far as is known now.
    """

    name: str
    done: int
    total: int
    best: tuple[str, ...]


class Suggester:
    """Answers marks with segmentations.

    Nothing is remembered from one suggestion to the next but what no mark can change: the same marks give the same
    labels, in whatever order marks were added and taken away before.

    Parameters
    ----------
    project : Project
        Open for reading; what is added here isn't saved in it.
    device : str
        For the backbone.
    use_model : bool
        Whether the current run's model, if there is one, takes part.
    memory_bytes, disk_bytes : int
        Bounds of the feature cache.

    Examples
    --------
    >>> suggester = Suggester(project)  # doctest: +SKIP
    >>> suggester.show("beach")  # doctest: +SKIP
    >>> labels = suggester.add(Point(1, y=40, x=60))  # doctest: +SKIP
    """

    def __init__(
        self,
        project: Project,
        device: str = "auto",
        *,
        use_model: bool = True,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        self.project = project
        self.features = FeatureStore(project, device, memory_bytes=memory_bytes, disk_bytes=disk_bytes)
        self._device = device
        self._use_model = use_model
        self._shown: PictureRecord | None = None
        self._added: dict[int, list[Mark]] = {}
        self._samples = SizedCache[OtherMarks](_OTHER_BYTES)
        self._priors = SizedCache[Floats](_PRIOR_BYTES)
        self._model: tuple[tuple[str, int], TrainedModel] | None = None

    # One picture, mark by mark ----------------------------------------------------------------------

    def show(self, name: str) -> PictureRecord:
        """Choose the picture that marks are added to.

        Raises
        ------
        ProjectError
            If the project has no such picture.
        """
        self._shown = self.project.picture(name)
        return self._shown

    def add(self, mark: Mark) -> NDArray[np.uint8]:
        """Add a mark to the shown picture and return its labels (H, W) uint8; nothing is saved.

        Raises
        ------
        ProjectError
            If no picture is shown.
        MarkError
            If the project has no such class; the mark isn't added.
        """
        record = self._current()
        self._added.setdefault(record.id, []).append(mark)
        try:
            return self._labels(record)
        except SpmlError:
            self._added[record.id].pop()
            raise

    def undo(self) -> NDArray[np.uint8]:
        """Take back the last mark that was added to the shown picture, if any, and return its labels."""
        record = self._current()
        if self._added.get(record.id):
            self._added[record.id].pop()
        return self._labels(record)

    def marks(self, record: PictureRecord) -> tuple[Mark, ...]:
        """The project's marks of a picture, then those added here."""
        return (*self.project.marks(record.id).values(), *self._added.get(record.id, ()))

    # Any picture ------------------------------------------------------------------------------------

    def suggest(
        self,
        record: PictureRecord,
        marks: Sequence[Mark] | None = None,
        *,
        quality: str = "pixels",
        level: int = LEVEL,
        wait: bool = True,
        keep_going: KeepGoing = lambda: True,
    ) -> Suggestion | None:
        """Suggest labels of a picture from its marks and, weighing less, those of the other pictures.

        Parameters
        ----------
        record : PictureRecord
        marks : sequence of Mark, optional
            In place of :meth:`marks`.
        quality, level
            See :func:`spml_core.suggesting.suggest`.
        wait : bool
            Whether to compute what other pictures' marks and the model need; else only what is ready takes part, and
            :meth:`prepare` gets the rest ready.
        keep_going : callable
            Asked between the steps; once it says False, the answer is None.

        Raises
        ------
        SpmlError
            If the picture can't be read, or a mark has a class that isn't there any more.
        """
        count = len(self.project.classes)
        features = self.features.get(record)
        if not keep_going():
            return None
        evidence = gather_evidence(features, self.marks(record) if marks is None else marks, count)
        others = self._other_marks(record, wait, keep_going)
        shown = self._propagated(record)
        if shown is not None:
            prior: Floats | None = self._corrected(shown, features, evidence)
        else:
            prior = self._prior(record, features, wait) if keep_going() else None
        if not keep_going():
            return None
        return suggest(
            features,
            evidence,
            count,
            others=others,
            prior=prior,
            quality=quality,
            level=level,
            keep_going=keep_going,
        )

    def regions(self, record: PictureRecord, level: int) -> NDArray[np.int32]:
        """Regions (H, W) of a picture to click on: a cut of its one hierarchy at ``level`` regions, from 1.

        Raises
        ------
        ConfigError
            If the level is below 1.
        """
        labels = self.features.get(record).hierarchy.cut(level)
        size = (record.width, record.height)
        return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.int32)

    def prepare(self, record: PictureRecord) -> Iterator[None]:
        """Compute what a suggestion of a picture needs, step by step; a step may take a second."""
        features = self.features.get(record)
        yield
        for other in self._others(record):
            with suppress(SpmlError):  # moved or damaged: that is said when it is opened
                self._samples_of(other)
            yield
        if self._propagated(record) is None:  # else the model isn't asked
            self._prior(record, features, wait=True)
        yield

    def rank_pictures(self, keep_going: KeepGoing = lambda: True) -> Iterator[RankedPicture]:
        """Find the pictures whose marks would teach most, looking at one after the other.

        A picture's worth is its mean uncertainty times its distance from what was marked or ranked before it, see
        :func:`spml_core.engine.ranking.next_to_mark`.

        Parameters
        ----------
        keep_going : callable
            Asked before every picture.

        Yields
        ------
        RankedPicture
            Once for each picture that isn't reviewed; one that can't be read is left out.
        """
        marked = {record.name for record in self.project.marked_pictures()}
        marked |= {r.name for r in self.project.pictures if self._added.get(r.id)}
        reviewed = {record.name for record in self.project.reviewed_pictures()}
        names = [record.name for record in self.project.pictures]
        summaries: dict[str, PictureSummary] = {}
        todo = [record for record in self.project.pictures if record.name not in reviewed]
        for done, record in enumerate(todo, 1):
            if not keep_going():
                return
            try:
                summary = self._summary(record, keep_going)
            except SpmlError:
                continue  # it says what is wrong when it is opened
            if summary is None:
                return
            summaries[record.name] = summary
            best = next_to_mark(names, summaries, marked, reviewed)
            yield RankedPicture(record.name, done, len(todo), tuple(best))

    # What is remembered -----------------------------------------------------------------------------

    def _current(self) -> PictureRecord:
        if self._shown is None:
            raise ProjectError("No picture is shown.", "Call show with a picture's name first.")
        return self._shown

    def _labels(self, record: PictureRecord) -> NDArray[np.uint8]:
        found = self.suggest(record)
        assert found is not None  # nobody stops it
        return found.labels

    def _others(self, record: PictureRecord) -> list[PictureRecord]:
        """The first other pictures with marks: of a frame the nearest of its film, then stills by name."""
        marked = {other.id: other for other in self.project.marked_pictures()}
        for key, marks in self._added.items():
            if marks and key not in marked:
                marked[key] = self.project.record(key)
        others = [other for other in marked.values() if other.id != record.id]

        def order(other: PictureRecord) -> tuple[int, int, str]:
            if other.film is None:
                return 1, 0, other.name
            away = abs((other.frame or 0) - (record.frame or 0))
            return (0, away, other.name) if other.film == record.film else (2, 0, other.name)

        return sorted(others, key=order)[:_OTHER_PICTURES]

    def _other_marks(self, record: PictureRecord, wait: bool, keep_going: KeepGoing) -> OtherMarks | None:
        found = []
        for other in self._others(record):
            if not keep_going():
                return None
            if wait or self.features.is_ready(other):
                try:
                    found.append(self._samples_of(other))
                except SpmlError:
                    continue  # moved or damaged: that is said when it is opened
        found = [part for part in found if len(part.classes)]
        if not found:
            return None
        most = max(20, _OTHER_SAMPLES // len(found))
        kept = [np.unique(np.linspace(0, len(p.classes) - 1, most).astype(int)) for p in found]
        return OtherMarks(
            np.concatenate([p.descriptors[i] for p, i in zip(found, kept, strict=True)]),
            np.concatenate([p.classes[i] for p, i in zip(found, kept, strict=True)]),
            np.concatenate([p.weights[i] / p.weights[i].sum() for p, i in zip(found, kept, strict=True)]),
        )

    def _samples_of(self, record: PictureRecord) -> OtherMarks:
        count = len(self.project.classes)
        marks = self.marks(record)
        key = self.features.key(record), marks, count
        found = self._samples.get(key)
        if found is None:
            features = self.features.get(record)
            if record.frame is None and not is_original(record):
                marks = ()  # they belong to the pixels that they were made on
            sure = gather_evidence(features, marks, count).sure
            found = OtherMarks(features.descriptors[sure.regions], sure.classes, sure.weights)
            self._samples.put(key, found, found.descriptors.nbytes)
        return found

    def _prior(self, record: PictureRecord, features: PictureFeatures, wait: bool) -> Floats | None:
        """Probabilities (R, K) of a picture's regions by the current run's model, or None."""
        run = self.project.current_run() if self._use_model else None
        if run is None:
            return None
        try:
            stamp = run.id, (run.folder / MODEL_FILE).stat().st_mtime_ns
        except OSError:
            return None  # still training
        count = len(self.project.classes)
        codes = self.project.codes_of_run(run)
        key = stamp, self.features.key(record), codes.tobytes(), count
        found = self._priors.get(key)
        if found is None and wait:
            try:
                if self._model is None or self._model[0] != stamp:
                    self._model = stamp, TrainedModel.load(run.folder, find_device(self._device))
                codes = todays_codes(self.project, run, self._model[1])
            except ProjectError:
                return None  # damaged, or none of its classes is left: the marks still have an answer
            model = self._model[1]
            pixels = self.project.open_picture(record)
            shrunk = run_to_end(shrunk_prediction(model, pixels, _PRIOR_SHRINK, codes, count))
            grid = shrunk.probabilities.transpose(1, 2, 0).astype(np.float32)
            found = average_in_regions(grid, features.regions, features.count) / np.float32(255)
            self._priors.put(key, found, found.nbytes)
        return found

    def _propagated(self, record: PictureRecord) -> NDArray[np.uint8] | None:
        """What was propagated to a frame of a film before it was marked, (H, W) uint8; or None."""
        film = self.project.film_of(record)
        if film is None or record.frame is None:
            return None
        return shown_before_marks(self.project, film, record.frame)

    def _corrected(self, shown: NDArray[np.uint8], features: PictureFeatures, evidence: Evidence) -> Floats:
        """Probabilities (R, K) by labels that the marks correct."""
        count = len(self.project.classes)
        classes = np.union1d(shown, np.concatenate([evidence.sure.classes, evidence.likely.classes]))
        classes = classes[classes < count].astype(np.int64)
        prior = np.zeros((features.count, count), np.float32)
        if len(classes) == 1:  # what isn't labelled isn't of it
            prior[:, classes] = corrected_prior(shown, features, np.append(classes, count))[:, :1]
        elif len(classes):
            prior[:, classes] = corrected_prior(shown, features, classes)
        return prior

    def _summary(self, record: PictureRecord, keep_going: KeepGoing) -> PictureSummary | None:
        features = self.features.get(record)
        count = len(self.project.classes)
        evidence = gather_evidence(features, self.marks(record), count)
        others = self._other_marks(record, True, keep_going)
        scores = region_scores(
            features, evidence, count, others=others, prior=self._prior(record, features, False)
        )
        assert scores is not None  # nobody stops it
        share = features.graph.area / features.graph.area.sum()
        doubt = float(share @ scores.uncertainty)
        return PictureSummary(doubt, tuple(shorten(share @ features.descriptors).tolist()), ())
