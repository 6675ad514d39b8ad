import numpy as np
import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from spml_core.video.validity import forward_backward_valid, occlusion_weight, photometric_weight
from spml_core.video.warp import warp, warp_array


def test_forward_backward_by_loops():
    rng = np.random.default_rng(0)
    there = rng.normal(0, 3, (14, 19, 2)).astype(np.float32)
    back = (-there + rng.normal(0, 0.5, there.shape)).astype(np.float32)
    sampled = warp_array(back, there).astype(np.float64)
    found = forward_backward_valid(there, back)
    expected = np.zeros((14, 19), bool)
    for y in range(14):
        for x in range(19):
            f, b = there[y, x].astype(np.float64), sampled[y, x]
            near = ((f + b) ** 2).sum() < 0.01 * ((f**2).sum() + (b**2).sum()) + 0.5
            expected[y, x] = near and 0 <= x + f[0] <= 18 and 0 <= y + f[1] <= 13
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(found, expected)


def test_a_shift_is_valid_but_where_it_leaves_the_frame():
    there = np.zeros((10, 12, 2), np.float32)
    there[..., 0] = 4
    valid = forward_backward_valid(there, -there)
    assert valid[:, :8].all()
    assert not valid[:, 8:].any()


def test_what_comes_back_elsewhere_is_not_valid():
    there, back = np.zeros((8, 8, 2), np.float32), np.zeros((8, 8, 2), np.float32)
    back[2:4, 2:4] = 5
    there[7, 7] = np.nan
    valid = forward_backward_valid(there, back)
    expected = np.ones((8, 8), bool)
    expected[2:4, 2:4] = expected[7, 7] = False
    np.testing.assert_array_equal(valid, expected)


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(0)
    image_t, image_k = torch.randn(2, 2, 3, 9, 11, dtype=torch.float64, generator=generator)
    return image_t, image_k, 2 * torch.randn(2, 2, 9, 11, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_occlusion_weight_by_loops(frames, mode):
    image_t, image_k, flow = frames
    found = occlusion_weight(image_t, image_k, flow, mode)
    assert found.shape == (2, 1, 9, 11)
    warped = warp(image_k, flow)
    for n in range(2):
        for y in range(9):
            for x in range(11):
                d = [float(image_t[n, c, y, x] - warped[n, c, y, x]) for c in range(3)]
                exponent = sum(map(abs, d)) / 3 if mode == "paper" else abs(sum(d))
                assert float(found[n, 0, y, x]) == pytest.approx(np.exp(-exponent), rel=1e-12)
    assert float(found.min()) > 0
    assert float(found.max()) <= 1


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_the_same_frame_has_weight_one(frames, mode):
    weight = occlusion_weight(frames[0], frames[0], torch.zeros(2, 2, 9, 11), mode)
    assert torch.equal(weight, torch.ones_like(weight))


def test_colours_cancel_in_the_reference_alone():
    image_t, image_k = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    image_k[:, 0], image_k[:, 2] = 1, -1
    flow = torch.zeros(1, 2, 2, 2)
    torch.testing.assert_close(occlusion_weight(image_t, image_k, flow, "reference"), torch.ones(1, 1, 2, 2))
    expected = torch.full((1, 1, 2, 2), float(np.exp(-2 / 3)))
    torch.testing.assert_close(occlusion_weight(image_t, image_k, flow, "paper"), expected)


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_photometric_weight_of_frames_as_read(mode):
    rng = np.random.default_rng(1)
    rgb_t, rgb_k = rng.integers(0, 256, (2, 10, 13, 3)).astype(np.uint8)
    flow = rng.normal(0, 2, (10, 13, 2)).astype(np.float32)
    found = photometric_weight(rgb_t, rgb_k, flow, mode)
    unit_t, unit_k = (
        ((rgb / 255 - IMAGENET_MEAN) / IMAGENET_STD).astype(np.float32) for rgb in (rgb_t, rgb_k)
    )
    difference = unit_t - warp_array(unit_k, flow)
    exponent = np.abs(difference).mean(2) if mode == "paper" else np.abs(difference.sum(2))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.exp(-exponent), atol=1e-5)


def test_what_doesnt_fit_is_refused(frames):
    with pytest.raises(ConfigError, match="soft"):
        occlusion_weight(*frames, "soft")
    with pytest.raises(ConfigError, match="one size"):
        occlusion_weight(frames[0], frames[1][..., 1:], frames[2])
    with pytest.raises(ConfigError):
        forward_backward_valid(np.zeros((3, 4, 2), np.float32), np.zeros((3, 5, 2), np.float32))
