"""From a few marked frames to all frames between them, one frame after the other.

A pass goes from a marked frame towards the next, keeping of the past only the last answer and the embeddings of the
marked frames. Between two marked frames there are two passes, and the second one joins both. What a pass needs of the
past lies in its store, quantised: going on after an interruption gives the same as never having been interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Mark
from spml_core.annotations.sufficiency import told_classes
from spml_core.devices import find_device
from spml_core.errors import FilmError, MarkError
from spml_core.films import Film
from spml_core.suggesting.picture_features import at_working_size
from spml_core.video.carrying import (
    Carried,
    CarryStrengths,
    Known,
    decide,
    frame_scores,
    quantised,
)
from spml_core.video.film_flow import FilmFlow
from spml_core.video.flow import build_flow
from spml_core.video.frame_regions import WORKING_PIXELS, Coordinates, FrameLooker, FrameRegions, Look
from spml_core.video.marked_frame import MarkedFrame, label_marked_frame
from spml_core.video.scene_cuts import is_cut
from spml_core.video.soft_store import SoftMap, SoftStore
from spml_core.video.span import FrameResult, Source, Span
from spml_core.video.validity import forward_backward_valid
from spml_core.video.warp import Flow

VERSION = 1
"""Of the algorithm: results of another one are out of date."""

STRENGTHS = CarryStrengths()

_DIRECTIONS: dict[int, Literal["forward", "backward"]] = {1: "forward", -1: "backward"}


@dataclass(frozen=True, eq=False)
class _Ground:
    """What a span's passes stand on."""

    classes: NDArray[np.int64]
    coordinates: Coordinates
    marked: Mapping[int, MarkedFrame]
    known: Mapping[int, Known]


