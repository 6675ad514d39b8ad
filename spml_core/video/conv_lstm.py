"""A convolutional LSTM that looks at how affinities develop over frames (METHODS.md 6.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvLSTM(nn.Module):
    """LSTM whose gates are convolutions; it starts from a zero state, and is a fixed random projection.

    Parameters
    ----------
    channels : int
        Of its input.
    hidden : int
        Of its state.
    kernel : int
        Side of the kernels; odd, so that images keep their size.
    seed : int
        Of the random weights, the same in every run.
    """

    def __init__(self, channels: int = 1, hidden: int = 4, kernel: int = 3, *, seed: int = 0) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(channels + hidden, 4 * hidden, kernel, padding=kernel // 2)
        generator = torch.Generator().manual_seed(seed)
        bound = ((channels + hidden) * kernel * kernel) ** -0.5
        with torch.no_grad():
            for parameter in self.gates.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=generator) * 2 * bound - bound)
        self.requires_grad_(False)

    def step(self, image: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden and cell state (N, hidden, H, W) after one more image (N, C, H, W)."""
        # The order of the gates is the reference's: input, forget, output, candidate.
        enter, keep, leave, candidate = self.gates(torch.cat([image, hidden], 1)).chunk(4, 1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(cell), cell

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Last hidden and cell state (N, hidden, H, W) of a sequence (T, N, C, H, W)."""
        _, count, _, height, width = images.shape
        hidden = images.new_zeros(count, self.hidden, height, width)
        cell = torch.zeros_like(hidden)
        for image in images:
            hidden, cell = self.step(image, hidden, cell)
        return hidden, cell
