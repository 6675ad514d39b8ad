import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spml_core.errors import ConfigError
from spml_core.video.warp import inside, resize_flow, warp, warp_array, warp_labels


def by_loops(values, flow):
    """Bilinear sampling with clamped positions, pixel by pixel, float64."""
    height, width = flow.shape[:2]
    out = np.zeros((height, width, values.shape[2]))
    for y in range(height):
        for x in range(width):
            at_x = min(max(x + float(flow[y, x, 0]), 0.0), width - 1.0)
            at_y = min(max(y + float(flow[y, x, 1]), 0.0), height - 1.0)
            left, top = int(at_x), int(at_y)
            right, below = min(left + 1, width - 1), min(top + 1, height - 1)
            a, b = at_x - left, at_y - top
            out[y, x] = (
                (1 - a) * (1 - b) * values[top, left]
                + a * (1 - b) * values[top, right]
                + (1 - a) * b * values[below, left]
                + a * b * values[below, right]
            )
    return out


def constant(dx, dy, size):
    return torch.tensor([dx, dy]).to(torch.float64).view(1, 2, 1, 1).expand(1, 2, *size).clone()


@pytest.fixture
def x():
    return torch.rand(2, 3, 13, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def flow():
    return 4 * torch.randn(2, 2, 13, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_warp_by_loops(x, flow):
    found = warp(x, flow)
    for i in range(2):
        expected = by_loops(x[i].permute(1, 2, 0).numpy(), flow[i].permute(1, 2, 0).numpy())
        np.testing.assert_allclose(found[i].permute(1, 2, 0).numpy(), expected, atol=1e-12)


def test_warp_is_grid_sample_with_the_border_outside(x, flow):
    height, width = x.shape[2:]
    at_x = torch.arange(width) + flow[:, 0]
    at_y = torch.arange(height)[:, None] + flow[:, 1]
    grid = torch.stack([2 * at_x / (width - 1) - 1, 2 * at_y / (height - 1) - 1], -1)
    expected = F.grid_sample(x, grid, "bilinear", "border", align_corners=True)
    torch.testing.assert_close(warp(x, flow), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [(13, 21), (1, 1), (1, 7), (240, 427)])
def test_no_flow_changes_nothing(dtype, size):
    x = torch.randn(1, 2, *size).to(dtype)
    found = warp(x, torch.zeros(1, 2, *size, dtype=dtype))
    assert found.dtype == dtype
    assert torch.equal(found, x)


def test_a_whole_number_of_pixels_shifts_exactly(x):
    found = warp(x[:1].float(), constant(3, -2, x.shape[2:]).float())
    assert torch.equal(found[..., 2:, :-3], x[:1].float()[..., :-2, 3:])
    assert torch.equal(found[..., :2, -1], x[:1].float()[..., :1, -1].expand(-1, -1, 2))  # the border goes on


def test_a_constant_stays(flow):
    torch.testing.assert_close(
        warp(torch.full((2, 1, 13, 21), 0.7).double(), flow), torch.full((2, 1, 13, 21), 0.7).double()
    )


def test_linear(x, flow):
    other = x.flip(1)
    expected = 2 * warp(x, flow) - 3 * warp(other, flow)
    torch.testing.assert_close(warp(2 * x - 3 * other, flow), expected)


def test_two_shifts_are_their_sum_inside(x):
    size = x.shape[2:]
    twice = warp(warp(x[:1], constant(2, 1, size)), constant(-3, 2, size))
    once = warp(x[:1], constant(-1, 3, size))
    assert torch.equal(twice[..., 4:-4, 4:-4], once[..., 4:-4, 4:-4])


def test_the_four_weights_add_up_to_one(x, flow):
    x.requires_grad_()
    mass = torch.rand(2, 3, 13, 21, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (warp(x, flow) * mass).sum().backward()
    torch.testing.assert_close(x.grad.sum((2, 3)), mass.sum((2, 3)))


def test_gradients():
    x = torch.rand(1, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    flow = torch.rand(1, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 0.8 + 0.1
    assert torch.autograd.gradcheck(warp, (x.requires_grad_(), flow.requires_grad_()))


def test_arguments_are_left_alone(x, flow):
    copies = x.clone(), flow.clone()
    warp(x, flow)
    assert torch.equal(x, copies[0])
    assert torch.equal(flow, copies[1])


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 11])
def test_arrays_are_warped_as_tensors_are(channels):
    rng = np.random.default_rng(0)
    shape = (40, 61) if channels is None else (40, 61, channels)
    values = rng.random(shape, np.float32)
    flow = rng.normal(0, 6, (40, 61, 2)).astype(np.float32)
    found = warp_array(values, flow)
    assert found.shape == shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.atleast_3d(found), by_loops(np.atleast_3d(values), flow), atol=1e-4)


def test_arrays_of_other_types_are_warped_as_numbers():
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    half = np.zeros((3, 4, 2), np.float32)
    half[..., 0] = 0.5
    np.testing.assert_allclose(warp_array(values, half)[:, :3], values[:, :3] + 0.5)


def labels_by_loops(labels, flow):
    codes = np.unique(labels)
    onehot = (labels[..., None] == codes).astype(np.float64)
    return codes[by_loops(onehot, flow).argmax(2)]


def test_labels_by_loops():
    rng = np.random.default_rng(1)
    labels = rng.choice(np.array([0, 3, 7, 255], np.uint8), (17, 23))
    flow = rng.normal(0, 3, (17, 23, 2)).astype(np.float32)
    found = warp_labels(labels, flow)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels_by_loops(labels, flow))


def test_more_labels_than_are_warped_together():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 70, (15, 22)).astype(np.int32)
    flow = (rng.integers(-8, 8, (15, 22, 2)) / 2).astype(np.float32)  # many equal weights
    found = warp_labels(labels, flow)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, labels_by_loops(labels, flow))


