"""Where a step's pixels come from: the feature cache, or fresh crops through the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork, rgb_tensor
from spml_core.segments import oversegment
from spml_core.training.samples import PictureSample, cell_labels
from spml_core.training.training_set import TrainingPicture


@dataclass(frozen=True)
class BatchPicture:
    """One picture's part in a step.

    Attributes
    ----------
    features : Tensor, (n, C) float32
        Standardised; with gradient where the backbone learns.
    positions : Tensor, (n, 2) int64
    grid : tuple of int
    labels, regions : Tensor, (n,) int64
    tags : Tensor, (K,) bool
    """

    features: Tensor
    positions: Tensor
    grid: tuple[int, int]
    labels: Tensor
    regions: Tensor
    tags: Tensor


class PixelSource(Protocol):
    """Gives the pictures of a step."""

    def batch(self, rng: np.random.Generator) -> list[BatchPicture]:
        """The next step's pictures; the same generator state gives the same ones."""


def _deal(marked: int, unmarked: int, batch: int, rng: np.random.Generator) -> list[int]:
    """Numbers of a step's pictures: two thirds marked (numbered first), the rest unmarked."""
    take = min(marked, batch if unmarked == 0 else max(1, round(batch * 2 / 3)))
    rest = min(unmarked, batch - take)
    chosen = [rng.permutation(marked)[:take], marked + rng.permutation(unmarked)[:rest]]
    return [int(i) for i in np.concatenate(chosen)]


