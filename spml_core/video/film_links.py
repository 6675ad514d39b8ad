"""Which sampled cell of a frame shows what a cell of its neighbour shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from spml_core.training.cache import FeatureCache
from spml_core.training.samples import PictureSample
from spml_core.video.clip_flows import ClipFlows

_REACH = 1.5  # cells that a sampled cell may lie beside the flow's end
_NEXT = 1  # place of the nearest neighbour that a frame is compared with


@dataclass(frozen=True)
class Link:
    """From the sampled cells of a frame to those of a neighbour.

    Attributes
    ----------
    other : int
        Place of the neighbour in the cache.
    rows : Tensor, (n,) int64
        Its sampled cell nearest to where the flow leads from each cell of the frame.
    validity : Tensor, (n,) float32
        V, in 0..1; 0 where no sampled cell is near.
    """

    other: int
    rows: Tensor
    validity: Tensor


@dataclass(frozen=True)
class FilmFrame:
    """A frame in the cache and its neighbours.

    Attributes
    ----------
    place : int
        In the cache.
    links : tuple of Link
    previous, next : int or None
        Places of the frames before and after it, where the flow leads there.
    """

    place: int
    links: tuple[Link, ...]
    previous: int | None
    next: int | None


def link_frames(cache: FeatureCache, flows: Sequence[ClipFlows], stride: int) -> list[FilmFrame]:
    """Frames of clips as far as they are in the cache, linked where they are seen to show the same.

    Parameters
    ----------
    cache : FeatureCache
    flows : sequence of ClipFlows
    stride : int
        Pixels per feature cell.
    """
    places = {name: place for place, name in enumerate(cache.names)}
    trees: dict[int, cKDTree] = {}
    found: list[FilmFrame] = []
    for clip_flows in flows:
        names = [frame.name for frame in clip_flows.clip.frames]
        for number, name in enumerate(names):
            if name not in places:
                continue
            near = {b: places[names[b]] for b in clip_flows.neighbors(number) if names[b] in places}
            sample = cache.in_order[places[name]].sample
            links = []
            for b, other in near.items():
                if other not in trees:
                    trees[other] = cKDTree(cache.in_order[other].sample.positions.numpy())
                links.append(_link(sample, other, trees[other], clip_flows, (number, b), stride))
            found.append(FilmFrame(places[name], tuple(links), near.get(number - 1), near.get(number + 1)))
    return found


def _link(
    sample: PictureSample, other: int, tree: cKDTree, flows: ClipFlows, pair: tuple[int, int], stride: int
) -> Link:
    middles = (sample.positions.numpy().astype(np.float32) + 0.5) * stride - 0.5
    ends, validity = flows.follow(*pair, middles)
    distance, rows = tree.query((ends + 0.5) / stride - 0.5)
    trusted = np.where(distance <= _REACH, validity, 0).astype(np.float32)
    return Link(other, torch.from_numpy(rows.astype(np.int64)), torch.from_numpy(trusted))
