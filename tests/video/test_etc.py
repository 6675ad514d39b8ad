import math

import numpy as np
import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.video.conv_lstm import ConvLSTM
from spml_core.video.etc import (
    affinity_images,
    frame_affinity,
    motion_loss,
    multi_frame_dependency,
    pair_dependency,
    single_frame_distillation,
    temporal_loss,
)
from spml_core.video.validity import occlusion_weight


def rand(*shape, seed=0, grad=False):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_(grad)


def sampled(image, y, x):
    """Bilinear sample of (C, H, W) at one place, coordinates clamped to the border, by hand."""
    height, width = image.shape[1:]
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    dy, dx = y - top, x - left
    return (
        image[:, top, left] * (1 - dy) * (1 - dx) + image[:, top, left + 1] * (1 - dy) * dx
        + image[:, top + 1, left] * dy * (1 - dx) + image[:, top + 1, left + 1] * dy * dx
    )  # fmt: skip


def softmax(row):
    raised = [math.exp(v) for v in row.tolist()]
    return [v / sum(raised) for v in raised]


@pytest.fixture
def scene():
    """Logits and normalised images of two frames, and a flow that leaves the picture here and there."""
    return rand(2, 3, 5, 6), rand(2, 3, 5, 6, seed=1), rand(2, 3, 5, 6, seed=2), rand(2, 3, 5, 6, seed=3), \
        2 * rand(2, 2, 5, 6, seed=4)  # fmt: skip


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_motion_loss_is_the_sum_over_pixels(scene, mode):
    logits_t, logits_k, image_t, image_k, flow = scene
    total = 0.0
    for n in range(2):
        for y in range(5):
            for x in range(6):
                at = y + float(flow[n, 1, y, x]), x + float(flow[n, 0, y, x])
                colors = image_t[n, :, y, x] - sampled(image_k[n], *at)
                if mode == "paper":
                    weight = math.exp(-float(colors.abs().mean()))
                    maps = torch.softmax(logits_k[n], 0)
                    there = sampled(maps, *at).tolist()
                    here = softmax(logits_t[n, :, y, x])
                    total += weight * sum((a - b) ** 2 for a, b in zip(here, there, strict=True)) / 60
                else:
                    weight = math.exp(-abs(float(colors.sum())))
                    there = sampled(logits_k[n], *at)
                    for c in range(3):
                        total += (weight * float(logits_t[n, c, y, x]) - weight * float(there[c])) ** 2 / 180
    loss = motion_loss(logits_t, logits_k, image_t, image_k, flow, mode)
    assert float(loss) == pytest.approx(total, rel=1e-9)


def test_reference_weight_lets_opposite_channels_cancel_and_paper_does_not():
    image = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    other = image.clone()
    other[:, 0], other[:, 1] = 1, -1
    still = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
    assert torch.allclose(occlusion_weight(image, other, still, "reference"), torch.ones(()).double())
    assert (occlusion_weight(image, other, still, "paper") < 0.6).all()


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_still_frames_cost_nothing_and_weights_lie_in_0_to_1(scene, mode):
    logits, _, image, other, flow = scene
    assert float(motion_loss(logits, logits, image, image, 0 * flow, mode)) == pytest.approx(0, abs=1e-20)
    assert torch.allclose(occlusion_weight(image, image, 0 * flow, mode), torch.ones(()).double())
    weight = occlusion_weight(image, other, flow, mode)
    assert weight.shape == (2, 1, 5, 6) and (weight > 0).all() and (weight <= 1).all()


@pytest.mark.parametrize("mode", ["paper", "reference"])
def test_temporal_loss_moves_both_frames(scene, mode):
    logits_t, logits_k = rand(2, 3, 5, 6, grad=True), rand(2, 3, 5, 6, seed=1, grad=True)
    temporal_loss(logits_t, logits_k, scene[4], torch.ones(2, 1, 5, 6).double(), mode).backward()
    assert logits_t.grad.abs().sum() > 0 and logits_k.grad.abs().sum() > 0


def test_reference_loss_grows_with_the_square_of_the_logits_and_of_the_weight(scene):
    logits_t, logits_k, _, _, flow = scene
    one = torch.ones(2, 1, 5, 6, dtype=torch.float64)
    plain = temporal_loss(logits_t, logits_k, flow, one, "reference")
    assert torch.allclose(temporal_loss(2 * logits_t, 2 * logits_k, flow, one, "reference"), 4 * plain)
    assert torch.allclose(temporal_loss(logits_t, logits_k, flow, one / 2, "reference"), plain / 4)
    paper = temporal_loss(logits_t, logits_k, flow, one, "paper")
    assert torch.allclose(temporal_loss(logits_t, logits_k, flow, one / 2, "paper"), paper / 2)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_single_frame_distillation_is_the_mean_divergence(temperature):
    student, teacher = rand(2, 4, 3, 3), rand(2, 4, 3, 3, seed=1)
    total = 0.0
    for n in range(2):
        for y in range(3):
            for x in range(3):
                p = softmax(teacher[n, :, y, x] / temperature)
                q = softmax(student[n, :, y, x] / temperature)
                total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 18
    total *= temperature**2
    loss = single_frame_distillation(student, teacher, temperature=temperature)
    assert float(loss) == pytest.approx(total, rel=1e-9)


