"""A marked frame of a film: its marks, how things move there, and what was thought of it before it was marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spml_core.annotations import Mark
from spml_core.labeling.colors import softmax
from spml_core.suggesting.evidence import corrected_prior, gather_evidence
from spml_core.suggesting.picture_features import PictureFeatures
from spml_core.suggesting.region_graph import Floats
from spml_core.suggesting.suggestion import region_scores
from spml_core.video.frame_regions import FrameRegions, regions_of
from spml_core.video.motion import motion_evidence, motion_of_its_own
from spml_core.video.warp import Flow

_MOTION_OF_ONE = 1.5  # weight of motion where one class moves before the other
_MOTION_OF_PARTS = 0.5


@dataclass(frozen=True, eq=False)
class MarkedFrame:
    """What a marked frame's marks come to.

    Attributes
    ----------
    index : int
    features : PictureFeatures
    probabilities : ndarray, (R, k) float32
        Of the span's classes.
    painted : ndarray, (H, W) uint8
        The marks as labels; K where there is none.
    """

    index: int
    features: PictureFeatures
    probabilities: Floats
    painted: NDArray[np.uint8]

    @property
    def regions(self) -> FrameRegions:
        """The frame's regions."""
        return regions_of(self.features)


def label_marked_frame(
    index: int,
    features: PictureFeatures,
    marks: Sequence[Mark],
    classes: NDArray[np.int64],
    num_classes: int,
    flow: Flow | None,
    base: NDArray[np.uint8] | None,
) -> MarkedFrame:
    """Suggest labels of a marked frame.

    Parameters
    ----------
    index : int
    features : PictureFeatures
    marks : sequence of Mark
    classes : ndarray, (k,) int64
        Those of the span, ascending.
    num_classes : int
        K.
    flow : ndarray, (h, w, 2) float32, optional
        To a neighbouring frame, at the features' working size; None after a cut or where there is no neighbour.
    base : ndarray, (H, W) uint8, optional
        Labels that were shown when the frame got its first mark: marks correct them.

    Returns
    -------
    MarkedFrame
    """
    frame = regions_of(features)
    evidence = gather_evidence(features, marks, num_classes)
    scores = np.zeros((features.count, len(classes)), np.float32)
    if flow is not None:
        motion, spread = motion_of_its_own(flow)
        marked = np.zeros((features.count, len(classes)), np.float32)
        marked[evidence.sure.regions, np.searchsorted(classes, evidence.sure.classes)] = 1
        moved = motion_evidence(frame.mean(motion), spread, frame.graph.area, marked)
        moved[:, 0] = 0  # the first class is what the others move in front of
        moved[:, ~marked.any(0)] = 0
        scores += (_MOTION_OF_ONE if len(classes) == 2 else _MOTION_OF_PARTS) * moved
    if base is not None:
        scores += np.log(corrected_prior(base, features, classes))
    prior = np.zeros((features.count, num_classes), np.float32)
    prior[:, classes] = softmax(scores)
    found = region_scores(features, evidence, num_classes, prior=prior)
    assert found is not None  # nobody stops it
    probabilities = np.full((features.count, len(classes)), 1e-3, np.float32)
    inside = np.isin(found.classes, classes)
    probabilities[:, np.searchsorted(classes, found.classes[inside])] += found.probabilities[:, inside]
    if len(classes) == 2 and inside.all():
        # The exact cut says which class; the probabilities how surely.
        decided = np.searchsorted(classes, found.classes[found.labels])
        probabilities = probabilities + np.eye(2, dtype=np.float32)[decided]
    probabilities /= probabilities.sum(1, keepdims=True)
    return MarkedFrame(index, features, probabilities, evidence.painted)
