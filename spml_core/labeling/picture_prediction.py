"""What a model says of one picture, in the two forms that are kept: small enough to show, and in figures.

Both go window by window and give the caller a chance to do something else in between.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spml_core.errors import ConfigError
from spml_core.labeling.class_codes import group_probabilities, normalised_entropy
from spml_core.labeling.colors import softmax
from spml_core.labeling.inference import Pixels, first_look
from spml_core.labeling.refinement import HierarchyBuilder, region_hierarchy
from spml_core.labeling.trained_model import TrainedModel

_ENTROPY_STEP = 4  # the mean entropy is taken from every 4th pixel of every 4th row
_DESCRIPTOR_LENGTH = 64


@dataclass(frozen=True)
class ShrunkPrediction:
    """A prediction ``shrink`` times smaller than the picture: what every ``shrink``-th pixel is.

    Attributes
    ----------
    labels : ndarray, (h, w) uint8
        Today's codes.
    probabilities : ndarray, (K, h, w) uint8
        Of today's classes, 255 for certain.
    uncertainty : ndarray, (h, w) uint8
        Entropy, 255 for all classes alike.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.labels.nbytes + self.probabilities.nbytes + self.uncertainty.nbytes


def shrunk_prediction(
    model: TrainedModel,
    pixels: Pixels,
    shrink: int,
    codes: NDArray[np.uint8],
    num_classes: int,
    build: HierarchyBuilder = region_hierarchy,
) -> Generator[None, None, ShrunkPrediction]:
    """Predict a picture for the screen.

    Parameters
    ----------
    model : TrainedModel
    pixels : Pixels
        (H, W).
    shrink : int
        1 or more. Pixel (i, j) of the answer is the one in the middle of the ``shrink`` x ``shrink`` pixels from
        ``i * shrink, j * shrink`` on; nothing is averaged, so labels and probabilities agree.
    codes : ndarray, (256,) uint8
        Today's code of each of the model's; a pixel whose class was deleted has the code ``num_classes``.
    num_classes : int
        K, of today.
    build : callable
        Gives the hierarchy of regions of a part.

    Yields
    ------
    None
        After every part of the picture.

    Returns
    -------
    ShrunkPrediction
        h = ceil(H / shrink), w = ceil(W / shrink).

    Raises
    ------
    ConfigError
        If ``shrink`` is below 1.
    """
    if shrink < 1:
        raise ConfigError(f"A prediction can't be shrunk {shrink} times.", "Use 1 or more.")
    rows, columns = (np.minimum(np.arange(0, n, shrink) + shrink // 2, n - 1) for n in pixels.size)
    shape = len(rows), len(columns)
    labels = np.zeros(shape, np.uint8)
    probabilities = np.zeros((num_classes, *shape), np.uint8)
    uncertainty = np.zeros(shape, np.uint8)
    groups = len(np.unique(codes[: len(model.class_names)]))
    look = yield from first_look(model, pixels, build=build)
    for part in look.windows():
        into = _between(rows, part.where[0]), _between(columns, part.where[1])
        inside = np.ix_(rows[into[0]] - part.where[0].start, columns[into[1]] - part.where[1].start)
        scores = part.scores[inside]
        labels[into] = codes[scores.argmax(-1)]
        grouped = group_probabilities(softmax(scores), codes, num_classes)
        probabilities[:, into[0], into[1]] = _bytes(grouped[..., :num_classes]).transpose(2, 0, 1)
        uncertainty[into] = _bytes(normalised_entropy(grouped, groups))
        yield
    return ShrunkPrediction(labels, probabilities, uncertainty)


@dataclass(frozen=True)
class DescribedPrediction:
    """A prediction at full size, and what it comes to.

    Attributes
    ----------
    labels : ndarray, (H, W) uint8
        The model's own codes.
    shares : ndarray, (K,) float64
        Share of the pixels of each of the model's classes, 0..1.
    uncertainty : float
        Mean entropy, 0..1.
    descriptor : ndarray, (64,) float32 or shorter
        What the picture is like: the mean of its unit embeddings, brought to 64 numbers where it has more.
    """

    labels: NDArray[np.uint8]
    shares: NDArray[np.float64]
    uncertainty: float
    descriptor: NDArray[np.float32]


def described_prediction(
    model: TrainedModel, pixels: Pixels, build: HierarchyBuilder = region_hierarchy
) -> Generator[None, None, DescribedPrediction]:
    """Predict a picture to keep.

    Parameters
    ----------
    model : TrainedModel
    pixels : Pixels
    build : callable
        Gives the hierarchy of regions of a part.

    Yields
    ------
    None
        After every part of the picture.

    Returns
    -------
    DescribedPrediction
    """
    classes = len(model.class_names)
    labels = np.zeros(pixels.size, np.uint8)
    entropy, count = 0.0, 0
    look = yield from first_look(model, pixels, describe=True, build=build)
    for part in look.windows():
        labels[part.where] = part.labels
        dense = softmax(part.scores[::_ENTROPY_STEP, ::_ENTROPY_STEP])
        certain = normalised_entropy(dense, classes)
        entropy += float(certain.sum(dtype=np.float64))
        count += certain.size
        yield
    shares = np.bincount(labels.reshape(-1), minlength=classes) / labels.size
    embedding = np.zeros(0, np.float32) if look.embedding is None else look.embedding
    return DescribedPrediction(labels, shares, entropy / max(1, count), shorten(embedding))


def shorten(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """A vector of at most 64 numbers; a longer one is projected at random, the same way every time.

    Distances stay about the same (Johnson and Lindenstrauss 1984).
    """
    if len(vector) <= _DESCRIPTOR_LENGTH:
        return vector
    directions = np.random.default_rng(0).standard_normal((_DESCRIPTOR_LENGTH, len(vector)))
    projected: NDArray[np.float32] = (directions @ vector / np.sqrt(_DESCRIPTOR_LENGTH)).astype(np.float32)
    return projected


def _between(sorted_places: NDArray[np.integer], part: slice) -> slice:
    """Which of the places lie in a part."""
    first, last = np.searchsorted(sorted_places, [part.start, part.stop])
    return slice(int(first), int(last))


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """0..1 as 0..255."""
    scaled: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    return scaled