def test_distillation_refuses_a_temperature_of_zero():
    with pytest.raises(ConfigError, match="temperature of 0"):
        single_frame_distillation(rand(1, 2, 2, 2), rand(1, 2, 2, 2), temperature=0)


@pytest.mark.parametrize("swapped", [False, True])
def test_affinity_is_the_cosine_cell_by_cell(swapped):
    a, b = rand(1, 4, 2, 3), 3 * rand(1, 4, 2, 3, seed=1)
    f, g = a[0].flatten(1).T, b[0].flatten(1).T
    affinity = frame_affinity(a, b, swapped_norms=swapped)[0]
    for i in range(6):
        for j in range(6):
            norms = g[i].norm() * f[j].norm() if swapped else f[i].norm() * g[j].norm()
            assert float(affinity[i, j]) == pytest.approx(float(f[i] @ g[j] / norms), rel=1e-9)


def test_swapped_norms_make_no_difference_where_norms_match():
    a, b = (torch.nn.functional.normalize(rand(1, 4, 2, 3, seed=s), dim=1) for s in (0, 1))
    assert torch.allclose(frame_affinity(a, b), frame_affinity(a, b, swapped_norms=True))
    assert not torch.allclose(
        frame_affinity(a, 2 * b * a.abs()), frame_affinity(a, 2 * b * a.abs(), swapped_norms=True)
    )


def test_pair_dependency_by_loops_and_with_frames_swapped():
    student = rand(1, 4, 2, 3, grad=True), rand(1, 4, 2, 3, seed=1, grad=True)
    teacher = rand(1, 5, 2, 3, seed=2, grad=True), rand(1, 5, 2, 3, seed=3)
    cells = [[m[0].flatten(1).T.detach() for m in pair] for pair in (student, teacher)]
    total = 0.0
    for i in range(6):
        for j in range(6):
            s, t = (float(torch.cosine_similarity(a[i], b[j], dim=0)) for a, b in cells)
            total += (s - t) ** 2 / 36
    loss = pair_dependency(student, teacher)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-9)
    back = pair_dependency((student[1], student[0]), (teacher[1], teacher[0]))
    assert torch.allclose(loss, back)
    assert torch.allclose(frame_affinity(*student), frame_affinity(student[1], student[0]).transpose(1, 2))
    loss.backward()
    assert teacher[0].grad is None and all(m.grad.abs().sum() > 0 for m in student)


def test_lstm_step_by_brute_force():
    lstm = ConvLSTM(1, 2, seed=3).double()
    images = rand(2, 1, 1, 3, 4)
    weight, bias = lstm.gates.weight.detach().numpy(), lstm.gates.bias.detach().numpy()
    hidden, cell = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    for image in images:
        stack = np.pad(np.concatenate([image[0].numpy(), hidden]), ((0, 0), (1, 1), (1, 1)))
        gates = np.zeros((8, 3, 4))
        for o in range(8):
            for y in range(3):
                for x in range(4):
                    gates[o, y, x] = bias[o] + (weight[o] * stack[:, y : y + 3, x : x + 3]).sum()
        enter, keep, leave = (1 / (1 + np.exp(-gates[2 * g : 2 * g + 2])) for g in range(3))
        cell = keep * cell + enter * np.tanh(gates[6:])
        hidden = leave * np.tanh(cell)
    found = lstm(images)
    assert np.allclose(found[0][0], hidden, atol=1e-12) and np.allclose(found[1][0], cell, atol=1e-12)


def test_lstm_is_the_same_in_every_run_and_never_learns():
    assert torch.equal(ConvLSTM(seed=1).gates.weight, ConvLSTM(seed=1).gates.weight)
    assert not torch.equal(ConvLSTM(seed=1).gates.weight, ConvLSTM(seed=2).gates.weight)
    assert not any(p.requires_grad for p in ConvLSTM().parameters())


def test_multi_frame_dependency_compares_how_affinities_develop():
    lstm = ConvLSTM().double()
    student = [rand(1, 3, 4, 4, seed=s, grad=True) for s in range(3)]
    teacher = [rand(1, 6, 4, 4, seed=s + 5, grad=True) for s in range(3)]
    images = affinity_images(student, pool=2)
    assert images.shape == (3, 1, 1, 4, 4)
    pooled = student[1].reshape(1, 3, 2, 2, 2, 2).mean((3, 5))
    assert torch.allclose(images[1, :, 0], frame_affinity(pooled, pooled))
    (h, c), (ht, ct) = lstm(images), lstm(affinity_images(teacher, pool=2))
    both = multi_frame_dependency(student, teacher, lstm, pool=2)
    alone = multi_frame_dependency(student, teacher, lstm, pool=2, with_cell=False)
    assert torch.allclose(alone, (h - ht).square().mean())
    assert torch.allclose(both, (h - ht).square().mean() + (c - ct).square().mean())
    both.backward()
    assert student[0].grad.abs().sum() > 0 and teacher[0].grad is None


def test_multi_frame_dependency_is_zero_for_the_same_affinities():
    lstm = ConvLSTM().double()
    teacher = [rand(1, 3, 4, 4, seed=s) for s in range(3)]
    # Another scale and a rotation of the channels leave all cosines alone.
    turn = torch.linalg.qr(rand(3, 3)).Q
    student = [2 * torch.einsum("cd,ndhw->nchw", turn, frame) for frame in teacher]
    assert float(multi_frame_dependency(student, teacher, lstm, pool=2)) == pytest.approx(0, abs=1e-20)
