import math

import pytest
import torch

from spml_core.video.regulariser import BilateralKernel, cut_energy


def scene():
    generator = torch.Generator().manual_seed(0)
    image = 255 * torch.rand(1, 3, 4, 6, generator=generator, dtype=torch.float64)
    soft = torch.softmax(torch.randn(1, 3, 4, 6, generator=generator, dtype=torch.float64), 1)
    return image, soft, BilateralKernel(place=3.0, color=80.0)


def kernel_by_loops(image, kernel):
    points = [(y, x) for y in range(4) for x in range(6)]
    rows = []
    for a in points:
        row = []
        for b in points:
            place = sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / (2 * kernel.place**2)
            color = sum(float(image[0, c, a[0], a[1]] - image[0, c, b[0], b[1]]) ** 2 for c in range(3))
            row.append(0.0 if a == b else math.exp(-place - color / (2 * kernel.color**2)))
        rows.append(row)
    return rows


@pytest.mark.parametrize("normalised", [False, True])
def test_energy_by_loops(normalised):
    image, soft, kernel = scene()
    affinity = kernel_by_loops(image, kernel)
    assert torch.allclose(kernel.matrix(image)[0], torch.tensor(affinity).double(), atol=1e-10)
    total = 0.0
    for c in range(3):
        s = soft[0, c].flatten().tolist()
        cut = sum(s[i] * affinity[i][j] * (1 - s[j]) for i in range(24) for j in range(24))
        volume = sum(s[i] * sum(affinity[i]) for i in range(24))
        total += cut / volume if normalised else cut / 24
    assert float(cut_energy(soft, image, kernel, normalised=normalised)) == pytest.approx(total, rel=1e-6)


def test_cutting_along_colours_costs_less_than_across_them():
    image = torch.zeros(1, 3, 12, 12)
    image[..., 6:] = 255
    along, across = torch.zeros(2, 1, 2, 12, 12)
    along[:, 0, :, :6], along[:, 1, :, 6:] = 1, 1
    across[:, 0, :6], across[:, 1, 6:] = 1, 1
    for normalised in (False, True):
        less, more = (cut_energy(s, image, normalised=normalised) for s in (along, across))
        assert less < 0.1 * more


def test_descending_it_pulls_an_unsure_point_to_its_colour():
    image = torch.zeros(1, 3, 8, 8)
    image[..., 4:] = 255
    logits = torch.zeros(1, 2, 8, 8)
    logits[:, 0, :, :4], logits[:, 1, :, 4:] = 3, 3
    logits[0, :, 2, 1] = 0
    logits.requires_grad_()
    cut_energy(torch.softmax(logits, 1), image).backward()
    assert logits.grad[0, 0, 2, 1] < 0 < logits.grad[0, 1, 2, 1]


def test_grid_of_a_large_picture_is_bounded():
    kernel = BilateralKernel(most_points=100)
    rows, columns = kernel.grid(480, 640)
    assert 50 < rows * columns <= 100
    assert kernel.matrix(torch.rand(1, 3, 480, 640)).shape == (1, rows * columns, rows * columns)
    assert kernel.grid(1, 1) == (1, 1)
