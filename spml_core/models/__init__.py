"""Networks: backbones, feature pyramids, heads, and the one that is learned."""

from spml_core.models.backbone import DEFAULT_BACKBONE, Backbone, EfficientNetLite0, build_backbone
from spml_core.models.heads import SoftmaxHead
from spml_core.models.network import SegmentationNetwork
from spml_core.models.pyramid import Pyramid, Window, rgb_tensor

__all__ = [
    "DEFAULT_BACKBONE",
    "Backbone",
    "EfficientNetLite0",
    "Pyramid",
    "SegmentationNetwork",
    "SoftmaxHead",
    "Window",
    "build_backbone",
    "rgb_tensor",
]