class CachedPixels:
    """Pixels from the feature cache.

    Parameters
    ----------
    network : SegmentationNetwork
    samples : sequence of PictureSample
        Marked pictures first.
    num_marked : int
    config : TrainConfig
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        samples: Sequence[PictureSample],
        num_marked: int,
        config: TrainConfig,
    ) -> None:
        self._network = network
        self._samples = samples
        self._counts = (num_marked, len(samples) - num_marked)
        self._config = config

    def batch(self, rng: np.random.Generator) -> list[BatchPicture]:
        """See :class:`PixelSource`. Of each picture at most half the cells are marked ones."""
        return [self._take(self._samples[i], rng) for i in _deal(*self._counts, self._config.batch, rng)]

    def _take(self, sample: PictureSample, rng: np.random.Generator) -> BatchPicture:
        device = self._network.mean.device
        labelled = (sample.labels < self._network.num_classes).numpy()
        marked = rng.permutation(np.nonzero(labelled)[0])[: self._config.samples // 2]
        other = rng.permutation(np.nonzero(~labelled)[0])[: self._config.samples - len(marked)]
        rows = torch.from_numpy(np.sort(np.concatenate([marked, other])))
        features = self._network.standardise(sample.features[rows].to(device).float())
        return BatchPicture(
            features,
            sample.positions[rows].to(device),
            sample.grid,
            sample.labels[rows].to(device),
            sample.regions[rows].to(device),
            sample.tags.to(device),
        )


class CropPixels:
    """Pixels of augmented crops, sent through the backbone with gradient.

    A crop is flipped with probability 1/2, scaled by U(0.75, 1.33), and its brightness and contrast vary a little. It
    lies around a labelled pixel where there is one. Without the pseudo labels of the feature cache the backbone would
    learn from the marks alone, and forget what the second stage taught.

    Parameters
    ----------
    network : SegmentationNetwork
    pictures : sequence of TrainingPicture
        Marked pictures first.
    samples : sequence of PictureSample
        The same pictures' sampled cells with their pseudo labels.
    num_marked : int
    config : TrainConfig
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        pictures: Sequence[TrainingPicture],
        samples: Sequence[PictureSample],
        num_marked: int,
        config: TrainConfig,
    ) -> None:
        self._network = network
        self._pictures = list(zip(pictures, samples, strict=True))
        self._counts = (num_marked, len(pictures) - num_marked)
        self._config = config

    def batch(self, rng: np.random.Generator) -> list[BatchPicture]:
        """See :class:`PixelSource`."""
        return [self._take(*self._pictures[i], rng) for i in _deal(*self._counts, self._config.batch, rng)]

    def _take(
        self, picture: TrainingPicture, sample: PictureSample, rng: np.random.Generator
    ) -> BatchPicture:
        network, device = self._network, self._network.mean.device
        rgb = picture.rgb()
        labels = (
            np.full(rgb.shape[:2], network.num_classes, np.uint8)
            if picture.labels is None
            else picture.labels()
        )
        labels = with_pseudo_labels(labels, sample, network.pyramid.stride, network.num_classes)
        rgb, labels = augmented_crop(rgb, labels, self._config.crop, network.num_classes, rng)
        stride = network.pyramid.stride
        codes = cell_labels(labels, stride, network.num_classes)
        middle = np.ix_(*(np.minimum(np.arange(n) * stride + stride // 2, size - 1)
                          for n, size in zip(codes.shape, labels.shape, strict=True)))  # fmt: skip
        regions = oversegment(rgb, self._config.regions[(len(self._config.regions) - 1) // 2])[middle]
        flat = codes.reshape(-1)
        known = rng.permutation(np.nonzero(flat < network.num_classes)[0])[: self._config.samples // 2]
        other = rng.permutation(np.nonzero(flat == network.num_classes)[0])
        rows = np.sort(np.concatenate([known, other[: self._config.samples - len(known)]]))
        y, x = np.divmod(rows, codes.shape[1])
        # The backbone's convolutions gain from half precision on a GPU; everything after it stays exact.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            maps = network.features(rgb_tensor(rgb).to(device))
        features = maps[0].permute(1, 2, 0).float()
        return BatchPicture(
            network.standardise(features[torch.from_numpy(y), torch.from_numpy(x)]),
            torch.from_numpy(np.stack([y, x], 1)).to(device),
            (codes.shape[0], codes.shape[1]),
            torch.from_numpy(flat[rows]).to(device),
            torch.from_numpy(regions.reshape(-1)[rows].astype(np.int64)).to(device),
            torch.from_numpy(picture.tags.copy()).to(device),
        )


def with_pseudo_labels(
    labels: NDArray[np.uint8], sample: PictureSample, stride: int, num_classes: int
) -> NDArray[np.uint8]:
    """Label map (H, W) in which each labelled cell of the sample fills its unlabelled pixels."""
    known = sample.labels < num_classes
    cells = np.full(sample.grid, num_classes, np.uint8)
    rows, columns = sample.positions[known].numpy().T
    cells[rows, columns] = sample.labels[known].numpy().astype(np.uint8)
    dense = cells.repeat(stride, 0).repeat(stride, 1)[: labels.shape[0], : labels.shape[1]]
    return np.where(labels == num_classes, dense, labels)


def augmented_crop(
    rgb: NDArray[np.uint8], labels: NDArray[np.uint8], side: int, num_classes: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Flipped, scaled, recoloured crop of a picture (H, W, 3) and its labels (H, W).

    Returns
    -------
    rgb : ndarray, (h, w, 3) uint8
        ``side`` or less each way, less only where the scaled picture is smaller.
    labels : ndarray, (h, w) uint8
    """
    scale = rng.uniform(0.75, 1.33)
    if rng.random() < 0.5:
        rgb, labels = rgb[:, ::-1], labels[:, ::-1]
    height, width = labels.shape
    taken = max(16, round(side / scale))
    y, x = np.nonzero(labels < num_classes)
    pick = int(rng.integers(len(y))) if len(y) else -1
    center = (
        (int(y[pick]), int(x[pick])) if pick >= 0 else (int(rng.integers(height)), int(rng.integers(width)))
    )
    top = int(np.clip(center[0] - rng.integers(taken), 0, max(0, height - taken)))
    left = int(np.clip(center[1] - rng.integers(taken), 0, max(0, width - taken)))
    part = (slice(top, top + taken), slice(left, left + taken))
    cut, known = np.ascontiguousarray(rgb[part]), np.ascontiguousarray(labels[part])
    size = (max(16, round(cut.shape[1] * scale)), max(16, round(cut.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(cut, size, interpolation=interpolation).astype(np.float32)
    codes = cv2.resize(known, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    gain, offset = rng.uniform(0.8, 1.25), rng.uniform(-16, 16)
    mean = pixels.mean()
    return np.clip((pixels - mean) * gain + mean + offset, 0, 255).astype(np.uint8), codes
