"""Optical flow between the frames of a clip, kept small, and the marks that it carries to frames without any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.training.training_set import Clip, TrainingPicture
from spml_core.video.flow import FlowEstimator
from spml_core.video.scene_cuts import is_cut
from spml_core.video.validity import forward_backward_valid, photometric_weight
from spml_core.video.warp import resize_flow

_PIXELS = 2**18  # at which flow is computed and kept, at the most
_WIDEST_GAP = 3  # frames between two that are linked
_SURE = 0.5  # validity below which a mark is lost
_PER_CLASS = 300  # pixels of a class that are carried from a frame

Points = NDArray[np.float32]
"""(n, 2): rows and columns in pixels of the film."""


@dataclass
class ClipFlows:
    """Flow between frames of a clip, by their places in it.

    Attributes
    ----------
    clip : Clip
    pairs : dict
        For (a, b) the flow from a to b (h, w, 2) float16 and its validity (h, w) uint8, 255 for certain.
    """

    clip: Clip
    pairs: dict[tuple[int, int], tuple[NDArray[np.float16], NDArray[np.uint8]]] = field(default_factory=dict)
    _size: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames, once they are read."""
        return self._size

    def neighbors(self, place: int) -> list[int]:
        """Frames that the flow leads to from the frame at ``place``, ascending."""
        return sorted(b for a, b in self.pairs if a == place)

    def follow(self, a: int, b: int, points: Points) -> tuple[Points, NDArray[np.float32]]:
        """Where points of frame ``a`` lie in frame ``b``, and how far that can be trusted, (n,) in 0..1."""
        flow, validity = self.pairs[a, b]
        scale = np.array(validity.shape, np.float32) / np.array(self._size, np.float32)
        at = np.floor((points + 0.5) * scale).astype(np.intp)
        rows, columns = (np.clip(at[:, i], 0, validity.shape[i] - 1) for i in (0, 1))
        moved = points + flow[rows, columns].astype(np.float32)[:, ::-1] / scale
        within = ((moved > -0.5) & (moved < np.array(self._size) - 0.5)).all(1)
        trust = validity[rows, columns].astype(np.float32) / np.float32(255)
        return moved.astype(np.float32), np.where(within, trust, np.float32(0))

    def on_grid(
        self, a: int, b: int, grid: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flow (h, w, 2) from frame ``a`` to ``b`` in cells of a grid over the frame, and its validity (h, w), 0..1."""
        flow, validity = self.pairs[a, b]
        trust = cv2.resize(validity.astype(np.float32) / 255, grid[::-1], interpolation=cv2.INTER_AREA)
        return resize_flow(flow.astype(np.float32), grid), np.asarray(trust, np.float32)

    def read(self, estimator: FlowEstimator, frames: int) -> Iterator[int]:
        """Compute the flow between all frames less than ``frames`` apart, both ways; not across scene cuts.

        Yields the number of frames read after each.
        """
        recent: list[tuple[int, NDArray[np.uint8]]] = []
        for place, picture in enumerate(self.clip.frames):
            rgb = picture.rgb()
            self._size = rgb.shape[0], rgb.shape[1]
            small = _small(rgb)
            for earlier, other in recent:
                if self._near(earlier, place) and other.shape == small.shape and not is_cut(other, small):
                    self._add(earlier, place, other, small, estimator)
            # The next frame has always to be reached, or no mark would be carried.
            recent = [*recent, (place, small)][-max(1, frames - 1) :]
            yield place + 1

    def _near(self, a: int, b: int) -> bool:
        return self.clip.indices[b] - self.clip.indices[a] <= _WIDEST_GAP

    def _add(
        self, a: int, b: int, rgb_a: NDArray[np.uint8], rgb_b: NDArray[np.uint8], estimator: FlowEstimator
    ) -> None:
        there, back = estimator(rgb_a, rgb_b), estimator(rgb_b, rgb_a)
        for pair, images, flow, other in (
            ((a, b), (rgb_a, rgb_b), there, back),
            ((b, a), (rgb_b, rgb_a), back, there),
        ):
            weight = photometric_weight(*images, flow) * forward_backward_valid(flow, other)
            self.pairs[pair] = flow.astype(np.float16), np.rint(255 * weight).astype(np.uint8)


def _small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    shrink = min(1.0, (_PIXELS / (rgb.shape[0] * rgb.shape[1])) ** 0.5)
    if shrink == 1:
        return np.ascontiguousarray(rgb)
    size = (max(16, round(rgb.shape[1] * shrink)), max(16, round(rgb.shape[0] * shrink)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def with_carried_marks(flows: ClipFlows, num_classes: int) -> tuple[TrainingPicture, ...]:
    """The frames of a clip; those without marks have the marks of the nearest marked frames on both sides.

    A mark is carried pixel by pixel, from frame to frame, as long as the flow leads there and back. At most a few
    hundred pixels of a class are carried from a frame.

    Parameters
    ----------
    flows : ClipFlows
    num_classes : int
        K.
    """
    frames = flows.clip.frames
    maps: dict[int, NDArray[np.uint8]] = {}
    ages: dict[int, NDArray[np.uint16]] = {}
    for start, picture in enumerate(frames):
        if picture.labels is None:
            continue
        labels = picture.labels()
        for step in (1, -1):
            points, codes = _marked_points(labels, num_classes)
            here, age = start, 0
            while (there := here + step) in range(len(frames)) and not frames[there].marked:
                if (here, there) not in flows.pairs or not len(points):
                    break
                points, trust = flows.follow(here, there, points)
                points, codes = points[trust > _SURE], codes[trust > _SURE]
                here, age = there, age + 1
                if here not in maps:
                    maps[here] = np.full(labels.shape, num_classes, np.uint8)
                    ages[here] = np.full(labels.shape, np.iinfo(np.uint16).max, np.uint16)
                rows, columns = np.floor(points + 0.5).astype(np.intp).T
                nearer = ages[here][rows, columns] > age
                maps[here][rows[nearer], columns[nearer]] = codes[nearer]
                ages[here][rows[nearer], columns[nearer]] = age
    return tuple(_carried(frame, maps.get(place), num_classes) for place, frame in enumerate(frames))


def _carried(frame: TrainingPicture, labels: NDArray[np.uint8] | None, num_classes: int) -> TrainingPicture:
    if labels is None or not (labels < num_classes).any():
        return frame
    known = labels
    tags = np.isin(np.arange(num_classes), known)
    return TrainingPicture(frame.name, frame.rgb, lambda: known, tags, carried=True)


def _marked_points(labels: NDArray[np.uint8], num_classes: int) -> tuple[Points, NDArray[np.uint8]]:
    """Pixels of the marks and their classes, evenly thinned."""
    chosen: list[NDArray[np.intp]] = []
    for code in range(num_classes):
        places = np.argwhere(labels == code)
        chosen.append(places[:: max(1, -(-len(places) // _PER_CLASS))])
    points = np.concatenate(chosen)
    return points.astype(np.float32), labels[tuple(points.T)]


def chosen_frames(count: int, marked: Sequence[int], most: int, together: int = 3) -> tuple[int, ...]:
    """Frames of a film to learn from: all of a short one, else the marked ones and evenly spaced groups.

    Parameters
    ----------
    count : int
        Frames of the film.
    marked : sequence of int
        Indices that take part in any case.
    most : int
        Frames to take, besides marked ones.
    together : int
        Consecutive frames in a group.

    Returns
    -------
    tuple of int
        Ascending.
    """
    if count <= most:
        return tuple(range(count))
    groups = max(1, most // together)
    first = np.linspace(0, count - min(together, count), groups).round().astype(int)
    spaced = {int(start) + i for start in first for i in range(min(together, most))}
    return tuple(sorted(spaced | set(marked)))
