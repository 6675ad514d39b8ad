"""Propagate the marks of a few frames through a film: from a project's film to results on the disk."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import filelock
import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Mark
from spml_core.engine.film_bases import FilmBases
from spml_core.engine.film_results import LABELS_FOLDER, FilmResults, Result
from spml_core.engine.marked_frames import MarkedFrame, check_marks, read_marked_frames
from spml_core.engine.propagation_events import FrameDone, Propagated, PropagationEvent, SpanDone, Warned
from spml_core.engine.propagation_keys import Direction, base_key
from spml_core.engine.propagation_plan import PlannedSpan, check_direction, check_range, plan_spans
from spml_core.engine.worst_frame import worst_frame
from spml_core.errors import MarkError, ProjectError
from spml_core.films import Film
from spml_core.io import storage_errors
from spml_core.io.own_files import check_own, own_folder, refuse_link
from spml_core.io.temporary import clear_leftovers
from spml_core.project import FilmRecord, Project
from spml_core.video.film_flow import FilmFlow
from spml_core.video.flow import build_flow
from spml_core.video.propagation import Propagator
from spml_core.video.soft_store import DiskSoftStore, SoftStore
from spml_core.video.span import Span

_LOCK = "propagate.lock"
_MOMENT = 0.02  # seconds between two looks whether a pause has ended

_Break: TypeAlias = Literal["stopped", "changed"]


class SpanPropagator(Protocol):
    """What computes spans: :class:`spml_core.video.propagation.Propagator`, or another."""

    def propagate_span(
        self,
        film: Film,
        span: Span,
        marks: Mapping[int, Sequence[Mark]],
        store: SoftStore,
        bases: Mapping[int, NDArray[np.uint8]] | None = None,
    ) -> Iterable[Result]:
        """Label the frames of a span, see :meth:`Propagator.propagate_span`."""


def propagate_film(
    project: Project,
    film: FilmRecord,
    *,
    first: int | None = None,
    last: int | None = None,
    direction: str = "both",
    flow: str = "dis",
    device: str = "auto",
    around: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    paused: Callable[[], bool] = lambda: False,
    marks_changed: Callable[[], bool] = lambda: False,
    make_propagator: Callable[[], SpanPropagator] | None = None,
) -> Generator[PropagationEvent, None, None]:
    """Label the frames of a film from its marked frames, as far as that wasn't done before from the same marks.

    A frame's result depends on the marks of its nearest marked frames, the film, the flow and the model: only frames
    where one of these changed are computed. What is computed is on the disk before it is told. After a stop or a kill
    the next call goes on, and comes to the same results.

    Parameters
    ----------
    project : Project
        Only read; the film's folder and the cache are written.
    film : FilmRecord
    first, last : int, optional
        The range, both included; the whole film unless given.
    direction : str
        "both", or only "forward" or "backward" from the marked frames.
    flow : str
        One of :data:`spml_core.video.flow.FLOWS`.
    device : str
    around : int, optional
        A frame; what is nearest to it comes first.
    should_stop : callable
        Asked after each frame; once it says yes, propagation ends.
    paused : callable
        While it says yes nothing is computed and no time counted.
    marks_changed : callable
        Whether marks or classes have changed since it was asked last: then the plan is made anew. Where the marks
        stayed the same, nothing is lost.
    make_propagator : callable, optional
        Makes what computes the spans, in place of :class:`Propagator`.

    Yields
    ------
    PropagationEvent
        :class:`Propagated` last.

    Raises
    ------
    ConfigError
        If the direction or the flow is none, or the range is empty or goes beyond the film.
    ProjectError
        If the marks tell of fewer than two classes or lie where the direction doesn't need them, the film was moved or
        replaced, or another process propagates it.
    FilmError
        If a frame can't be read. What was computed stays.
    StorageError
        If the disk is full. What was computed stays.
    """
    task = _Task(check_direction(direction), *check_range(film, first, last), flow, device, around)
    steering = _Steering(should_stop, paused, marks_changed)
    propagation = _Propagation(project, film, task, steering, make_propagator)
    with contextlib.closing(propagation):
        propagation.plan()  # what is wrong with the marks is said before anything is made
        project.check_film(film)
        pixels = project.open_film(film)
        with _lock(project.film_folder(film), film):
            end = yield from propagation.run(pixels)
    yield end  # whoever hears of it may propagate again


@dataclass(frozen=True)
class _Task:
    direction: Direction
    first: int
    last: int
    flow: str
    device: str
    around: int | None


@dataclass(frozen=True)
class _Steering:
    should_stop: Callable[[], bool]
    paused: Callable[[], bool]
    marks_changed: Callable[[], bool]


class _Clock:
    """Seconds at work."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self._start

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        before = self()
        yield
        self._start = time.monotonic() - before