class Propagator:
    """Labels the frames of a film from marked ones.

    Parameters
    ----------
    num_classes : int
        K.
    device : str
        Where the backbone computes.
    flow : FilmFlow, optional
        Optical flow between frames of the film; computed by DIS and kept nowhere unless given.
    strengths : CarryStrengths
    """

    def __init__(
        self,
        num_classes: int,
        *,
        device: str = "auto",
        flow: FilmFlow | None = None,
        strengths: CarryStrengths = STRENGTHS,
    ) -> None:
        self.num_classes = num_classes
        self._flow = flow or FilmFlow(build_flow())
        self._looker = FrameLooker(find_device(device))
        self._strengths = strengths

    def propagate_span(
        self,
        film: Film,
        span: Span,
        marks: Mapping[int, Sequence[Mark]],
        store: SoftStore,
        bases: Mapping[int, NDArray[np.uint8]] | None = None,
    ) -> Iterator[FrameResult]:
        """Label the frames of a span, in the order of the passes.

        Parameters
        ----------
        film : Film
        span : Span
        marks : mapping of int to sequence of Mark
            Of the span's marked frames, at least.
        store : SoftStore
            What an interrupted call with the same arguments left there is gone on from.
        bases : mapping of int to ndarray (H, W) uint8, optional
            Of marked frames: labels that were shown when the first mark was made, which marks correct.

        Yields
        ------
        FrameResult
            Every frame of the span with ``final``, once. Between two marked frames the way forward yields each before
            that without.

        Raises
        ------
        MarkError
            If the marks hold fewer than two classes, or one that isn't there.
        FilmError
            If a frame can't be read.
        StorageError
            If the store is full.
        """
        ground = self._ground(film, span, marks, bases or {})
        for index, marked in ground.marked.items():
            if span.first <= index <= span.last:
                yield self._marked_result(ground, marked)
        starts = [(step, at) for step, at in ((+1, span.before), (-1, span.after)) if at is not None]
        for number, (step, start) in enumerate(starts):
            yield from self._pass(film, span, ground, store, step, start, is_last=number == len(starts) - 1)

    # Marked frames ------------------------------------------------------------------------------------

    def _ground(
        self,
        film: Film,
        span: Span,
        marks: Mapping[int, Sequence[Mark]],
        bases: Mapping[int, NDArray[np.uint8]],
    ) -> _Ground:
        indices = sorted({at for at in (span.before, span.after) if at is not None})
        spoken = {c for at in indices for c in told_classes(marks.get(at, ()), film.size, self.num_classes)}
        spoken |= {int(c) for at in indices if at in bases for c in np.unique(bases[at])}
        classes = np.array(sorted(c for c in spoken if c < self.num_classes), np.int64)
        if len(classes) < 2:
            raise MarkError(
                f"The marks of frame {' and '.join(map(str, indices))} are of fewer than two classes.",
                "Mark what is there and what is around it: each with a class.",
            )
        marked = {}
        for at in indices:
            frame = film.frame(at)
            features = self._looker.study(frame)
            flow = self._flow_to_neighbour(film, at, features.rgb)
            marked[at] = label_marked_frame(
                at, features, marks.get(at, ()), classes, self.num_classes, flow, bases.get(at)
            )
        coordinates = Coordinates.of(marked[indices[0]].features)
        known = {at: Known.of(coordinates, m.regions, m.probabilities) for at, m in marked.items()}
        return _Ground(classes, coordinates, marked, known)

    def _flow_to_neighbour(self, film: Film, index: int, rgb: NDArray[np.uint8]) -> Flow | None:
        for other in (index + 1, index - 1):
            if 0 <= other < film.count:
                try:
                    neighbour = at_working_size(film.frame(other), WORKING_PIXELS)
                except FilmError:
                    continue  # it says so when the pass comes there
                if not _is_another_scene(rgb, neighbour):
                    return self._flow.between(index, other, rgb, neighbour)
        return None

    def _marked_result(self, ground: _Ground, marked: MarkedFrame) -> FrameResult:
        frame = marked.regions
        soft = quantised(frame, marked.probabilities)
        labels = self._labels(soft, ground.classes, marked.painted.shape)
        painted = marked.painted != self.num_classes
        labels[painted] = marked.painted[painted]
        return FrameResult(marked.index, labels, confidence_of(soft), True, "mark")

    # Passes -------------------------------------------------------------------------------------------

    def _pass(
        self,
        film: Film,
        span: Span,
        ground: _Ground,
        store: SoftStore,
        step: int,
        start: int,
        *,
        is_last: bool,
    ) -> Iterator[FrameResult]:
        """Go from a marked frame through the span. The second of two passes joins what the first one left."""
        direction, end = _DIRECTIONS[step], self._end_of(span, step)
        marked = ground.marked[start]
        rgb = marked.features.rgb
        at, answer = start, quantised(marked.regions, marked.probabilities)

        def result(is_cut: bool) -> Iterator[FrameResult]:
            if span.first <= at <= span.last:
                soft, source = self._joined(span, store, step, at, answer) if is_last else (answer, direction)
                labels = self._labels(soft, ground.classes, film.size)
                yield FrameResult(at, labels, confidence_of(soft), is_last, source, is_cut)

        kept = [
            index for index in store.indices(direction) if 0 < (index - start) * step <= (end - start) * step
        ]
        for index in sorted(kept, reverse=step > 0):
            if (found := store.get(direction, index)) is not None:
                at, answer = index, found
                rgb = at_working_size(film.frame(at), WORKING_PIXELS)
                if is_last:
                    # Perhaps nobody heard of it before the interruption.
                    past = at_working_size(film.frame(at - step), WORKING_PIXELS)
                    yield from result(_is_another_scene(past, rgb))
                break
        anchors = [ground.known[start], *(known for i, known in ground.known.items() if i != start)]
        for index, regions in self._looks(film, at, end, step):
            carried = self._carried((at, rgb), answer, (index, regions))
            scores = frame_scores(regions, ground.coordinates, anchors, carried, self._strengths)
            probabilities = decide(regions, ground.coordinates, scores, self._strengths)
            at, answer, rgb = index, quantised(regions, probabilities), regions.rgb
            store.put(direction, at, answer)
            if is_last:
                store.delete(direction, at - step)
            yield from result(carried is None)

    def _joined(
        self, span: Span, store: SoftStore, step: int, index: int, answer: SoftMap
    ) -> tuple[SoftMap, Source]:
        """A pass's map, mixed with that of the pass the other way, if there was one."""
        if span.before is not None and span.after is not None:
            met = store.get(_DIRECTIONS[-step], index)
            if met is not None and met.shape == answer.shape:
                # The way back comes second.
                return joined(met, answer, span.after - index, index - span.before), "both"
        return answer, _DIRECTIONS[step]

    def _end_of(self, span: Span, step: int) -> int:
        """The last frame that a pass labels."""
        if step > 0:
            return span.last if span.after is None else min(span.last, span.after - 1)
        return span.first if span.before is None else max(span.first, span.before + 1)

    def _looks(self, film: Film, at: int, end: int, step: int) -> Iterator[tuple[int, FrameRegions]]:
        """Look at the frames after ``at``, one ahead of the answers: two threads that are about equally long."""

        def look(index: int) -> Look:
            return self._looker.look(film.frame(index))

        if (end - at) * step <= 0:
            return
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(look, at + step)
            for index in range(at + step, end + step, step):
                found = coming.result()
                if index != end:
                    coming = ahead.submit(look, index + step)
                yield index, FrameRegions.of(found)

    def _carried(
        self, past: tuple[int, NDArray[np.uint8]], answer: SoftMap, present: tuple[int, FrameRegions]
    ) -> Carried | None:
        """The answer (k, h, w) for the frame before, moved to a frame; None after a cut."""
        (earlier, before), (index, frame) = past, present
        if _is_another_scene(before, frame.rgb):
            return None
        flow = self._flow.between(index, earlier, frame.rgb, before)
        back = self._flow.between(earlier, index, before, frame.rgb)
        shares = answer.transpose(1, 2, 0).astype(np.float32) / np.float32(255)
        return Carried.along(flow, forward_backward_valid(flow, back), shares, frame)

    def _labels(
        self, soft: NDArray[np.uint8], classes: NDArray[np.int64], size: tuple[int, ...]
    ) -> NDArray[np.uint8]:
        """Labels at the film's size of a map (k, h, w)."""
        height, width = size
        if soft.shape[1:] != (height, width):
            soft = np.stack(
                [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in soft]
            )
        labels: NDArray[np.uint8] = classes.astype(np.uint8)[soft.argmax(0)]
        return labels


