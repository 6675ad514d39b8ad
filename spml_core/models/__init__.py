"""Networks: backbones, feature pyramids, heads, and the ones that are learned."""

from spml_core.models.backbone import (
    BACKBONES,
    DEFAULT_BACKBONE,
    Backbone,
    EfficientNetLite0,
    build_backbone,
)
from spml_core.models.deeplab import DeepLabHead
from spml_core.models.dense import DenseNetwork
from spml_core.models.heads import SoftmaxHead
from spml_core.models.network import SegmentationNetwork
from spml_core.models.normalisation import IMAGENET_MEAN, IMAGENET_STD, normalise_rgb
from spml_core.models.paper_network import PaperNetwork, build_paper_network
from spml_core.models.pspnet import PyramidHead
from spml_core.models.pyramid import Pyramid, Window, rgb_tensor
from spml_core.models.resnet import ResNet
from spml_core.models.resnet_backbone import ResNetBackbone, load_resnet_weights
from spml_core.models.timm_backbone import TimmBackbone
from spml_core.models.weights import load_weights, read_weights, torchvision_weights
from spml_core.models.windowed_network import PaperShape, WindowedNetwork

__all__ = [
    "BACKBONES",
    "DEFAULT_BACKBONE",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Backbone",
    "DeepLabHead",
    "DenseNetwork",
    "EfficientNetLite0",
    "PaperNetwork",
    "PaperShape",
    "Pyramid",
    "PyramidHead",
    "ResNet",
    "ResNetBackbone",
    "SegmentationNetwork",
    "SoftmaxHead",
    "TimmBackbone",
    "Window",
    "WindowedNetwork",
    "build_backbone",
    "build_paper_network",
    "load_resnet_weights",
    "load_weights",
    "normalise_rgb",
    "read_weights",
    "rgb_tensor",
    "torchvision_weights",
]
