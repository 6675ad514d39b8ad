"""The paper's network over pictures of any size."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spml_core.models import DenseNetwork, PaperShape, WindowedNetwork, normalise_rgb
from spml_core.models.windowed_network import _starts

SHAPE = PaperShape("deeplab", 18, "deep", 0.125, 16, 64)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return WindowedNetwork.of_shape(SHAPE, 3).eval()


def pictures(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, (2, 3, height, width))).float()


def test_its_shape_builds_its_like(network):
    assert isinstance(network, DenseNetwork)
    assert network.shape == SHAPE
    assert PaperShape(**network.shape.to_dict()) == SHAPE
    psp = WindowedNetwork.of_shape(PaperShape("psp", 50, "torchvision", 0.125, 8, 50), 2)
    assert psp.shape == PaperShape("psp", 50, "torchvision", 0.125, 8, 50)
    psp.load_state_dict(WindowedNetwork.of_shape(psp.shape, 2).state_dict())


@pytest.mark.parametrize("size", [(64, 64), (1, 5), (30, 64), (61, 47)])
def test_a_picture_of_at_most_a_crop_is_seen_once(network, size):
    rgb = pictures(*size)
    padded = F.pad(normalise_rgb(rgb), (0, 64 - size[1], 0, 64 - size[0]))
    cells = network.pyramid.grid(*size)
    with torch.no_grad():
        whole = network.network.embedding(padded)
        logits = network.network.classify(whole)
    found = network.dense_embedding(rgb)
    assert found.shape == (2, 16, *cells)
    torch.testing.assert_close(found, F.normalize(whole, dim=1)[..., : cells[0], : cells[1]])
    torch.testing.assert_close(network.dense_logits(rgb), logits[..., : cells[0], : cells[1]])


def test_larger_ones_are_the_mean_of_windows(network):
    rgb = pictures(100, 150)
    normal = F.pad(normalise_rgb(rgb), (0, 2, 0, 4))  # 104 x 152
    total, count = torch.zeros(2, 3, 26, 38), torch.zeros(26, 38)
    with torch.no_grad():
        for top in (0, 40):
            for left in (0, 48, 88):
                seen = network.network(normal[..., top : top + 64, left : left + 64])[1]
                total[..., top // 4 : top // 4 + 16, left // 4 : left // 4 + 16] += seen
                count[top // 4 : top // 4 + 16, left // 4 : left // 4 + 16] += 1
    torch.testing.assert_close(network.dense_logits(rgb), (total / count)[..., :25, :38])


def test_logits_of_its_embedding_are_its_logits(network):
    rgb = pictures(64, 40)
    whole = network.network.embedding(F.pad(normalise_rgb(rgb), (0, 24)))
    torch.testing.assert_close(network.logits_of(whole)[..., :10], network.dense_logits(rgb))


@pytest.mark.parametrize("side", [8, 48, 64])
def test_windows_cover_every_length(side):
    for length in range(side, 6 * side, 8):
        starts = _starts(length, side)
        assert len(starts) == -(-length // side)
        assert (starts[0], starts[-1] + side) == (0, length)
        assert all(start % 8 == 0 for start in starts)
        assert all(0 < b - a <= side for a, b in itertools.pairwise(starts))
