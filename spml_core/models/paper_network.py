"""The paper's network: dilated residual backbone, embedding head, softmax head (METHODS.md 1.2, 1.3, 1.13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from spml_core.errors import ConfigError
from spml_core.models.deeplab import DeepLabHead
from spml_core.models.heads import SoftmaxHead
from spml_core.models.precision import Precision, computing_in
from spml_core.models.pspnet import PyramidHead
from spml_core.models.resnet import ResNet, Stem
from spml_core.segments.location import Blur, color_features, location_features

HeadName = Literal["deeplab", "psp"]


class PaperNetwork(nn.Module):
    """From normalised pictures to an embedding at a quarter of their resolution, and on to class scores.

    The stem and the first stage never learn and take no gradient.

    Parameters
    ----------
    backbone : ResNet
    head : DeepLabHead or PyramidHead
        Embedding head; its ``dim`` is D.
    num_classes : int
        K.
    colors : {"gaussian", "reference"}, optional
        Blur of the colours that :meth:`local_features` appends to location; without, there are none.
    dropout : float
        Of the softmax head.
    freeze_bn_stats : bool
        Whether batch norms of the frozen stages keep their statistics; in the published training they moved.
    sync_bn : bool
        Whether batch norms share their statistics between processes.
    precision : {"float32", "bfloat16", "auto"}
        In which backbone and embedding head are computed; see :func:`compute_dtype`.

    References
    ----------
    SPML, implementation details; METHODS.md 1.3, 1.13.
    """

    def __init__(
        self,
        backbone: ResNet,
        head: DeepLabHead | PyramidHead,
        num_classes: int,
        *,
        colors: Blur | None = None,
        dropout: float = 0.75,
        freeze_bn_stats: bool = False,
        sync_bn: bool = False,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.embedding_head = head
        self.softmax_head = SoftmaxHead(head.dim, num_classes, dropout=dropout)
        self.num_classes = num_classes
        self.colors = colors
        self.freeze_bn_stats = freeze_bn_stats
        self.precision: Precision = precision
        for stage in self.frozen_stages():
            stage.requires_grad_(False)
        if sync_bn:
            nn.SyncBatchNorm.convert_sync_batchnorm(self)  # type: ignore[no-untyped-call]
        self.to(memory_format=torch.channels_last)

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.embedding_head.dim

    def frozen_stages(self) -> Iterator[nn.Module]:
        """The parts that never learn: stem and first stage."""
        yield self.backbone.stem
        yield self.backbone.layer1

    def train(self, mode: bool = True) -> PaperNetwork:
        """Go to training mode, or leave it; see ``freeze_bn_stats``."""
        super().train(mode)
        if self.freeze_bn_stats:
            for stage in self.frozen_stages():
                stage.eval()
        return self

    def embedding(self, rgb: Tensor) -> Tensor:
        """Embeddings (N, D, H / 4, W / 4) float32, of any length, of normalised pictures (N, 3, H, W).

        Sides that aren't multiples of 8 are rounded up to them.
        """
        pixels = rgb.contiguous(memory_format=torch.channels_last)
        with computing_in(self.precision, rgb.device):
            embeddings: Tensor = self.embedding_head(self.backbone(pixels)[-1])
        return embeddings.float()

    def classify(self, embeddings: Tensor) -> Tensor:
        """Logits (N, K, h, w) of embeddings (N, D, h, w), which the logits' gradient never reaches."""
        logits: Tensor = self.softmax_head(embeddings)
        return logits

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings and logits of normalised pictures."""
        embeddings = self.embedding(rgb)
        return embeddings, self.classify(embeddings)

    def local_features(self, rgb: Tensor, height: int, width: int) -> Tensor:
        """Location, and colour where ``colors`` says so, on an embedding grid of ``height`` x ``width``.

        Parameters
        ----------
        rgb : Tensor, (3, H, W)
            One normalised picture.
        height, width : int

        Returns
        -------
        Tensor, (height * width, 2 or 5)
            See :func:`location_features` and :func:`color_features`.
        """
        where = location_features(height, width).to(rgb.device)
        if self.colors is None:
            return where
        return torch.cat([where, color_features(rgb, height, width, blur=self.colors)], dim=1)


def build_paper_network(
    num_classes: int,
    *,
    head: HeadName = "deeplab",
    depth: int = 101,
    stem: Stem = "deep",
    width: float = 1.0,
    embedding_dim: int | None = None,
    colors: Blur | None = None,
    dropout: float = 0.75,
    freeze_bn_stats: bool = False,
    sync_bn: bool = False,
    precision: Precision = "float32",
) -> PaperNetwork:
    """Network of random weights by the names of its parts; see :class:`PaperNetwork` and :class:`ResNet`.

    ``embedding_dim`` is by default the paper's: 64 with ``"deeplab"``, 32 with ``"psp"``.

    Raises
    ------
    ConfigError
        If there is no such head or backbone.
    """
    if head not in ("deeplab", "psp"):
        raise ConfigError(f"Unknown embedding head {head!r}.", "Use deeplab or psp.")
    backbone = ResNet(depth, stem=stem, width=width)
    channels = backbone.channels[-1]
    made: DeepLabHead | PyramidHead
    if head == "deeplab":
        made = DeepLabHead(channels, embedding_dim or 64)
    else:
        made = PyramidHead(channels, embedding_dim or 32)
    return PaperNetwork(
        backbone,
        made,
        num_classes,
        colors=colors,
        dropout=dropout,
        freeze_bn_stats=freeze_bn_stats,
        sync_bn=sync_bn,
        precision=precision,
    )