def _is_another_scene(before: NDArray[np.uint8], rgb: NDArray[np.uint8]) -> bool:
    """Whether nothing can be carried from a frame to another."""
    return before.shape != rgb.shape or is_cut(before, rgb)


def joined(one: SoftMap, two: SoftMap, weight_one: float, weight_two: float) -> SoftMap:
    """Mix the maps (k, h, w) of two passes; besides its weight, the surer one counts more."""
    first, second = weight_one * confidence_of(one) ** 2, weight_two * confidence_of(two) ** 2
    if first + second == 0:
        first, second = weight_one, weight_two
    share = np.float32(first / (first + second))
    mixed = one.astype(np.float32) * share + two.astype(np.float32) * (1 - share)
    return np.rint(mixed).astype(np.uint8)


def confidence_of(soft: SoftMap) -> float:
    """How sure a map (k, h, w) is, 0..1: the mean over its classes of the mean probability where each wins."""
    best, winner = soft.max(0), soft.argmax(0)
    sums = np.bincount(winner.ravel(), best.ravel(), len(soft))
    pixels = np.bincount(winner.ravel(), minlength=len(soft))
    mean = float((sums[pixels > 0] / pixels[pixels > 0]).mean()) / 255
    chance = 1 / len(soft)
    return float(np.clip((mean - chance) / (1 - chance), 0, 1))
