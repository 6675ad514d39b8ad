"""A frozen teacher goes through films in order; a student whose backbone learns follows it on crops of a few frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spml_core.config import TrainConfig
from spml_core.models import SegmentationNetwork, rgb_tensor
from spml_core.training.cache import FeatureCache
from spml_core.training.samples import cell_labels
from spml_core.training.sources import with_pseudo_labels
from spml_core.video.augmentation import ClipAugmentation, ClipTransform
from spml_core.video.clip_batch import ClipBatch, clip_losses
from spml_core.video.clip_flows import ClipFlows
from spml_core.video.probability_memory import ProbabilityMemory
from spml_core.video.warp import inside
from spml_core.video.weclick import Neighbor, memory_flow

_SCALES = (0.75, 1.33)

_Map = tuple[NDArray[np.float16], NDArray[np.float16]]
"""Probabilities (h, w, K) and how far they count (h, w), 0..1."""


@dataclass(frozen=True)
class TaughtFrame:
    """What the teacher and the frames before it say about a frame.

    Attributes
    ----------
    flows : ClipFlows
        Of the clip that it belongs to.
    number : int
        Of the frame in that clip.
    own : ndarray, (h, w, K) float16
        The teacher's probabilities.
    memory : tuple of (ndarray (h, w, K), ndarray (h, w)), both float16
        M_k and where there is any, or each earlier frame's probabilities and validity (METHODS.md 7.2).
    """

    flows: ClipFlows
    number: int
    own: NDArray[np.float16]
    memory: tuple[_Map, ...]

    @property
    def beside(self) -> list[int]:
        """The previous and the next frame's numbers, as far as the flow leads there."""
        near = self.flows.neighbors(self.number)
        return [n for n in (self.number - 1, self.number + 1) if n in near]


def taught_frames(
    teacher: SegmentationNetwork, flows: Sequence[ClipFlows], config: TrainConfig
) -> Iterator[TaughtFrame]:
    """Go through clips in order, each frame once; the last n - 1 probability maps are remembered."""
    for clip_flows in flows:
        memory = ProbabilityMemory(config.video_frames)
        for number, picture in enumerate(clip_flows.clip.frames):
            if number - 1 not in clip_flows.neighbors(number):
                memory.clear()  # a scene cut or a gap
            own = probability_map(teacher, picture.rgb())
            neighbors = []
            for earlier, kept in memory.before(number):
                if (number, earlier) in clip_flows.pairs:
                    grid = (own.shape[2], own.shape[3])
                    flow, validity = clip_flows.on_grid(number, earlier, grid)
                    neighbors.append(Neighbor(kept, _batch(flow), _batch(validity)))
            memory.push(number, own)
            yield TaughtFrame(clip_flows, number, _kept(own), _memories(neighbors, config.memory_form))


def _memories(neighbors: list[Neighbor], form: str) -> tuple[_Map, ...]:
    if not neighbors:
        return ()
    if form == "fused":
        fused, seen = memory_flow(neighbors)
        return ((_kept(fused), seen[0].numpy().astype(np.float16)),)
    return tuple((_kept(n.memory()), n.validity[0, 0].numpy().astype(np.float16)) for n in neighbors)


@torch.no_grad()
def probability_map(network: SegmentationNetwork, rgb: NDArray[np.uint8]) -> Tensor:
    """A network's probabilities (1, K, h, w) of a picture (H, W, 3) of any size, on the CPU."""
    pyramid = network.pyramid
    whole = torch.zeros(1, network.num_classes, *pyramid.grid(*rgb.shape[:2]))
    for window in pyramid.windows(*rgb.shape[:2]):
        top, left, height, width = window.outer
        pixels = rgb_tensor(rgb[top : top + height, left : left + width]).to(network.device)
        rows, columns = _cells(window.inside, pyramid.stride)
        found = torch.softmax(network.dense_logits(pixels)[:, :, rows, columns], 1)
        rows, columns = _cells(window.slices, pyramid.stride)
        whole[:, :, rows, columns] = found.cpu()
    return whole


