"""How good a segmentation is: confusion matrices and the scores drawn from them."""

from spml_core.metrics.confusion import ConfusionMatrix, Scores, confusion

__all__ = ["ConfusionMatrix", "Scores", "confusion"]
