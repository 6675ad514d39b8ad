"""Batches of augmented crops. Step ``t`` always gets the same ones, whatever was computed before it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.errors import ConfigError, TrainingError
from spml_core.paper.context import Labels, PaperContext
from spml_core.paper.iterating import derived_seed
from spml_core.paper.presets import Optimisation
from spml_core.paper.region_stage import Regions
from spml_core.training.augmentation import Augmentation, Augmented


@dataclass(frozen=True)
class CropBatch:
    """Crops of one step.

    Attributes
    ----------
    rgb : Tensor, (B, 3, crop, crop) float32
        Normalised.
    labels : Tensor, (B, crop, crop) int64
        Label codes; padding is IGNORE.
    regions : Tensor, (B, crop, crop) int64
    tags : Tensor, (B, K) bool
        Classes of the whole pictures.
    """

    rgb: Tensor
    labels: Tensor
    regions: Tensor
    tags: Tensor

    def to(self, device: torch.device) -> CropBatch:
        """The same on a device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items()})


class CropSource(Protocol):
    """Gives the crops that a network learns from."""

    def take(self, step: int) -> CropBatch:
        """Batch of a step (from 0)."""


class Batches:
    """Batches by number; the next one is prepared while the last is in use. Use in a ``with`` statement.

    Parameters
    ----------
    context : PaperContext
    labels : callable
        Label map of a training picture.
    name : str
        Of the stage: others draw other crops.
    optimisation : Optimisation
    augmentation : Augmentation
    regions : callable, optional
        Regions of a training picture.
    """

    def __init__(
        self,
        context: PaperContext,
        labels: Labels,
        name: str,
        optimisation: Optimisation,
        augmentation: Augmentation,
        regions: Regions | None = None,
    ) -> None:
        self._context = context
        self._labels = labels
        self._name = name
        self._optimisation = optimisation
        self._augmentation = augmentation
        self._regions = regions
        self._next: tuple[int, Future[CropBatch]] | None = None
        self._worker: ThreadPoolExecutor | None = None

    def __enter__(self) -> Batches:
        self._worker = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *trouble: object) -> None:
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
            self._worker = self._next = None

    def take(self, step: int) -> CropBatch:
        """Batch of a step (from 0)."""
        prepared, self._next = self._next, None
        batch = prepared[1].result() if prepared is not None and prepared[0] == step else self.make(step)
        if self._worker is not None and step + 1 < self._optimisation.iterations:
            self._next = step + 1, self._worker.submit(self.make, step + 1)
        return batch

    def make(self, step: int) -> CropBatch:
        """Make the batch of a step."""
        size = self._optimisation.batch
        crops, tags = zip(*(self._crop(step * size + slot) for slot in range(size)), strict=True)
        rgb, labels, regions = (
            torch.from_numpy(np.stack([getattr(crop, field) for crop in crops]))
            for field in ("rgb", "labels", "regions")
        )
        return CropBatch(rgb, labels, regions, torch.from_numpy(np.stack(tags)))

    def _crop(self, place: int) -> tuple[Augmented, NDArray[np.bool_]]:
        """The crop at a place in the endless line of pictures, and the classes that its picture is known to hold."""
        index = self.picture_at(place)
        picture = self._context.pictures[index]
        labels = self._labels(index)
        regions = None if self._regions is None else self._regions(index)
        rng = np.random.default_rng(derived_seed(self._context.seed, self._name, "crop", place))
        try:
            crop = self._augmentation(picture.rgb(), labels, regions, rng)
        except ConfigError as error:
            raise TrainingError(f"{picture.name}: {error.problem}", error.remedy) from error
        return crop, self._context.tags(index, labels)

    def picture_at(self, place: int) -> int:
        """Number of the picture at a place: every picture once, then every one again in another order."""
        count = len(self._context.pictures)
        epoch, rank = divmod(place, count)
        seed = derived_seed(self._context.seed, self._name, "order", epoch)
        return int(np.random.default_rng(seed).permutation(count)[rank])
