"""Labels and probabilities of a whole picture of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spml_core.labeling.refinement import PictureRefiner, RefinedWindow, vote_in_window
from spml_core.labeling.scoring import Inference, grid_probabilities
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models import Window

DEFAULT = Inference()


class Pixels(Protocol):
    """A picture that can be read in parts, like :class:`spml_core.images.Picture`."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    def rgb_window(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Pixels (height, width, 3) of a part."""


@dataclass(frozen=True)
class ArrayPixels:
    """A picture in memory, (H, W, 3) uint8."""

    rgb: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def rgb_window(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Pixels (height, width, 3) of a part."""
        return self.rgb[top : top + height, left : left + width]


@dataclass(frozen=True)
class LabelledWindow:
    """A finished part of a picture.

    Attributes
    ----------
    where : tuple of slice
        Rows and columns of the picture.
    labels : ndarray, (h, w) uint8
    probabilities : ndarray, (h, w, K) float32, or None
    """

    where: tuple[slice, slice]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None


def label_windows(
    model: TrainedModel, pixels: Pixels, inference: Inference = DEFAULT, *, probabilities: bool = False
) -> Iterator[LabelledWindow]:
    """Label a picture part by part.

    A large picture is gone through twice: first for the network's scores and the picture's colour model, then for the
    labels, so that one colour model serves all parts and no seam shows between them.

    Parameters
    ----------
    model : TrainedModel
    pixels : Pixels
    inference : Inference
        How the probabilities are made before they are refined.
    probabilities : bool
        Whether to give the probabilities too.
    """
    refiner = PictureRefiner(model.refinement)
    windows = model.network.pyramid.windows(*pixels.size)
    scores: list[NDArray[np.float16]] = []
    colors: list[NDArray[np.uint8]] = []
    guesses: list[NDArray[np.float32]] = []
    voted: RefinedWindow | None = None
    for window in windows:
        rgb = pixels.rgb_window(*window.outer)
        score = grid_probabilities(model.network, model.bank, rgb, inference)
        voted = vote_in_window(rgb, score, model.refinement)
        sample = voted.sample(max(2**17 // len(windows), 256))
        colors.append(sample[0])
        guesses.append(sample[1])
        scores.append(score.astype(np.float16))
    refiner.learn_colors(colors, guesses)
    for window, stored in zip(windows, scores, strict=True):
        if len(windows) > 1 or voted is None:
            rgb = pixels.rgb_window(*window.outer)
            voted = vote_in_window(rgb, stored.astype(np.float32), model.refinement)
        yield _finish(refiner, voted, window, probabilities)


def _finish(
    refiner: PictureRefiner, voted: RefinedWindow, window: Window, probabilities: bool
) -> LabelledWindow:
    if not probabilities:
        return LabelledWindow(window.slices, refiner.labels(voted)[window.inside], None)
    dense = refiner.probabilities(voted)[window.inside]
    return LabelledWindow(window.slices, dense.argmax(-1).astype(np.uint8), dense)


def label_picture(
    model: TrainedModel, pixels: Pixels, inference: Inference = DEFAULT, *, probabilities: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Labels (H, W) uint8 of a whole picture and, if asked for, probabilities (K, H, W) float32."""
    height, width = pixels.size
    labels = np.zeros((height, width), np.uint8)
    dense = np.zeros((len(model.class_names), height, width), np.float32) if probabilities else None
    for part in label_windows(model, pixels, inference, probabilities=probabilities):
        labels[part.where] = part.labels
        if dense is not None and part.probabilities is not None:
            dense[:, part.where[0], part.where[1]] = part.probabilities.transpose(2, 0, 1)
    return labels, dense
