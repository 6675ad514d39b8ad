"""How good a segmentation is: confusion matrices and the scores drawn from them."""

from spml_core.metrics.confusion import ConfusionMatrix, Scores, confusion
from spml_core.metrics.instance_iou import InstanceIoU, instances_per_class

__all__ = ["ConfusionMatrix", "InstanceIoU", "Scores", "confusion", "instances_per_class"]
