"""Labels and probabilities of a whole picture of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spml_core.generators import run_to_end
from spml_core.labeling.colors import softmax
from spml_core.labeling.refinement import (
    HierarchyBuilder,
    PictureRefiner,
    RefinedWindow,
    region_hierarchy,
    vote_in_window,
)
from spml_core.labeling.scoring import Inference, grid_scores
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


@dataclass(frozen=True)
class ScoredWindow:
    """A finished part of a picture, before a decision.

    Attributes
    ----------
    where : tuple of slice
        Rows and columns of the picture.
    scores : ndarray, (h, w, K) float32
        Their softmax are the probabilities.
    """

    where: tuple[slice, slice]
    scores: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Most probable class (h, w)."""
        best: NDArray[np.uint8] = self.scores.argmax(-1).astype(np.uint8)
        return best


@dataclass(frozen=True)
class FirstLook:
    """A picture after the network and its colour model have seen all of it; see :func:`first_look`.

    Attributes
    ----------
    embedding : ndarray, (D,) float32, or None
        Mean unit embedding of the picture.
    """

    embedding: NDArray[np.float32] | None
    _pixels: Pixels
    _refiner: PictureRefiner
    _windows: list[Window]
    _scores: list[NDArray[np.float16]]
    _only: RefinedWindow | None
    _build: HierarchyBuilder

    def windows(self) -> Iterator[ScoredWindow]:
        """Score the picture part by part."""
        for window, stored in zip(self._windows, self._scores, strict=True):
            voted = self._only
            if voted is None:
                rgb = self._pixels.rgb_window(*window.outer)
                voted = vote_in_window(rgb, stored.astype(np.float32), self._refiner.refinement, self._build)
            yield ScoredWindow(window.slices, self._refiner.scores(voted)[window.inside])


def first_look(
    model: TrainedModel,
    pixels: Pixels,
    inference: Inference = DEFAULT,
    *,
    describe: bool = False,
    build: HierarchyBuilder = region_hierarchy,
) -> Generator[None, None, FirstLook]:
    """Look at all of a picture, part by part, for the network's scores and the picture's colour model.

    A large picture is gone through twice, here and in :meth:`FirstLook.windows`, so that one colour model serves all
    parts and no seam shows between them.

    Parameters
    ----------
    model : TrainedModel
    pixels : Pixels
    inference : Inference
        How the probabilities are made before they are refined.
    describe : bool
        Whether to give the mean embedding.
    build : callable
        Gives the hierarchy of regions of a part.

    Yields
    ------
    None
        After every part: a good moment to do something else.

    Returns
    -------
    FirstLook
    """
    refiner = PictureRefiner(model.refinement)
    windows = model.network.pyramid.windows(*pixels.size)
    scores: list[NDArray[np.float16]] = []
    colors: list[NDArray[np.uint8]] = []
    guesses: list[NDArray[np.float32]] = []
    embeddings: list[NDArray[np.float32]] = []
    voted: RefinedWindow | None = None
    for window in windows:
        rgb = pixels.rgb_window(*window.outer)
        found = grid_scores(model.network, model.bank, rgb, inference, describe=describe)
        voted = vote_in_window(rgb, found.probabilities, model.refinement, build)
        sample = voted.sample(max(2**17 // len(windows), 256))
        colors.append(sample[0])
        guesses.append(sample[1])
        scores.append(found.probabilities.astype(np.float16))
        if found.embedding is not None:
            embeddings.append(found.embedding * (window.core[2] * window.core[3]))
        yield
    refiner.learn_colors(colors, guesses)
    height, width = pixels.size
    mean = (np.stack(embeddings).sum(0) / (height * width)).astype(np.float32) if embeddings else None
    return FirstLook(mean, pixels, refiner, windows, scores, voted if len(windows) == 1 else None, build)


def label_windows(
    model: TrainedModel, pixels: Pixels, inference: Inference = DEFAULT, *, probabilities: bool = False
) -> Iterator[LabelledWindow]:
    """Label a picture part by part.

    Parameters
    ----------
    model : TrainedModel
    pixels : Pixels
    inference : Inference
        How the probabilities are made before they are refined.
    probabilities : bool
        Whether to give the probabilities too.
    """
    for part in run_to_end(first_look(model, pixels, inference)).windows():
        dense = softmax(part.scores).astype(np.float32) if probabilities else None
        yield LabelledWindow(part.where, part.labels, dense)


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
