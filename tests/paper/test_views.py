import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spml_core.models.normalisation import IMAGENET_MEAN
from spml_core.paper.views import View, in_windows, see, to_size, views_of, window_ends

CPU = torch.device("cpu")


def test_windows_end_evenly_from_the_crop_to_the_side():
    assert window_ends(512, 512) == [512]
    assert window_ends(640, 512) == [512, 640]
    assert window_ends(1024, 512) == [512, 1024]
    assert window_ends(1100, 512) == [512, 806, 1100]


def local(picture):
    """Half the resolution, and where in the window a pixel lies: windows are told apart."""
    small = F.avg_pool2d(picture, 2)
    ramp = torch.arange(small.shape[-1], dtype=small.dtype).expand_as(small[:, :1])
    return torch.cat([small, ramp], 1)


def slow(picture, crop):
    """METHODS.md 1.17, test-time tiling: window by window, pixel by pixel."""
    _, _, height, width = picture.shape
    full = [max(height, crop), max(width, crop)]
    padded = torch.tensor(IMAGENET_MEAN).mul(255)[None, :, None, None].expand(1, 3, *full).clone()
    padded[..., :height, :width] = picture
    total = torch.zeros(4, *full)
    count = torch.zeros(full)
    ends = []
    for side in full:
        number = int(np.ceil((side - crop) / crop)) + 1
        ends.append(np.linspace(crop, side, number).astype(int))
    for bottom in ends[0]:
        for right in ends[1]:
            window = padded[..., bottom - crop : bottom, right - crop : right]
            answer = F.interpolate(local(window), (crop, crop), mode="bilinear", align_corners=False)[0]
            total[:, bottom - crop : bottom, right - crop : right] += answer
            count[bottom - crop : bottom, right - crop : right] += 1
    return (total / count)[:, :height, :width]


@pytest.mark.parametrize("size", [(10, 12), (16, 16), (21, 40), (33, 9)])
def test_windows_against_loops(size):
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)) * 255
    torch.testing.assert_close(in_windows(local, picture, 16), slow(picture, 16))


def test_a_mirrored_view_is_turned_back():
    rgb = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)
    plain, mirrored = (see(lambda p: p, rgb, View(1.0, flip), 20, CPU) for flip in (False, True))
    torch.testing.assert_close(plain, mirrored)
    torch.testing.assert_close(plain, torch.from_numpy(rgb).movedim(-1, 0).float())


def test_a_scaled_view_has_the_scaled_size_and_embeddings_are_unit():
    rgb = np.full((16, 20, 3), 80, np.uint8)
    seen = see(local, rgb, View(1.5), 32, CPU, unit=True)
    assert seen.shape == (4, 24, 30)
    torch.testing.assert_close(seen.norm(dim=0), torch.ones(24, 30))
    assert to_size(seen, 5, 6).shape == (4, 5, 6)


def test_views_come_plain_then_mirrored():
    assert views_of((0.5, 1.0), True) == [View(0.5), View(0.5, True), View(1.0), View(1.0, True)]
    assert views_of((1.0,), False) == [View()]