def _cells(where: tuple[slice, slice], stride: int) -> tuple[slice, slice]:
    rows, columns = (slice(s.start // stride, -(-s.stop // stride)) for s in where)
    return rows, columns


@dataclass(frozen=True)
class ClipLessons:
    """Draws frames of films with those beside them.

    Attributes
    ----------
    teacher : SegmentationNetwork
        Frozen.
    frames : tuple of TaughtFrame
    """

    teacher: SegmentationNetwork
    frames: tuple[TaughtFrame, ...]

    def terms(
        self, network: SegmentationNetwork, cache: FeatureCache, config: TrainConfig, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Loss terms of a frame by lot, unweighted; see :func:`clip_losses`."""
        frame = self.frames[int(rng.integers(len(self.frames)))]
        return clip_losses(network, self.teacher, clip_batch(frame, network, cache, config, rng), config)


def clip_batch(
    frame: TaughtFrame,
    network: SegmentationNetwork,
    cache: FeatureCache,
    config: TrainConfig,
    rng: np.random.Generator,
) -> ClipBatch:
    """A frame and those beside it, mirrored, scaled and cropped alike with all that is known of them.

    Parameters
    ----------
    frame : TaughtFrame
    network : SegmentationNetwork
        Gives stride, classes and device.
    cache : FeatureCache
        Marks and pseudo labels of the frame, where it was read.
    config : TrainConfig
    rng : Generator
    """
    stride, device = network.pyramid.stride, network.device
    rows, columns = (side // stride for side in frame.flows.size)
    # The smallest scale fills the crop: padding would teach nothing.
    crop = tuple(max(1, min(config.crop // stride, int(_SCALES[0] * n))) * stride for n in (rows, columns))
    pixels = ClipAugmentation((crop[0], crop[1]), _SCALES).draw(
        (rows * stride, columns * stride), rng, stride
    )
    cells = pixels.on_cells(stride)
    numbers = [frame.number, *frame.beside] if config.learns_steadiness else [frame.number]
    images = [_pixels(frame, n, pixels) for n in numbers]
    grid = (frame.own.shape[0], frame.own.shape[1])
    flows, validity = [], []
    for other in numbers[1:]:
        flow, trust = frame.flows.on_grid(frame.number, other, grid)
        moved = cells.flow(flow[:rows, :columns])
        flows.append(_batch(moved))
        validity.append(_batch(_cut(trust, cells)[..., 0] * inside(moved)))
    height, width = cells.crop
    still = torch.zeros(1, 2, height, width, device=device)
    memory = tuple(
        Neighbor(_batch(_cut(maps, cells)).to(device), still, _batch(_cut(weight, cells)).to(device))
        for maps, weight in frame.memory
    )
    return ClipBatch(
        torch.cat([rgb_tensor(image) for image in images]).to(device),
        torch.from_numpy(_labels(frame, network, cache, pixels))[None].to(device),
        _batch(_cut(frame.own, cells)).to(device),
        memory,
        torch.cat([*flows, torch.zeros(0, 2, height, width)]).to(device),
        torch.cat([*validity, torch.zeros(0, 1, height, width)]).to(device),
    )


def _pixels(frame: TaughtFrame, number: int, transform: ClipTransform) -> NDArray[np.uint8]:
    height, width = transform.size
    return transform.picture(frame.flows.clip.frames[number].rgb()[:height, :width])


def _labels(
    frame: TaughtFrame, network: SegmentationNetwork, cache: FeatureCache, transform: ClipTransform
) -> NDArray[np.int64]:
    height, width = transform.size
    stride, classes = network.pyramid.stride, network.num_classes
    labels = np.full((height, width), classes, np.uint8)
    place = cache.place(frame.flows.clip.frames[frame.number].name)
    if place < len(cache):
        cached = cache.in_order[place]
        if cached.picture.labels is not None:
            labels = cached.picture.labels()[:height, :width]
        labels = with_pseudo_labels(labels, cached.taught, stride, classes)
    return cell_labels(transform.labels(labels), stride, classes)


def _cut(maps: NDArray[Any], transform: ClipTransform) -> NDArray[np.float32]:
    rows, columns = transform.size
    return transform.probabilities(maps[:rows, :columns].astype(np.float32).reshape(rows, columns, -1))


def _kept(maps: Tensor) -> NDArray[np.float16]:
    kept: NDArray[np.float16] = maps[0].permute(1, 2, 0).half().numpy()
    return kept


def _batch(maps: NDArray[np.float32]) -> Tensor:
    """A map (h, w[, C]) as a batch of one, (1, C, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(maps).transpose(2, 0, 1)))[None]
