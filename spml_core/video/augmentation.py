"""Pictures, label maps, probabilities and flows changed together, alike in all frames of a clip (METHODS.md 7.4).

A mirror negates a flow's x component and scaling multiplies its values; then warping an augmented frame along an
augmented flow gives the augmented warped frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from spml_core.classes import IGNORE
from spml_core.errors import ConfigError
from spml_core.models.normalisation import IMAGENET_MEAN
from spml_core.video.warp import Flow, Mask, resize_flow

_MEAN_COLOR = np.array([round(255 * mean) for mean in IMAGENET_MEAN], np.uint8)  # about 0 after normalisation

_Array = TypeVar("_Array", bound=np.generic)
_Code = TypeVar("_Code", bound=np.integer[Any])


@dataclass(frozen=True)
class ClipTransform:
    """One way to mirror, scale, pad and crop, in this order, for everything that belongs to a clip.

    Attributes
    ----------
    size : (int, int)
        Height and width of the frames it is for.
    flip : bool
        Left and right swapped.
    scaled : (int, int)
        Height and width after scaling.
    corner : (int, int)
        Row and column of the scaled frame where the crop begins.
    crop : (int, int)
        Height and width of the crop. What of it is beyond the scaled frame is padding.
    flipped_labels : tuple of int
        Label of each class in the mirror, where left and right are different classes; empty where none are.
    """

    size: tuple[int, int]
    flip: bool
    scaled: tuple[int, int]
    corner: tuple[int, int]
    crop: tuple[int, int]
    flipped_labels: tuple[int, ...] = ()

    def on_cells(self, stride: int) -> ClipTransform:
        """The same for maps of cells of ``stride`` x ``stride`` pixels; all sizes have to be multiples of it."""
        top, left = self.corner
        height, width = self.size
        rows, columns = self.scaled
        return ClipTransform(
            (height // stride, width // stride),
            self.flip,
            (rows // stride, columns // stride),
            (top // stride, left // stride),
            (self.crop[0] // stride, self.crop[1] // stride),
            self.flipped_labels,
        )

    def picture(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame (H, W, 3) uint8, scaled bilinearly (by area when it shrinks); padding has ImageNet's mean colour."""
        return self._cropped(self._scaled(self._flipped(rgb)), _MEAN_COLOR)

    def labels(self, labels: NDArray[_Code]) -> NDArray[_Code]:
        """A label map (H, W) of codes 0..255, scaled to the nearest pixel; padding is IGNORE."""
        mirrored = self._flipped(labels)
        if self.flip and self.flipped_labels:
            swap = np.arange(max(256, int(labels.max()) + 1))
            swap[: len(self.flipped_labels)] = self.flipped_labels
            mirrored = swap[mirrored].astype(labels.dtype)
        return self._cropped(self._nearest(mirrored), labels.dtype.type(IGNORE))

    def probabilities(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (H, W, K) float32, scaled bilinearly (by area when they shrink); padding is 0."""
        mirrored = self._flipped(probabilities)
        if self.flip and self.flipped_labels:
            swap = np.arange(mirrored.shape[2])
            swap[: len(self.flipped_labels)] = self.flipped_labels
            mirrored = mirrored[
                ..., swap
            ]  # the mirror's class c shows what its partner was; the swap undoes itself
        return self._cropped(self._scaled(mirrored), np.float32(0))

    def flow(self, flow: Flow) -> Flow:
        """A flow (H, W, 2) float32 between two frames of the clip; padding doesn't move."""
        mirrored = self._flipped(flow)
        if self.flip:
            mirrored = mirrored * np.array([-1, 1], np.float32)
        return self._cropped(resize_flow(mirrored, self.scaled), np.float32(0))

    def valid(self, valid: Mask) -> Mask:
        """A validity mask (H, W) bool, to the nearest pixel; padding isn't valid.

        AND it with :func:`spml_core.video.warp.inside` of the changed flow: the crop cuts some ways off.
        """
        return self._cropped(self._nearest(self._flipped(valid).astype(np.uint8)), np.uint8(0)) > 0

    def _flipped(self, array: NDArray[_Array]) -> NDArray[_Array]:
        if array.shape[:2] != self.size:
            raise ConfigError(
                f"A map of shape {array.shape} came to an augmentation of frames {self.size}.",
                "Give the frames of a clip, and their maps, in one size.",
            )
        return array[:, ::-1] if self.flip else array

    def _scaled(self, array: NDArray[_Array]) -> NDArray[_Array]:
        if self.scaled == self.size:
            return array
        shrinks = self.scaled[0] < self.size[0]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        scaled = cv2.resize(np.ascontiguousarray(array), self.scaled[::-1], interpolation=method)
        return np.asarray(scaled, array.dtype).reshape(*self.scaled, *array.shape[2:])

    def _nearest(self, array: NDArray[_Array]) -> NDArray[_Array]:
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.intp)
            for old, new in zip(self.size, self.scaled, strict=True)
        )
        return array[rows[:, None], columns]

    def _cropped(self, array: NDArray[_Array], padding: Any) -> NDArray[_Array]:
        (top, left), (height, width) = self.corner, self.crop
        whole = np.empty((height, width, *array.shape[2:]), array.dtype)
        whole[:] = padding
        part = array[top : top + height, left : left + width]
        whole[: part.shape[0], : part.shape[1]] = part
        return whole


@dataclass(frozen=True)
class ClipAugmentation:
    """Draws one :class:`ClipTransform` for a whole clip.

    Attributes
    ----------
    crop : (int, int)
        Height and width of what a network gets.
    scales : (float, float)
        Ends of the uniform distribution of the scale.
    flip : float
        Probability of the mirror.
    flipped_labels : tuple of int
        See :class:`ClipTransform`.

    Raises
    ------
    ConfigError
        If a value is out of its range, or ``flipped_labels`` isn't a permutation that undoes itself.
    """

    crop: tuple[int, int]
    scales: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    flipped_labels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.crop) < 1 or not 0 <= self.flip <= 1 or not 0 < self.scales[0] <= self.scales[1]:
            raise ConfigError(
                f"A clip's augmentation has crop {self.crop}, scales {self.scales} and mirror {self.flip}.",
                "Use a crop of 1 or more, scales above 0 in order, and a probability of 0..1.",
            )
        swap = self.flipped_labels
        if any(not 0 <= s < len(swap) or swap[s] != i for i, s in enumerate(swap)):
            raise ConfigError(
                f"The mirrored labels {swap} don't swap pairs.", "Give each class the label it has mirrored."
            )

    def draw(self, size: tuple[int, int], rng: np.random.Generator, multiple: int = 1) -> ClipTransform:
        """Draw how a clip of frames of this height and width is changed; the same state gives the same.

        The scaled size and the corner are multiples of ``multiple``, for :meth:`ClipTransform.on_cells`.
        """
        flips = bool(rng.random() < self.flip)
        scale = float(rng.uniform(*self.scales))
        place = rng.random(2)
        height, width = (max(1, round(side * scale / multiple)) * multiple for side in size)
        top, left = (
            int(at * (max(0, side - crop) // multiple + 1)) * multiple
            for at, side, crop in zip(place, (height, width), self.crop, strict=True)
        )
        return ClipTransform(size, flips, (height, width), (top, left), self.crop, self.flipped_labels)
