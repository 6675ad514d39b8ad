"""The network that is learned: backbone, standardised pyramid, linear embedding, softmax head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spml_core.errors import ConfigError
from spml_core.models.backbone import Backbone
from spml_core.models.dense import DenseNetwork
from spml_core.models.pyramid import Pyramid


class SegmentationNetwork(DenseNetwork):
    """From pixels to an embedding and class scores, cell by cell of the pyramid's grid.

    The embedding is linear in the standardised features. It starts from the directions that a logistic regression finds
    (:meth:`start_from`), so training refines a good solution instead of searching for one (docs/benchmarks.md).

    Parameters
    ----------
    backbone : Backbone
    pyramid : Pyramid
    embedding_dim : int
        D; at least the number of classes.
    num_classes : int
        K.
    stop_gradient : bool
        Whether the head is kept from moving the embedding (METHODS.md 1.13).

    Raises
    ------
    ConfigError
        If D is smaller than K.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        backbone: Backbone,
        pyramid: Pyramid,
        embedding_dim: int,
        num_classes: int,
        *,
        stop_gradient: bool = False,
    ) -> None:
        super().__init__()
        if embedding_dim < num_classes:
            raise ConfigError(
                f"An embedding of {embedding_dim} dimensions is too small for {num_classes} classes.",
                "Use at least as many dimensions as classes.",
            )
        self.backbone = backbone
        self.pyramid = pyramid
        self.stop_gradient = stop_gradient
        channels = pyramid.channels(backbone)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.embedding = nn.Linear(channels, embedding_dim)
        self.head = nn.Linear(embedding_dim, num_classes)

    @property
    def num_classes(self) -> int:
        """K."""
        return self.head.out_features

    def features(self, rgb: Tensor) -> Tensor:
        """Pyramid features (N, C, h, w) of pictures (N, 3, H, W) in 0..255, not yet standardised."""
        return self.pyramid.features(self.backbone, rgb)

    def embed(self, features: Tensor) -> Tensor:
        """Embeddings (..., D) of standardised features (..., C); they may have any length."""
        embeddings: Tensor = self.embedding(features)
        return embeddings

    def classify(self, embeddings: Tensor) -> Tensor:
        """Logits (..., K) of embeddings (..., D)."""
        logits: Tensor = self.head(embeddings.detach() if self.stop_gradient else embeddings)
        return logits

    def logits_of(self, embedding: Tensor) -> Tensor:
        """Logits (N, K, h, w) of embeddings (N, D, h, w)."""
        return self.classify(embedding.movedim(1, -1)).movedim(-1, 1)

    @torch.no_grad()
    def dense_embedding(self, rgb: Tensor) -> Tensor:
        """Embeddings (N, D, h, w) of pictures (N, 3, H, W)."""
        weight = self.embedding.weight / self.scale
        bias = self.embedding.bias - weight @ self.mean
        return self.pyramid.project(self.backbone, rgb, weight, bias)

    @torch.no_grad()
    def dense_logits(self, rgb: Tensor) -> Tensor:
        """Logits (N, K, h, w) of pictures (N, 3, H, W), embedding and head taken together as one linear map."""
        weight = self.head.weight @ self.embedding.weight
        bias = self.head.weight @ self.embedding.bias + self.head.bias
        weight = weight / self.scale
        bias = bias - weight @ self.mean
        return self.pyramid.project(self.backbone, rgb, weight, bias)

    def standardise(self, features: Tensor) -> Tensor:
        """Features (..., C) with the mean and scale that :meth:`learn_scale` found taken out."""
        return (features - self.mean) / self.scale

    @torch.no_grad()
    def learn_scale(self, features: Tensor) -> None:
        """Take mean and scale from features (n, C)."""
        self.mean.copy_(features.mean(0))
        self.scale.copy_(features.std(0).clamp_min(1e-4) if len(features) > 1 else torch.ones_like(self.mean))

    @torch.no_grad()
    def start_from(self, weight: Tensor, bias: Tensor, directions: Tensor) -> None:
        """Let embedding and head reproduce a linear classifier on standardised features.

        Parameters
        ----------
        weight : Tensor, (K, C)
        bias : Tensor, (K,)
        directions : Tensor, (D - K, C)
            What the other dimensions look at, for instance principal directions.
        """
        count = self.num_classes
        self.embedding.weight.copy_(torch.cat([weight, directions]))
        self.embedding.bias.zero_()
        self.embedding.bias[:count] = bias
        self.head.weight.zero_()
        self.head.weight[:, :count] = torch.eye(count)
        self.head.bias.zero_()
