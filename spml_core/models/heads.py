"""Heads: from embeddings to class scores (METHODS.md 1.13)."""

from __future__ import annotations

from torch import Tensor, nn

from spml_core.segments import normalize


class SoftmaxHead(nn.Module):
    """The paper's head: conv 3x3 (D to 2D), batch norm, ReLU, dropout, conv 1x1 (2D to K), on unit-length embeddings.

    Parameters
    ----------
    dim : int
        Embedding dimension D.
    num_classes : int
        K.
    dropout : float
        0.75 when trained jointly with the embedding, 0.65 when trained alone.
    stop_gradient : bool
        Whether embeddings are detached first, so that this head never moves them.

    References
    ----------
    SPML, section on the softmax classifier; METHODS.md 1.13.
    """

    def __init__(
        self, dim: int, num_classes: int, *, dropout: float = 0.75, stop_gradient: bool = True
    ) -> None:
        super().__init__()
        self.stop_gradient = stop_gradient
        self.layers = nn.Sequential(
            nn.Conv2d(dim, 2 * dim, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(2 * dim, num_classes, 1),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits (N, K, h, w) of embeddings (N, D, h, w) of any length."""
        if self.stop_gradient:
            embeddings = embeddings.detach()
        unit = normalize(embeddings.movedim(1, -1)).movedim(-1, 1)
        logits: Tensor = self.layers(unit)
        return logits
