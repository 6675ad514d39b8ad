"""Previews: how the model, as it is now, labels one picture; cheap enough to be made all the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, kron
from torch import Tensor

from spml_core.errors import SpmlError
from spml_core.labeling.refinement import (
    PictureRefiner,
    RefinedWindow,
    Refinement,
    region_hierarchy,
)
from spml_core.models import SegmentationNetwork, rgb_tensor
from spml_core.training.classifier import LinearClassifier

_MOST_PIXELS = 2**19  # of the copy that is worked on: its features take 100 MB
_COLOR_SAMPLES = 2**15  # pixels that the colours are learned from
_CELLS_AT_ONCE = 8192
_SECONDS_BETWEEN = 1.25
_SHARE_OF_FEATURES = 0.1  # of the time, that computing features anew may take while the backbone learns


@dataclass(frozen=True)
class WantedPicture:
    """The picture that somebody looks at.

    Attributes
    ----------
    key : hashable
        Tells it from others.
    rgb : callable
        Gives its pixels (H, W, 3) uint8, in the size that its labels shall have.
    """

    key: Hashable
    rgb: Callable[[], NDArray[np.uint8]]


class Previewer:
    """Labels the wanted picture with the present model, now and then.

    What doesn't change while training goes on is kept: the features and the regions of the picture. A large picture is
    labelled in a smaller copy.

    Parameters
    ----------
    wanted : callable
        Gives the picture to show, or None. Asked often.
    show : callable
        Given its key, its labels (H, W) uint8 in the model's codes, and the number of steps taken.
    broken : callable
        Given what went wrong, where it is no fault of the picture. That picture isn't tried again.
    seconds : float
        Least time from one preview to the next, unless another picture is wanted.
    now : callable
        Clock to read, in seconds.
    """

    def __init__(
        self,
        wanted: Callable[[], WantedPicture | None],
        show: Callable[[Hashable, NDArray[np.uint8], int], object],
        seconds: float = _SECONDS_BETWEEN,
        now: Callable[[], float] = time.monotonic,
        broken: Callable[[Exception], object] = lambda error: None,
    ) -> None:
        self._wanted = wanted
        self._broken = broken
        self._show = show
        self._seconds = seconds
        self._now = now
        self._began = self._ended = -np.inf
        self._looked_at: _LookedAt | None = None
        self._unreadable: Hashable = None
        self._last: tuple[LinearClassifier, Refinement, NDArray[np.uint8]] | None = None

    def show_if_due(
        self,
        network: SegmentationNetwork,
        classifier: Callable[[], LinearClassifier | None],
        refinement: Refinement,
        step: int,
    ) -> None:
        """Show a preview if one is wanted and due. Training goes on without, where none can be made.

        Parameters
        ----------
        network : SegmentationNetwork
            Its backbone and pyramid give the features.
        classifier : callable
            Gives the classifier of raw features (K, C), or None if there is none yet. Only asked when it is due.
        refinement : Refinement
        step : int
            Steps taken so far.
        """
        try:
            wanted = self._wanted()
        except SpmlError:  # which picture that is can't be told now; perhaps at the next step
            return
        if wanted is None or wanted.key == self._unreadable:
            self._looked_at = None
            return
        seen = self._looked_at
        if seen is None or seen.key != wanted.key:
            self._last = None
        elif not self._due():
            return
        now = classifier()
        if now is None:
            return
        self._began = self._now()
        try:
            if seen is None or seen.key != wanted.key:
                self._looked_at = None  # its memory is needed for the next
                seen = _LookedAt(wanted, network, refinement.regions, refinement.fine_regions, self._now)
            elif self._last is not None:
                seen.keep_fresh(network)
            labels = self._labels(seen, now, refinement)
        except Exception as error:  # training itself has no need of this picture, and says so if it has
            self._unreadable, self._looked_at = wanted.key, None
            if not isinstance(error, SpmlError):
                self._broken(error)
            return
        self._looked_at = seen
        self._show(wanted.key, labels, step)
        self._ended = self._now()

    def _due(self) -> bool:
        # Never more than half of the time, however slow the machine.
        took = self._ended - self._began
        return self._now() - self._began >= self._seconds and self._now() - self._ended >= took

    def _labels(
        self, seen: _LookedAt, classifier: LinearClassifier, refinement: Refinement
    ) -> NDArray[np.uint8]:
        last = self._last
        same = (
            last is not None
            and not seen.is_new
            and last[1] == refinement
            and torch.equal(last[0].weight, classifier.weight)
            and torch.equal(last[0].bias, classifier.bias)
        )
        if last is not None and same:
            return last[2]
        labels = seen.label(classifier, refinement)
        kept = LinearClassifier(classifier.weight.clone(), classifier.bias.clone())
        self._last = kept, refinement, labels
        return labels


class _LookedAt:
    """A picture with all that doesn't depend on the classifier.

    Parameters
    ----------
    wanted : WantedPicture
    network : SegmentationNetwork
    regions : tuple of int
    fine_regions : int
    now : callable
    """

    def __init__(
        self,
        wanted: WantedPicture,
        network: SegmentationNetwork,
        regions: tuple[int, ...],
        fine_regions: int,
        now: Callable[[], float],
    ) -> None:
        rgb = wanted.rgb()
        self.key = wanted.key
        self._shape = rgb.shape[:2]
        self._rgb = _at_most(rgb, _MOST_PIXELS)
        self._now = now
        hierarchy = region_hierarchy(self._rgb)
        cuts = [hierarchy.cut(count).reshape(-1) for count in regions]
        self._fine = hierarchy.cut(fine_regions).reshape(-1) if cuts and fine_regions else None
        height, width = self._rgb.shape[:2]
        self._regions = cuts[-1] if cuts else np.arange(height * width)
        self._votes = region_votes(
            cuts or [self._regions], network.pyramid.grid(height, width), (height, width)
        )
        self._look(network)

    def _look(self, network: SegmentationNetwork) -> None:
        began = self._now()
        with torch.inference_mode():
            maps = network.features(rgb_tensor(self._rgb).to(network.mean.device))[0]
            self._features: Tensor = maps.flatten(1).T.half().contiguous()
        self._looked, self._cost = self._now(), self._now() - began
        self._backbone = _fingerprint(network)
        self.is_new = True  # not labelled yet since

    def keep_fresh(self, network: SegmentationNetwork) -> None:
        """Compute the features anew if the backbone has learned since, but not all the time."""
        waited = self._now() - self._looked
        if waited * _SHARE_OF_FEATURES > self._cost and _fingerprint(network) != self._backbone:
            self._look(network)

    @torch.inference_mode()
    def label(self, classifier: LinearClassifier, refinement: Refinement) -> NDArray[np.uint8]:
        """Labels (H, W) of the picture in its wanted size."""
        weight, bias = (part.to(self._features.device) for part in (classifier.weight, classifier.bias))
        rows = [part.float() @ weight.T + bias for part in torch.split(self._features, _CELLS_AT_ONCE)]
        voted = self._votes @ torch.softmax(torch.cat(rows), 1).cpu().numpy()
        fine = self._fine if refinement.color_strength > 0 else None
        window = RefinedWindow(self._rgb, self._regions, voted, fine)
        refiner = PictureRefiner(refinement)
        colors, guess = window.sample(_COLOR_SAMPLES)
        refiner.learn_colors([colors], [guess])
        labels = refiner.labels(window)
        self.is_new = False
        if labels.shape == self._shape:
            return labels
        size = (self._shape[1], self._shape[0])
        return cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8, copy=False)


def region_votes(
    cuts: Sequence[NDArray[np.integer]], grid: tuple[int, int], size: tuple[int, int]
) -> csr_array[np.float32]:
    """Weights (R, cells) with which the cells of a grid vote in the regions of the last of nested cuts (H * W,).

    The mean of a linearly enlarged map over a region is a weighted sum of the map's cells, and so is the mean over the
    regions of all cuts that a region lies in: what :func:`vote_over_levels` gives for the enlarged map, without it.
    """
    along = [
        csr_array(cv2.resize(np.eye(cells, dtype=np.float32), (cells, n), interpolation=cv2.INTER_LINEAR))
        for cells, n in zip(grid, size, strict=True)
    ]
    enlarge = kron(*along, format="csr")
    finest = cuts[-1]
    pixel = np.zeros(int(finest.max()) + 1, np.int64)
    pixel[finest] = np.arange(len(finest))
    parts = []
    for cut in cuts:
        share = (1 / np.bincount(cut)).astype(np.float32)
        members = csr_array((share[cut], (cut, np.arange(len(cut)))))
        parts.append((members @ enlarge)[cut[pixel]])
    return csr_array(sum(parts[1:], parts[0]) / np.float32(len(cuts)))


def _at_most(rgb: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) in about so many pixels, if it has more."""
    height, width = rgb.shape[:2]
    shrink = (pixels / (height * width)) ** 0.5
    if shrink >= 1:
        return rgb
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _fingerprint(network: SegmentationNetwork) -> tuple[int, ...]:
    """Changes whenever the backbone does: torch counts the changes of each tensor."""
    return tuple(parameter._version for parameter in network.backbone.parameters())
