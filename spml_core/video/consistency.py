"""How steady a film's segmentation is: temporal consistency and where it flickers (METHODS.md 6.6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.errors import ConfigError
from spml_core.video.flow import FlowEstimator
from spml_core.video.validity import forward_backward_valid
from spml_core.video.warp import Flow, Mask, inside, warp_array, warp_labels

ConsistencyMode = Literal["literature", "corrected"]
# Bilinear weights add up to 1 but for rounding: within one class, 3 must not come out as 2.9999998 and be cut to 2.
_ROUNDING = 1e-3

Labels = NDArray[np.integer[Any]]


class TemporalConsistency:
    """Mean IoU between each frame's labels and the next frame's, brought back along the flow.

    Intersections and unions are added up over all pairs. IGNORE (255), in either frame, is left out.

    Parameters
    ----------
    num_classes : int
        K. Other codes, UNLABELED for instance, agree with nothing.
    mode : {"literature", "corrected"}
        * literature: as published figures were measured (METHODS.md 6.6). The label map itself is warped bilinearly, as
          numbers that are cut to integers, so that classes appear between others where there are none; what is hidden
          in the next frame counts like the rest. Scores are lower than the segmentation is steady. One thing differs
          from the published code: 1e-3 is added before the cut, since rounding would else turn a 3 between 3s,
          warped to 2.9999998, into a 2.
        * corrected: one-hot maps are warped, and only pixels with a valid flow count.

    Attributes
    ----------
    intersections, unions : ndarray, (K,) int64
        Pixels so far.

    Raises
    ------
    ConfigError
        If the mode is unknown.
    """

    def __init__(self, num_classes: int, mode: ConsistencyMode = "corrected") -> None:
        if mode not in ("literature", "corrected"):
            raise ConfigError(f"Unknown temporal consistency {mode!r}.", "Use literature or corrected.")
        self.mode = mode
        self.intersections: NDArray[np.int64] = np.zeros(num_classes, np.int64)
        self.unions: NDArray[np.int64] = np.zeros(num_classes, np.int64)

    def add(
        self, labels_t: Labels, labels_next: Labels, flow_t_next: Flow, valid: Mask | None = None
    ) -> TemporalConsistency:
        """Add a pair of frames.

        Parameters
        ----------
        labels_t, labels_next : ndarray, (H, W) integers
            Codes 0..255 of a frame and of the next.
        flow_t_next : ndarray, (H, W, 2) float32
            From the frame to the next, in pixels.
        valid : ndarray, (H, W) bool, optional
            Where that flow can be trusted: :func:`forward_backward_valid`. Where it leads through the frame, if not
            given. Literature doesn't look at it.

        Raises
        ------
        ConfigError
            If the shapes don't fit.
        """
        _require_pair(labels_t, labels_next, flow_t_next, valid)
        if self.mode == "literature":
            counted = (labels_t != IGNORE) & (warp_array(labels_next == IGNORE, flow_t_next) == 0)
            warped = (warp_array(labels_next, flow_t_next) + _ROUNDING).astype(np.uint8)
        else:
            warped = warp_labels(labels_next, flow_t_next).astype(np.uint8)
            counted = _counted(labels_t, warped, inside(flow_t_next) if valid is None else valid)
        own, other = labels_t[counted].astype(np.int64), warped[counted].astype(np.int64)
        num_classes = len(self.unions)
        here, there, both = (
            np.bincount(codes, minlength=256)[:num_classes] for codes in (own, other, own[own == other])
        )
        self.intersections += both
        self.unions += here + there - both
        return self

    @property
    def value(self) -> float:
        """Mean IoU, 0..1, of the classes that were there; NaN if no pixel counts."""
        there = self.unions > 0
        if not there.any():
            return float("nan")
        return float((self.intersections[there] / self.unions[there]).mean())


class FlickerMap:
    """How often a pixel's label changes from one frame to the next although the flow says that it is the same thing.

    Attributes
    ----------
    changes, pairs : ndarray, (H, W) int32
        Of the pairs in which the pixel's flow was valid: those with a change, and all.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.changes: NDArray[np.int32] = np.zeros(size, np.int32)
        self.pairs: NDArray[np.int32] = np.zeros(size, np.int32)

    def add(
        self, labels_t: Labels, labels_next: Labels, flow_t_next: Flow, valid: Mask | None = None
    ) -> FlickerMap:
        """Add a pair of frames; arguments and errors as for :meth:`TemporalConsistency.add`."""
        _require_pair(labels_t, labels_next, flow_t_next, valid)
        if labels_t.shape != self.pairs.shape:
            raise ConfigError(
                f"Labels {labels_t.shape} came to a flicker map of {self.pairs.shape}.",
                "Give frames of one size.",
            )
        warped = warp_labels(labels_next, flow_t_next)
        counted = _counted(labels_t, warped, inside(flow_t_next) if valid is None else valid)
        self.pairs += counted
        self.changes += counted & (labels_t != warped)
        return self

    @property
    def value(self) -> NDArray[np.float32]:
        """Share 0..1 of the valid pairs with a change (H, W); NaN where there was no valid pair."""
        share = np.full(self.pairs.shape, np.nan, np.float32)
        np.divide(self.changes, self.pairs, out=share, where=self.pairs > 0, casting="unsafe")
        return share


