"""What a trained network promises to those who label pictures with it, however it was learned."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from spml_core.models.pyramid import Pyramid


class DenseNetwork(nn.Module, ABC):
    """From pictures of any size to an embedding and class scores, cell by cell of one grid.

    Attributes
    ----------
    pyramid : Pyramid
        Its grid over a picture, and the windows in which a large picture is looked at.
    """

    pyramid: Pyramid

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """K."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    @abstractmethod
    def dense_embedding(self, rgb: Tensor) -> Tensor:
        """Embeddings (N, D, h, w), of any length, of pictures (N, 3, H, W) in 0..255."""

    @abstractmethod
    def dense_logits(self, rgb: Tensor) -> Tensor:
        """Logits (N, K, h, w) of pictures (N, 3, H, W) in 0..255."""

    @abstractmethod
    def logits_of(self, embedding: Tensor) -> Tensor:
        """Logits (N, K, h, w) of what :meth:`dense_embedding` gave."""
