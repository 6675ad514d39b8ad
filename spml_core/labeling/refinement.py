"""From class scores on a coarse grid to a label for every pixel: region vote, then the picture's own colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError
from spml_core.labeling.colors import ColorBins, color_evidence, softmax
from spml_core.labeling.voting import region_means, vote_over_levels
from spml_core.segments import Hierarchy, build_hierarchy, edge_strength

_SAMPLES = 2**17  # pixels a picture's colour model is learned from, at the most


@dataclass(frozen=True)
class Refinement:
    """What happens between the network's scores and the labels.

    Attributes
    ----------
    regions : tuple of int
        How many regions vote, in a picture (or a window of a large one): each pixel takes the mean over these cuts of
        one hierarchy, coarse to fine. Empty leaves the vote out.
    fine_regions : int
        Finer regions of the same hierarchy that vote once more after the colours have spoken, so that single pixels
        don't stand out; 0 leaves it out.
    color_strength : float
        Weight of the picture's own colours, 0 (off) or more.

    Raises
    ------
    ConfigError
        If a value is negative.
    """

    regions: tuple[int, ...] = (75, 150, 300, 600)
    fine_regions: int = 2400
    color_strength: float = 1.0

    def __post_init__(self) -> None:
        if min((self.fine_regions, self.color_strength, *(r - 1 for r in self.regions))) < 0:
            raise ConfigError(
                f"A refinement value is too small: {asdict(self)}.", "Use 0 or more, regions from 1."
            )
        if list(self.regions) != sorted(self.regions):
            raise ConfigError(f"The cuts {self.regions} aren't in order.", "Give them coarse to fine.")


class PictureRefiner:
    """Refines one picture, window by window, with one colour model for all of them.

    Parameters
    ----------
    refinement : Refinement
    """

    def __init__(self, refinement: Refinement) -> None:
        self.refinement = refinement
        self._bins: ColorBins | None = None
        self._evidence: NDArray[np.float32] | None = None

    def learn_colors(
        self, rgb_parts: list[NDArray[np.uint8]], probability_parts: list[NDArray[np.float32]]
    ) -> None:
        """Learn the picture's colour model from sampled pixels.

        Parameters
        ----------
        rgb_parts : list of ndarray, (n_i, 3) uint8
            Colours of sampled pixels, window by window.
        probability_parts : list of ndarray, (n_i, K) float32
            Their probabilities after the region vote.
        """
        colors = np.concatenate(rgb_parts)[None]
        self._bins = ColorBins.of(colors)
        self._evidence = color_evidence(
            self._bins.assign(colors)[0], np.concatenate(probability_parts), self.refinement.color_strength
        )

    def labels(self, window: RefinedWindow) -> NDArray[np.uint8]:
        """Labels (H, W) of a window."""
        best: NDArray[np.uint8] = self.scores(window).argmax(-1).astype(np.uint8)
        return best

    def probabilities(self, window: RefinedWindow) -> NDArray[np.float32]:
        """Probabilities (H, W, K) of a window."""
        dense: NDArray[np.float32] = softmax(self.scores(window)).astype(np.float32)
        return dense

    def scores(self, window: RefinedWindow) -> NDArray[np.float32]:
        """Scores (H, W, K) of a window, whose softmax are the probabilities."""
        scores: NDArray[np.float32] = np.log(window.voted + 1e-4)[window.regions]
        if self._bins is not None and self._evidence is not None and self.refinement.color_strength > 0:
            scores += self._evidence[self._bins.assign(window.rgb).reshape(-1)]
            if window.fine_regions is not None:
                scores = region_means(scores, window.fine_regions)[window.fine_regions]
        return scores.reshape(*window.shape, -1)


@dataclass(frozen=True)
class RefinedWindow:
    """A window's pixels after the region vote.

    Attributes
    ----------
    rgb : ndarray, (H, W, 3) uint8
    regions : ndarray, (H * W,) int
        Row of ``voted`` that each pixel takes.
    voted : ndarray, (R, K) float32
        Probabilities of each region.
    fine_regions : ndarray, (H * W,) int, or None
    """

    rgb: NDArray[np.uint8]
    regions: NDArray[np.integer]
    voted: NDArray[np.float32]
    fine_regions: NDArray[np.integer] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def sample(self, limit: int = _SAMPLES) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Colours (n, 3) and probabilities (n, K) of at most about ``limit`` evenly spread pixels."""
        step = max(1, int(np.ceil(np.sqrt(len(self.regions) / limit))))
        taken = self.regions.reshape(self.shape)[::step, ::step].reshape(-1)
        return self.rgb[::step, ::step].reshape(-1, 3), self.voted[taken]


HierarchyBuilder: TypeAlias = Callable[[NDArray[np.uint8]], Hierarchy]
"""Makes the hierarchy of regions of a picture or part of one, (H, W, 3) uint8."""


def region_hierarchy(rgb: NDArray[np.uint8]) -> Hierarchy:
    """Hierarchy of regions of a picture or part of one, (H, W, 3)."""
    return build_hierarchy(edge_strength(rgb))


def vote_in_window(
    rgb: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    refinement: Refinement,
    build: HierarchyBuilder = region_hierarchy,
) -> RefinedWindow:
    """Let the regions of a window vote.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
    probabilities : ndarray, (h, w, K) float32
        On any coarser grid over the window.
    refinement : Refinement
    build : callable
        Gives the window's hierarchy, perhaps one that was built before.
    """
    height, width = rgb.shape[:2]
    dense = upsample(probabilities, height, width).reshape(height * width, -1)
    if not refinement.regions:
        return RefinedWindow(rgb, np.arange(height * width), dense, None)
    hierarchy = build(rgb)
    cuts = [hierarchy.cut(count).reshape(-1) for count in refinement.regions]
    return RefinedWindow(rgb, cuts[-1], vote_over_levels(dense, cuts), _fine(hierarchy, refinement))


def _fine(hierarchy: Hierarchy, refinement: Refinement) -> NDArray[np.integer] | None:
    if refinement.fine_regions == 0 or refinement.color_strength == 0:
        return None
    return hierarchy.cut(refinement.fine_regions).reshape(-1)


def upsample(maps: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Bilinear resize of (h, w, K) to (height, width, K), cell centres kept in place."""
    # cv2 resizes up to four channels in one go; beyond that channel by channel is as quick.
    planes = [
        cv2.resize(np.ascontiguousarray(maps[..., k]), (width, height), interpolation=cv2.INTER_LINEAR)
        for k in range(maps.shape[2])
    ]
    return np.stack(planes, axis=-1)
