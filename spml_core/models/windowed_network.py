"""The paper's network over pictures of any size: in windows of the crop that it was trained on (METHODS.md 1.17)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from spml_core.models.dense import DenseNetwork
from spml_core.models.normalisation import normalise_rgb
from spml_core.models.paper_network import HeadName, PaperNetwork, build_paper_network
from spml_core.models.pspnet import PyramidHead
from spml_core.models.pyramid import Pyramid
from spml_core.models.resnet import DeepStem, Stem

_STRIDE = 4  # of the embedding
_ROUND = 8  # the network rounds the sides of what it sees up to multiples of this


@dataclass(frozen=True)
class PaperShape:
    """What has to be known to build a network that a file's tensors fit into.

    Attributes
    ----------
    head : {"deeplab", "psp"}
    depth : int
        Of the residual backbone.
    stem : {"deep", "torchvision"}
    width : float
        Factor on the backbone's channels.
    embedding_dim : int
        D.
    crop : int
        Side of the windows, in pixels.
    """

    head: HeadName
    depth: int
    stem: Stem
    width: float
    embedding_dim: int
    crop: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; ``PaperShape(**values)`` makes it anew."""
        return asdict(self)


class WindowedNetwork(DenseNetwork):
    """The paper's network as those see it who label pictures.

    A picture is padded at the bottom and on the right with the colour that is 0 to the network; the answers of windows
    that overlap are averaged, embeddings at unit length.

    Parameters
    ----------
    network : PaperNetwork
    crop : int
        Side of the crops it was trained on, in pixels; windows are as large, rounded up to a multiple of 8.
    """

    def __init__(self, network: PaperNetwork, crop: int) -> None:
        super().__init__()
        self.network = network
        self.crop = crop
        self.pyramid = Pyramid(scales=(1.0,), stride=_STRIDE)

    @classmethod
    def of_shape(cls, shape: PaperShape, num_classes: int) -> WindowedNetwork:
        """Network of random weights.

        Raises
        ------
        ConfigError
            If there is no such head or backbone.
        """
        network = build_paper_network(
            num_classes,
            head=shape.head,
            depth=shape.depth,
            stem=shape.stem,
            width=shape.width,
            embedding_dim=shape.embedding_dim,
        )
        return cls(network, shape.crop)

    @property
    def shape(self) -> PaperShape:
        """What :meth:`of_shape` needs to build its like."""
        backbone = self.network.backbone
        return PaperShape(
            "psp" if isinstance(self.network.embedding_head, PyramidHead) else "deeplab",
            backbone.depth,
            "deep" if isinstance(backbone.stem, DeepStem) else "torchvision",
            backbone.width,
            self.network.embedding_dim,
            self.crop,
        )

    @property
    def num_classes(self) -> int:
        """K."""
        return self.network.num_classes

    @torch.no_grad()
    def dense_embedding(self, rgb: Tensor) -> Tensor:
        """Embeddings (N, D, h, w), of unit length but where windows overlap, of pictures (N, 3, H, W) in 0..255."""
        return self._in_windows(lambda part: F.normalize(self.network.embedding(part), dim=1), rgb)

    @torch.no_grad()
    def dense_logits(self, rgb: Tensor) -> Tensor:
        """Logits (N, K, h, w) of pictures (N, 3, H, W) in 0..255."""
        return self._in_windows(lambda part: self.network.classify(self.network.embedding(part)), rgb)

    def logits_of(self, embedding: Tensor) -> Tensor:
        """Logits (N, K, h, w) of embeddings (N, D, h, w)."""
        return self.network.classify(embedding)

    def _in_windows(self, answer: Callable[[Tensor], Tensor], rgb: Tensor) -> Tensor:
        height, width = rgb.shape[-2:]
        side = math.ceil(self.crop / _ROUND) * _ROUND
        padded = [max(side, math.ceil(n / _ROUND) * _ROUND) for n in (height, width)]
        pixels = F.pad(normalise_rgb(rgb), (0, padded[1] - width, 0, padded[0] - height))
        total: Tensor | None = None
        count = pixels.new_zeros([n // _STRIDE for n in padded])
        for top, left in itertools.product(*(_starts(n, side) for n in padded)):
            seen = answer(pixels[..., top : top + side, left : left + side])
            if total is None:
                total = seen.new_zeros(*seen.shape[:2], *count.shape)
            rows, columns = (slice(start // _STRIDE, (start + side) // _STRIDE) for start in (top, left))
            total[..., rows, columns] += seen
            count[rows, columns] += 1
        assert total is not None  # there is one window at least
        grid = self.pyramid.grid(height, width)
        return (total / count)[..., : grid[0], : grid[1]]


def _starts(length: int, side: int) -> list[int]:
    """Where windows begin along a length, both multiples of 8: as few as cover it, spread evenly, at multiples of 8."""
    count = math.ceil(length / side)
    return [round(i * (length - side) / max(1, count - 1) / _ROUND) * _ROUND for i in range(count)]
