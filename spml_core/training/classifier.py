"""The linear classifier that embedding and head are together, taken out of a network and put into it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spml_core.models import SegmentationNetwork


@dataclass(frozen=True)
class LinearClassifier:
    """Logits ``features @ weight.T + bias``.

    Attributes
    ----------
    weight : Tensor, (K, C)
    bias : Tensor, (K,)
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, network: SegmentationNetwork) -> LinearClassifier:
        """What a network computes from standardised features."""
        head, embedding = network.head, network.embedding
        return cls(head.weight @ embedding.weight, head.weight @ embedding.bias + head.bias)

    @torch.no_grad()
    def on_raw(self, mean: Tensor, scale: Tensor) -> LinearClassifier:
        """The same function of features (..., C) that aren't standardised yet."""
        weight = self.weight / scale
        return LinearClassifier(weight, self.bias - weight @ mean)

    @torch.no_grad()
    def on_standardised(self, mean: Tensor, scale: Tensor) -> LinearClassifier:
        """The inverse of :meth:`on_raw`."""
        return LinearClassifier(self.weight * scale, self.bias + self.weight @ mean)

    @torch.no_grad()
    def put_into(self, network: SegmentationNetwork) -> None:
        """Let a network compute this from standardised features, its embedding moved as little as possible.

        ``H (E + pinv(H) (W - H E)) = W`` for a head ``H`` (K, D) of full rank: of all embeddings that give the
        classifier ``W`` with that head, it is the one nearest to ``E``, so what the embedding has learned stays.
        """
        missing = self.weight - LinearClassifier.of(network).weight
        network.embedding.weight.add_(torch.linalg.pinv(network.head.weight) @ missing)
        network.head.bias.add_(self.bias - LinearClassifier.of(network).bias)
