"""What the marks of a picture say about its small regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Mark, Point, rasterize
from spml_core.suggesting.picture_features import PictureFeatures
from spml_core.suggesting.region_graph import Floats

LabelMap = NDArray[np.uint8]

_CLICK_CUTS = (75, 150, 300, 600)
_AGREEMENT = 0.3  # cosine of the features of a region and of the one that was clicked
_CLICK_WEIGHT = 0.3
_BOX_WEIGHT = 0.2
_TRUST = 0.9  # in labels that marks correct


@dataclass(frozen=True)
class Samples:
    """Regions of which the class is known, or thought to be.

    Attributes
    ----------
    regions : ndarray, (n,) int64
        A region may be there several times, with different classes.
    classes : ndarray, (n,) int64
    weights : ndarray, (n,) float32
        Above 0.
    """

    regions: NDArray[np.int64]
    classes: NDArray[np.int64]
    weights: Floats


@dataclass(frozen=True)
class Evidence:
    """A picture's active marks, seen from its regions.

    Attributes
    ----------
    painted : ndarray, (H, W) uint8
        The marks as labels of the whole picture: a class, K where there is none, 255 for void.
    sure : Samples
        Regions under paint; the weight is the square root of the painted pixels.
    likely : Samples
        Regions around clicks that look like them, and regions in and around boxes.
    ruled_out : tuple of int
        Classes that a complete list of tags leaves out and no other mark names.
    """

    painted: LabelMap
    sure: Samples
    likely: Samples
    ruled_out: tuple[int, ...] = ()


def gather_evidence(features: PictureFeatures, marks: Sequence[Mark], num_classes: int) -> Evidence:
    """Evidence of a picture's marks. It depends on the active marks alone, in the order in which they were made.

    Parameters
    ----------
    features : PictureFeatures
    marks : sequence of Mark
        Of places outside the picture only what lies inside counts.
    num_classes : int
        K.

    Raises
    ------
    MarkError
        If a mark has a class index of K or more.
    """
    painted = rasterize(marks, features.shape, num_classes)
    sure = painted_regions(painted, features.regions, num_classes)
    likely = [*_around_clicks(features, marks, painted, sure), *_around_boxes(features, marks)]
    return Evidence(painted, sure, _join(likely), _ruled_out(marks, sure, num_classes))


def _ruled_out(marks: Sequence[Mark], sure: Samples, num_classes: int) -> tuple[int, ...]:
    coarse = CoarseMarks.of(marks)
    if not coarse.complete:
        return ()
    boxed = {box.class_index for box in coarse.boxes} | {point.class_index for point in coarse.key_points}
    there = {0, *coarse.tags, *boxed, *sure.classes.tolist()}
    return tuple(code for code in range(num_classes) if code not in there)


def painted_regions(painted: LabelMap, regions: NDArray[np.int32], num_classes: int) -> Samples:
    """Regions under painted pixels (H, W) and their classes; the regions (h, w) may be those of a smaller picture."""
    place = np.flatnonzero(painted.ravel() < num_classes)
    if len(place) == 0:
        return _join([])
    y, x = np.divmod(place, painted.shape[1])
    if painted.shape != regions.shape:
        y, x = y * regions.shape[0] // painted.shape[0], x * regions.shape[1] // painted.shape[1]
    code = regions[y, x].astype(np.int64) * num_classes + painted.ravel()[place]
    found, pixels = np.unique(code, return_counts=True)
    region, label = np.divmod(found, num_classes)
    return Samples(region, label, np.sqrt(pixels).astype(np.float32))


def corrected_prior(labels: LabelMap, features: PictureFeatures, classes: NDArray[np.int64]) -> Floats:
    """What labels that marks are to correct say of each region: probabilities (R, k), a tenth of them doubt.

    Uniform where the labels hold none of the classes.

    Parameters
    ----------
    labels : ndarray, (H, W) uint8
    features : PictureFeatures
    classes : ndarray, (k,) int64
    """
    height, width = features.regions.shape
    y = np.arange(height) * labels.shape[0] // height
    x = np.arange(width) * labels.shape[1] // width
    small, flat = labels[y][:, x], features.regions.ravel()
    hits = np.stack([np.bincount(flat, (small == c).ravel(), features.count) for c in classes], 1)
    total = hits.sum(1, keepdims=True)
    shares: Floats = np.where(total > 0, hits / np.maximum(total, 1), 1 / len(classes)).astype(np.float32)
    return shares * np.float32(_TRUST) + np.float32((1 - _TRUST) / len(classes))


def _around_clicks(
    features: PictureFeatures, marks: Iterable[Mark], painted: LabelMap, sure: Samples
) -> Iterable[Samples]:
    """A click speaks for the largest region around it that no mark of another class lies in, where that looks alike."""
    clicks = [mark for mark in marks if isinstance(mark, Point | KeyPoint)]
    if not clicks:
        return
    cuts = [features.cut(count) for count in _CLICK_CUTS if count < features.count]
    unit = features.features / np.maximum(np.linalg.norm(features.features, axis=1, keepdims=True), 1e-9)
    for click in clicks:
        y, x = (int(np.floor(v + 0.5)) for v in (click.y, click.x))
        if not (0 <= y < features.shape[0] and 0 <= x < features.shape[1]):
            continue
        if isinstance(click, Point) and painted[y, x] != click.class_index:
            continue  # erased or painted over since
        row = y * features.regions.shape[0] // features.shape[0]
        column = x * features.regions.shape[1] // features.shape[1]
        own = int(features.regions[row, column])
        alike = unit @ unit[own] >= _AGREEMENT
        members = np.array([own])
        for parent in cuts:
            inside = parent == parent[own]
            if not inside[sure.regions[sure.classes != click.class_index]].any():
                members = np.flatnonzero(inside & alike)
                break
        members = np.union1d(members, [own])
        yield _samples(members, click.class_index, _CLICK_WEIGHT)


def _around_boxes(features: PictureFeatures, marks: Iterable[Mark]) -> Iterable[Samples]:
    """The middle of a box is likely its class; what lies outside all boxes is likely background (class 0)."""
    boxes = [mark for mark in marks if isinstance(mark, Box)]
    if not boxes:
        return
    height, width = features.regions.shape
    scale = height / features.shape[0], width / features.shape[1]
    y, x = np.mgrid[:height, :width]
    size = features.graph.area
    flat = features.regions.ravel()
    y, x = ((np.bincount(flat, place.ravel()) / size + 0.5) for place in (y, x))
    outside = np.ones(features.count, bool)
    for box in boxes:
        top, bottom = box.top * scale[0], box.bottom * scale[0]
        left, right = box.left * scale[1], box.right * scale[1]
        deep_y = np.abs(y - (top + bottom) / 2) / max((bottom - top) / 2, 0.5)
        deep_x = np.abs(x - (left + right) / 2) / max((right - left) / 2, 0.5)
        outside &= np.maximum(deep_y, deep_x) > 1
        if box.class_index != 0:
            middle = np.flatnonzero(deep_y**2 + deep_x**2 < 0.25)
            if len(middle) == 0:
                middle = np.array([int(np.argmin(deep_y**2 + deep_x**2))])
            yield _samples(middle, box.class_index, _BOX_WEIGHT)
    if any(box.class_index != 0 for box in boxes):
        yield _samples(np.flatnonzero(outside), 0, _BOX_WEIGHT)


def _samples(regions: NDArray[np.integer], class_index: int, weight: float) -> Samples:
    count = len(regions)
    return Samples(
        regions.astype(np.int64), np.full(count, class_index, np.int64), np.full(count, weight, np.float32)
    )


def _join(parts: Sequence[Samples]) -> Samples:
    return Samples(
        np.concatenate([np.zeros(0, np.int64), *(p.regions for p in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(p.classes for p in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(p.weights for p in parts)]),
    )
