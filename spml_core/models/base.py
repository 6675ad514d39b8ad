"""What every backbone promises: from a picture to feature maps of several strides, with its own normalisation."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn


class Backbone(nn.Module):
    """A network that turns RGB into a pyramid of feature maps.

    Attributes
    ----------
    channels : tuple of int
        Channels of each level, shallow to deep.
    strides : tuple of int
        Input pixels per feature, level by level.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Feature maps of ``rgb``, (N, 3, H, W) with values in 0..255: one (N, C_l, H_l, W_l) per level."""
        raise TypeError(f"{type(self).__name__} doesn't say how to compute its levels.")

    def deeper_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that fine-tuning moves: those of the deeper stages."""
        raise TypeError(f"{type(self).__name__} doesn't say what fine-tuning moves.")