class _Propagation:
    """One call. Its plan is made anew whenever marks change."""

    def __init__(
        self,
        project: Project,
        film: FilmRecord,
        task: _Task,
        steering: _Steering,
        make_propagator: Callable[[], SpanPropagator] | None,
    ) -> None:
        self._project = project
        self._film = film
        self._task = task
        self._steering = steering
        self._make = make_propagator or self._default_propagator
        self._results = FilmResults.of(project, film)
        self._bases = FilmBases(project, film)
        self._soft = project.cache_folder / "propagation" / project.film_folder(film).name
        self._clock = _Clock()
        self._marked: tuple[MarkedFrame, ...] = ()
        self._finished: set[int] = set()  # frames
        self._computed = 0  # frames, those that were finished twice counted twice
        self._passed = 0  # frames gone over
        self._warnings: list[str] = []  # yet to be told
        self._told: set[str] = set()

    def plan(self) -> list[PlannedSpan]:
        """What is to be done with the marks as they are."""
        project, task = self._project, self._task
        marked = read_marked_frames(project, self._film)
        check_marks(marked, self._film, project.classes.names)
        self._marked = self._bases.of(marked)
        return plan_spans(
            self._marked,
            task.first,
            task.last,
            task.direction,
            base_key(self._film, task.flow),
            self._results.keys(),
            task.around,
        )

    def run(self, pixels: Film) -> Generator[PropagationEvent, None, Propagated]:
        """Carry out the plan, and those that take its place; the end."""
        self._warnings += [*pixels.warnings, *self._out_of_reach()]
        ending: _Break | None = "changed"
        while ending == "changed":
            self._project.refresh()
            self._bases.keep_up(read_marked_frames(self._project, self._film), self._results)
            ending = yield from self._carry_out(self.plan(), pixels)
        return self._end(stopped=ending == "stopped")

    def close(self) -> None:
        """Close the tables."""
        self._results.close()
        self._bases.close()

    # The plan -------------------------------------------------------------------------------------

    def _carry_out(
        self, spans: list[PlannedSpan], pixels: Film
    ) -> Generator[PropagationEvent, None, _Break | None]:
        """Compute the spans; what broke it off, or None."""
        self._finished.difference_update(*(span.keys for span in spans))
        stores = [DiskSoftStore(self._folders(span)) for span in spans]
        self._drop_soft_maps({folder.name for span in spans for folder in self._folders(span).values()})
        total = len(self._finished) + sum(len(span.keys) for span in spans)
        passes = self._passed + sum(span.passes for span in spans)
        yield from self._warn()
        if (ending := self._interrupted()) or not spans:
            return ending
        propagator = self._make()
        refused: MarkError | None = None
        for number, (span, store) in enumerate(zip(spans, stores, strict=True), 1):
            before = self._passed
            _rewind(store, span)
            try:
                for result in self._propagate(propagator, span, store, pixels):
                    self._passed = min(self._passed + 1, before + span.passes)
                    if result.index in span.keys:
                        yield self._keep(result, span.keys[result.index], total, passes)
                    if ending := self._interrupted():
                        return ending
            except MarkError as error:  # other spans may have marks enough
                refused = error
                self._warnings.append(f"Frames {span.first} to {span.last} are left out: {error.problem}")
                yield from self._warn()
            else:
                yield SpanDone(span.first, span.last, number, len(spans))
            store.clear()
            self._passed = before + span.passes
        if refused is not None and not self._results.keys():
            raise refused
        return None

    def _propagate(
        self, propagator: SpanPropagator, span: PlannedSpan, store: SoftStore, pixels: Film
    ) -> Iterable[Result]:
        before, after = span.before, span.after
        marks = {frame.index: frame.marks for frame in (before, after) if frame is not None}
        asked = Span(
            span.first,
            span.last,
            None if before is None else before.index,
            None if after is None else after.index,
        )
        shown = {index: self._bases.labels(index) for index in marks}
        bases = {index: labels for index, labels in shown.items() if labels is not None}
        return propagator.propagate_span(pixels, asked, marks, store, bases)

    def _keep(self, result: Result, key: str, total: int, passes: int) -> FrameDone:
        self._results.put(result, key)
        if result.final:
            self._finished.add(result.index)
            self._computed += 1
        return FrameDone(
            result.index,
            len(self._finished),
            total,
            self._passed / passes,
            float(result.confidence),
            result.source,
            bool(result.final),
            bool(result.is_cut),
            self._clock() / self._passed * (passes - self._passed),
        )

    def _end(self, stopped: bool) -> Propagated:
        task = self._task
        confidences = self._results.confidences()
        found = confidences[task.first : task.last + 1]
        found = found[~np.isnan(found)]
        return Propagated(
            task.first,
            task.last,
            len(found),
            self._computed,
            self._clock(),
            stopped,
            float(found.mean()) if len(found) else None,
            worst_frame(self._results, [frame.index for frame in self._marked]),
        )

    # Who watches ----------------------------------------------------------------------------------

    def _interrupted(self) -> _Break | None:
        """Wait while paused; then say whether to stop or to plan anew."""
        steering = self._steering
        if steering.paused():
            with self._clock.standing_still():
                while steering.paused() and not steering.should_stop():
                    time.sleep(_MOMENT)
        if steering.should_stop():
            return "stopped"
        return "changed" if steering.marks_changed() else None

    def _warn(self) -> Iterator[Warned]:
        """Tell the warnings that weren't told before."""
        for text in self._warnings:
            if text not in self._told:
                self._told.add(text)
                yield Warned(text)
        self._warnings = []

    def _out_of_reach(self) -> Iterator[str]:
        """Say which frames of the range the direction leaves out."""
        task = self._task
        if task.direction == "forward" and (start := self._marked[0].index) > task.first:
            yield f"Frames {task.first} to {start - 1} lie before the first marked one: going forward leaves them out."
        if task.direction == "backward" and (end := self._marked[-1].index) < task.last:
            yield f"Frames {end + 1} to {task.last} lie after the last marked one: going backward leaves them out."

    # Files ----------------------------------------------------------------------------------------

    def _folders(self, span: PlannedSpan) -> dict[str, Path]:
        """Folders of soft maps by direction: of other marks, or of classes in another order, the maps mean others."""
        starts = (start and start.digest for start in (span.before, span.after))
        words = (base_key(self._film, self._task.flow), *starts, self._project.class_ids)
        digest = blake2b("|".join(map(str, words)).encode(), digest_size=16).hexdigest()
        return {direction: self._soft / f"{direction}-{digest}" for direction in ("forward", "backward")}

    def _drop_soft_maps(self, wanted: set[str]) -> None:
        check_own(self._soft)
        with contextlib.suppress(OSError):
            for folder in self._soft.iterdir():
                if folder.name not in wanted:
                    shutil.rmtree(folder, ignore_errors=True)

    def _default_propagator(self) -> SpanPropagator:
        estimator = build_flow(self._task.flow, device=self._task.device)
        flow = FilmFlow(estimator, self._project.cache_folder / "flow", self._film.content_hash)
        return Propagator(len(self._project.classes), device=self._task.device, flow=flow)


def _rewind(store: DiskSoftStore, span: PlannedSpan) -> None:
    """Drop maps beyond the frame that the last pass must begin with: after another range it would pass frames over."""
    if span.after is not None:
        beyond = [index for index in store.indices("backward") if index < span.last]
        direction = "backward"
    else:
        beyond = [index for index in store.indices("forward") if index > span.first]
        direction = "forward"
    for index in beyond:
        store.delete(direction, index)


@contextlib.contextmanager
def _lock(folder: Path, film: FilmRecord) -> Iterator[None]:
    """One process at a time propagates a film; the system frees the lock when it ends, however it ends."""
    own_folder(folder)
    clear_leftovers(folder / LABELS_FOLDER)
    refuse_link(folder / _LOCK)
    with storage_errors(folder):
        lock = filelock.FileLock(folder / _LOCK, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise ProjectError(
                f"The film {film.name!r} is being propagated by another program.",
                "Wait for it, or stop it there.",
            ) from error
    try:
        yield
    finally:
        lock.release()