@dataclass(frozen=True)
class Steadiness:
    """What :func:`measure_steadiness` found.

    Attributes
    ----------
    literature, corrected : float
        :class:`TemporalConsistency` in both modes, 0..1; NaN if no pixel counts.
    flicker : ndarray, (H, W) float32
        :class:`FlickerMap`; empty if there was no frame.
    pairs : int
        Pairs of consecutive frames.
    """

    literature: float
    corrected: float
    flicker: NDArray[np.float32]
    pairs: int


def measure_steadiness(
    frames: Iterable[tuple[NDArray[np.uint8], Labels]], num_classes: int, flow: FlowEstimator
) -> Steadiness:
    """How steady the labels of a film are. Holds two frames at a time.

    Parameters
    ----------
    frames : iterable of (rgb, labels)
        Consecutive frames: (H, W, 3) uint8 and (H, W) codes.
    num_classes : int
        K.
    flow : FlowEstimator
        Run both ways between consecutive frames; what doesn't lead back counts in the literature's number alone.

    Raises
    ------
    ConfigError
        If the shapes don't fit.
    """
    literature = TemporalConsistency(num_classes, "literature")
    corrected = TemporalConsistency(num_classes, "corrected")
    flicker: FlickerMap | None = None
    before: tuple[NDArray[np.uint8], Labels] | None = None
    pairs = 0
    for rgb, labels in frames:
        if flicker is None:
            flicker = FlickerMap(labels.shape[:2])
        if before is not None:
            forward = flow(before[0], rgb)
            valid = forward_backward_valid(forward, flow(rgb, before[0]))
            literature.add(before[1], labels, forward)
            corrected.add(before[1], labels, forward, valid)
            flicker.add(before[1], labels, forward, valid)
            pairs += 1
        before = rgb, labels
    empty = np.zeros((0, 0), np.float32)
    return Steadiness(literature.value, corrected.value, empty if flicker is None else flicker.value, pairs)


def _counted(labels_t: Labels, warped: Labels, valid: Mask) -> Mask:
    counted: Mask = valid & (labels_t != IGNORE) & (warped != IGNORE)
    return counted


def _require_pair(labels_t: Labels, labels_next: Labels, flow: Flow, valid: Mask | None) -> None:
    size = labels_t.shape
    sizes = {size, labels_next.shape, flow.shape[:2], size if valid is None else valid.shape}
    if len(sizes) > 1 or labels_t.ndim != 2:
        raise ConfigError(
            f"Labels {size} and {labels_next.shape} came with a flow {flow.shape}"
            f"{'' if valid is None else f' and validity {valid.shape}'}.",
            "Give maps (H, W) of one size and their flow (H, W, 2).",
        )
