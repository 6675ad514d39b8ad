"""The networks that finished stages left behind, put together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spml_core.errors import TrainingError
from spml_core.models.normalisation import normalise_rgb
from spml_core.models.paper_network import PaperNetwork
from spml_core.paper.context import PaperContext
from spml_core.paper.iterating import learned
from spml_core.paper.run_folder import StageFolder
from spml_core.paper.tensors import part


class TrainedNetwork:
    """A learned network, for looking only.

    Parameters
    ----------
    network : PaperNetwork
        Is put into evaluation mode.
    """

    def __init__(self, network: PaperNetwork) -> None:
        self.network = network.eval()

    @classmethod
    def load(
        cls, context: PaperContext, embedding: StageFolder, head: StageFolder | None = None
    ) -> TrainedNetwork:
        """Network of a finished stage, with the softmax head of another if given.

        Raises
        ------
        TrainingError
            If a file is missing, damaged, or of another network.
        """
        network = context.build()
        _fill(network, embedding, "network")
        if head is not None:
            _fill(network.softmax_head, head, "head")
        return cls(network.to(context.device))

    @torch.no_grad()
    def embed(self, rgb: Tensor) -> Tensor:
        """Embeddings (N, D, h, w), of any length, of pictures (N, 3, H, W) in 0..255."""
        return self.network.embedding(normalise_rgb(rgb))

    @torch.no_grad()
    def classify(self, rgb: Tensor) -> Tensor:
        """Logits (N, K, h, w) of pictures (N, 3, H, W) in 0..255."""
        return self.network.classify(self.embed(rgb))


def _fill(module: nn.Module, stage: StageFolder, name: str) -> None:
    try:
        module.load_state_dict(part(learned(stage), name))
    except RuntimeError as error:
        raise TrainingError(
            f"The network in {stage.path} doesn't fit: {error}",
            f"Delete the folder {stage.path} and run again.",
        ) from error
