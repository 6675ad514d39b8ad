"""METHODS.md 1.21 check 15: one picture, one-pixel clicks, a tiny backbone, fewer than 200 steps."""

import numpy as np
import torch
from torch import nn

from spml_core.config import TrainConfig
from spml_core.metrics import ConfusionMatrix
from spml_core.models import Pyramid, SegmentationNetwork, rgb_tensor
from spml_core.models.backbone import Backbone
from spml_core.relations import MemoryBank
from spml_core.segments import oversegment
from spml_core.training.samples import cell_labels
from spml_core.training.sources import BatchPicture
from spml_core.training.step import losses


class TinyBackbone(Backbone):
    channels = (16, 24)
    strides = (2, 4)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.second = nn.Conv2d(16, 24, 3, stride=2, padding=1)

    def forward(self, rgb):
        first = torch.relu(self.first(rgb / 127.5 - 1))
        return [first, torch.relu(self.second(first))]


def test_check_15_three_blobs_from_one_click_each():
    rng = np.random.default_rng(0)
    truth = np.zeros((96, 96), np.uint8)
    y, x = np.mgrid[:96, :96]
    marks = np.full((96, 96), 4, np.uint8)
    marks[4, 4] = 0
    for label, center in ((1, (28, 28)), (2, (28, 68)), (3, (68, 48))):
        truth[(y - center[0]) ** 2 + (x - center[1]) ** 2 < 15**2] = label
        marks[center] = label
    colors = np.array([(90, 90, 90), (210, 60, 50), (60, 190, 70), (60, 80, 210)])
    rgb = (colors[truth] + rng.normal(0, 6, (96, 96, 3))).clip(0, 255).astype(np.uint8)

    torch.manual_seed(0)
    network = SegmentationNetwork(TinyBackbone(), Pyramid((1.0,), 2), 16, 4)
    rows, columns = np.divmod(np.arange(48 * 48), 48)
    picture = {
        "positions": torch.from_numpy(np.stack([rows, columns], 1)),
        "grid": (48, 48),
        "labels": torch.from_numpy(cell_labels(marks, 2, 4).reshape(-1)),
        "regions": torch.from_numpy(oversegment(rgb, 12)[1::2, 1::2].reshape(-1).astype(np.int64)),
        "tags": torch.ones(4, dtype=torch.bool),
    }
    config, memory = TrainConfig(dropout=0.0), MemoryBank()
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    pixels = rgb_tensor(rgb)
    for _ in range(150):
        features = network.features(pixels)[0].permute(1, 2, 0).reshape(-1, 40)
        terms = losses(network, [BatchPicture(features=features, **picture)], memory, config, generator)
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
    labels = network.dense_logits(pixels)[0].argmax(0).repeat_interleave(2, 0).repeat_interleave(2, 1)
    matrix = ConfusionMatrix(4)
    matrix.update(truth, labels.numpy().astype(np.uint8))
    assert matrix.scores().miou > 0.9
