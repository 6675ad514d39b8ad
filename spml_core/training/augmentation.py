"""The paper's augmentation of a picture and its label maps (METHODS.md 1.8.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.errors import ConfigError
from spml_core.models.normalisation import IMAGENET_MEAN, IMAGENET_STD

DENSEPOSE_FLIP = (0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14)
"""Label of each DensePose part in the mirror: left and right swapped."""

_MEAN, _STD = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
_GRAY = np.array([0.3, 0.59, 0.11], np.float32)
_BLUR_SIDE = 5

_Number = TypeVar("_Number", np.float32, np.int64)


@dataclass(frozen=True)
class Augmented:
    """A crop that a network can take.

    Attributes
    ----------
    rgb : ndarray, (3, C, C) float32
        Normalised with ImageNet's mean and deviation; 0 where the picture is padded.
    labels : ndarray, (C, C) int64
        IGNORE where padded.
    regions : ndarray, (C, C) int64
        Over-segmentation; 0 where padded.
    """

    rgb: NDArray[np.float32]
    labels: NDArray[np.int64]
    regions: NDArray[np.int64]


@dataclass(frozen=True)
class Augmentation:
    """Flip, scale, make gray, blur, pad, crop: in this order, each by its own draw.

    Attributes
    ----------
    crop : int
        Side of the crop.
    scales : (float, float)
        Ends of the uniform distribution of the scale.
    flip, gray, blur : float
        Probabilities.
    blur_sigmas : (float, float)
        Ends of the uniform distribution of the 5 x 5 blur's ``sigma``, whose weights are ``exp(-d^2 / sigma^2)``.
    flipped_labels : tuple of int
        Label of each class in the mirror, where left and right are different classes; empty where none are. Codes
        beyond it stay.

    Raises
    ------
    ConfigError
        If a value is out of its range, or ``flipped_labels`` isn't a permutation that undoes itself.
    """

    crop: int = 512
    scales: tuple[float, float] = (0.5, 1.5)
    flip: float = 0.5
    gray: float = 0.0
    blur: float = 0.0
    blur_sigmas: tuple[float, float] = (0.1, 5.0)
    flipped_labels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.crop < 1 or not all(0 <= p <= 1 for p in (self.flip, self.gray, self.blur)):
            raise ConfigError(
                f"An augmentation has crop {self.crop} and probabilities {self.flip}, {self.gray}, {self.blur}.",
                "Use a crop of 1 or more and probabilities of 0..1.",
            )
        for low, high in (self.scales, self.blur_sigmas):
            if not 0 < low <= high:
                raise ConfigError(
                    f"The range {low}..{high} can't be drawn from.", "Give two numbers above 0 in order."
                )
        swap = self.flipped_labels
        if any(not 0 <= s < len(swap) or swap[s] != i for i, s in enumerate(swap)):
            raise ConfigError(
                f"The mirrored labels {swap} don't swap pairs.", "Give each class the label it has mirrored."
            )

    @classmethod
    def for_embedding(cls, crop: int = 512, flipped_labels: Sequence[int] = ()) -> Augmentation:
        """That of the embedding's training."""
        return cls(crop, flipped_labels=tuple(flipped_labels))

    @classmethod
    def for_classifier(cls, crop: int = 512, flipped_labels: Sequence[int] = ()) -> Augmentation:
        """That of the softmax head's training on frozen embeddings."""
        return cls(crop, (0.5, 2.0), gray=0.3, blur=0.5, flipped_labels=tuple(flipped_labels))

    def __call__(
        self,
        rgb: NDArray[np.uint8],
        labels: NDArray[np.integer],
        regions: NDArray[np.integer] | None,
        rng: np.random.Generator,
    ) -> Augmented:
        """Draw one version of a picture.

        Parameters
        ----------
        rgb : ndarray, (H, W, 3) uint8
        labels : ndarray, (H, W) integer
            Label codes.
        regions : ndarray, (H, W) integer, optional
            Over-segmentation; one region when not given.
        rng : Generator
            The same state gives the same version.

        Raises
        ------
        ConfigError
            If the maps differ in size from the picture.
        """
        size = rgb.shape[:2]
        regions = np.zeros(size, np.int64) if regions is None else regions
        if rgb.ndim != 3 or labels.shape != size or regions.shape != size:
            raise ConfigError(
                f"A picture of shape {rgb.shape} came with labels {labels.shape} and regions {regions.shape}.",
                "Give maps of the picture's size.",
            )
        # All draws are made every time, so that one step's outcome doesn't shift what the next one draws.
        flips, grays, blurs = rng.random(3) < (self.flip, self.gray, self.blur)
        scale = rng.uniform(*self.scales)
        sigma = rng.uniform(*self.blur_sigmas)
        place = rng.random(2)
        picture = rgb
        if flips:
            picture, labels, regions = picture[:, ::-1], labels[:, ::-1], regions[:, ::-1]
            labels = self._mirrored(labels)
        height, width = (max(1, round(side * scale)) for side in size)
        colors = cv2.resize(
            np.ascontiguousarray(picture).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
        )
        if grays:
            colors = np.repeat((colors @ _GRAY)[..., None], 3, axis=2)
        if blurs:
            colors = cv2.filter2D(colors, -1, blur_kernel(sigma))
        unit = (colors / 255 - _MEAN) / _STD
        rows, columns = (
            self._window(side, float(at)) for side, at in zip((height, width), place, strict=True)
        )
        sources = nearest(size[0], height)[rows], nearest(size[1], width)[columns]
        inside = np.ix_(*sources)
        return Augmented(
            self._padded(unit[rows, columns].transpose(2, 0, 1).astype(np.float32), 0),
            self._padded(labels[inside].astype(np.int64), IGNORE),
            self._padded(regions[inside].astype(np.int64), 0),
        )

    def _window(self, side: int, at: float) -> slice:
        """What of a side the crop sees: from ``floor(U(0, side - crop))`` on, so the very last place is never taken."""
        start = int(at * max(0, side - self.crop))
        return slice(start, min(side, start + self.crop))

    def _padded(self, part: NDArray[_Number], value: int) -> NDArray[_Number]:
        """``part`` (..., h, w) at the top left of a whole crop."""
        whole = np.full((*part.shape[:-2], self.crop, self.crop), value, part.dtype)
        whole[..., : part.shape[-2], : part.shape[-1]] = part
        return whole

    def _mirrored(self, labels: NDArray[np.integer]) -> NDArray[np.integer]:
        if not self.flipped_labels:
            return labels
        swap = np.arange(256)
        swap[: len(self.flipped_labels)] = self.flipped_labels
        mirrored: NDArray[np.int64] = swap[labels]
        return mirrored


def nearest(source: int, target: int) -> NDArray[np.int64]:
    """Pixel of a side of ``source`` pixels under each of ``target``: ``floor(i * source / target)``."""
    return np.arange(target) * source // target


def blur_kernel(sigma: float) -> NDArray[np.float32]:
    """Weights (5, 5) ``exp(-(dx^2 + dy^2) / sigma^2)``, of sum 1."""
    offset = np.arange(_BLUR_SIDE) - _BLUR_SIDE // 2
    weights = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / sigma**2)
    kernel: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return kernel