def test_labels_take_the_lowest_of_equals():
    labels = np.array([[5, 2, 2, 5]], np.int32)
    half = np.zeros((1, 4, 2), np.float32)
    half[..., 0] = 0.5
    np.testing.assert_array_equal(warp_labels(labels, half), [[2, 2, 2, 5]])
    np.testing.assert_array_equal(warp_labels(labels, half, "nearest"), [[2, 2, 5, 5]])


def test_labels_by_the_nearest_pixel():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 90_000, (9, 14)).astype(np.int64)
    flow = rng.normal(0, 3, (9, 14, 2)).astype(np.float32)
    found = warp_labels(labels, flow, "nearest")
    for y in range(9):
        for x in range(14):
            at_x = min(max(x + float(flow[y, x, 0]), 0.0), 13.0)
            at_y = min(max(y + float(flow[y, x, 1]), 0.0), 8.0)
            assert found[y, x] == labels[int(at_y + 0.5), int(at_x + 0.5)]


@pytest.mark.parametrize("mode", ["onehot", "nearest"])
def test_no_label_appears_between_others(mode):
    labels = np.zeros((12, 12), np.uint8)
    labels[:, 6:] = 9
    flow = np.full((12, 12, 2), 0.37, np.float32)
    assert set(np.unique(warp_labels(labels, flow, mode))) == {0, 9}


def test_inside():
    flow = np.zeros((4, 5, 2), np.float32)
    assert inside(flow).all()
    flow[0, 4] = 0.01, 0
    flow[1, 1] = -1, -1
    flow[2, 2] = -2.01, 0
    flow[3, 3] = 0, 0.01
    flow[0, 0] = np.nan, 0
    np.testing.assert_array_equal(np.argwhere(~inside(flow)), [[0, 0], [0, 4], [2, 2], [3, 3]])


def test_resized_flow_leads_to_the_same_place():
    flow = np.full((20, 30, 2), (3, -2), np.float32)
    resized = resize_flow(flow, (40, 15))
    assert resized.shape == (40, 15, 2)
    np.testing.assert_allclose(resized, np.broadcast_to(np.float32([1.5, -4]), (40, 15, 2)))


def test_resizing_a_linear_flow_is_exact_inside():
    rows, columns = np.mgrid[:20, :30].astype(np.float32)
    flow = np.stack([0.1 * columns + 0.5, 0.2 * rows - 1], 2)
    resized = resize_flow(flow, (40, 90))
    y, x = (np.arange(40) + 0.5) / 2 - 0.5, (np.arange(90) + 0.5) / 3 - 0.5
    expected = np.stack(np.broadcast_arrays(3 * (0.1 * x + 0.5), 2 * (0.2 * y[:, None] - 1)), 2)
    np.testing.assert_allclose(resized[2:-2, 3:-3], expected[2:-2, 3:-3], atol=1e-4)


def test_resizing_to_its_own_size_changes_nothing():
    flow = np.random.default_rng(0).normal(size=(7, 9, 2)).astype(np.float32)
    np.testing.assert_array_equal(resize_flow(flow, (7, 9)), flow)


@pytest.mark.parametrize(
    "call",
    [
        lambda: warp(torch.zeros(1, 3, 4, 5), torch.zeros(1, 2, 4, 6)),
        lambda: warp(torch.zeros(1, 3, 4, 5), torch.zeros(2, 2, 4, 5)),
        lambda: warp(torch.zeros(3, 4, 5), torch.zeros(2, 4, 5)),
        lambda: warp_array(np.zeros((4, 5)), np.zeros((4, 6, 2), np.float32)),
        lambda: warp_labels(np.zeros((4, 5), np.uint8), np.zeros((2, 4, 5), np.float32)),
        lambda: warp_labels(np.zeros((4, 5), np.uint8), np.zeros((4, 5, 2), np.float32), "linear"),
        lambda: inside(np.zeros((4, 5), np.float32)),
        lambda: resize_flow(np.zeros((4, 5, 2), np.float32), (0, 3)),
        lambda: resize_flow(np.zeros((4, 5, 3), np.float32), (2, 3)),
    ],
)
def test_what_doesnt_fit_is_refused(call):
    with pytest.raises(ConfigError):
        call()
