import math

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.video.etc import single_frame_distillation
from spml_core.video.probability_memory import ProbabilityMemory
from spml_core.video.weclick import (
    Neighbor,
    divergence,
    memory_flow,
    memory_flow_loss,
    weak_loss,
    weclick_losses,
)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def probabilities(*shape, seed=0):
    return torch.softmax(2 * rand(*shape, seed=seed), 1)


STILL = torch.zeros(1, 2, 4, 5, dtype=torch.float64)
ALL = torch.ones(1, 1, 4, 5, dtype=torch.float64)


def shifted(dx, dy):
    flow = STILL.clone()
    flow[:, 0], flow[:, 1] = dx, dy
    return flow


def test_weak_loss_is_the_mean_over_clicks():
    logits = rand(1, 3, 4, 5)
    labels = torch.full((1, 4, 5), 3)
    labels[0, 1, 2], labels[0, 3, 4], labels[0, 0, 0] = 0, 2, 255
    total = 0.0
    for y, x, c in ((1, 2, 0), (3, 4, 2)):
        row = logits[0, :, y, x].tolist()
        total -= math.log(math.exp(row[c]) / sum(math.exp(v) for v in row)) / 2
    assert float(weak_loss(logits, labels)) == pytest.approx(total, rel=1e-9)


def test_weak_loss_without_a_click_is_zero_and_has_gradient():
    logits = rand(1, 3, 4, 5).requires_grad_()
    loss = weak_loss(logits, torch.full((1, 4, 5), 3))
    loss.backward()
    assert float(loss.detach()) == 0 and (logits.grad == 0).all()


def neighbors():
    """Two neighbours with whole-pixel flows; some pixels see one of them, some none."""
    validity = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    validity[0, 1], validity[:, 2] = 0, 0
    moves = ((1, 0), (-1, 2))
    return [
        Neighbor(probabilities(1, 3, 4, 5, seed=i), shifted(*moves[i]), validity[i][None, None])
        for i in range(2)
    ]


def at(neighbor, y, x):
    """Probabilities at the end of a whole-pixel flow, clamped to the border."""
    dx, dy = (int(v) for v in neighbor.flow[0, :, y, x])
    return neighbor.probabilities[0, :, min(max(y + dy, 0), 3), min(max(x + dx, 0), 4)]


def test_memory_is_the_weighted_mean_and_sums_to_one():
    them = neighbors()
    memory, seen = memory_flow(them)
    for y in range(4):
        for x in range(5):
            weights = [float(n.validity[0, 0, y, x]) for n in them]
            assert bool(seen[0, y, x]) == (sum(weights) > 0)
            if sum(weights) > 0:
                expected = sum(w * at(n, y, x) for w, n in zip(weights, them, strict=True)) / sum(weights)
                assert torch.allclose(memory[0, :, y, x], expected, atol=1e-12)
    assert not seen[0, 2].any() and torch.allclose(memory.sum(1)[seen], torch.ones(15).double())


def kl(p, log_q):
    return sum(a * (math.log(a) - b) for a, b in zip(p.tolist(), log_q.tolist(), strict=True))


def test_fused_loss_averages_over_pixels_that_somebody_sees():
    them, logits = neighbors(), rand(1, 3, 4, 5, seed=9)
    memory, seen = memory_flow(them)
    answer = torch.log_softmax(logits, 1)
    terms = [kl(memory[0, :, y, x], answer[0, :, y, x]) for y, x in seen[0].nonzero().tolist()]
    assert len(terms) == 15
    assert float(memory_flow_loss(logits, them)) == pytest.approx(sum(terms) / 15, rel=1e-9)


def test_separate_loss_averages_over_neighbours():
    them, logits = neighbors(), rand(1, 3, 4, 5, seed=9)
    answer = torch.log_softmax(logits, 1)
    total = 0.0
    for n in them:
        weights = n.validity[0, 0]
        parts = [
            float(weights[y, x]) * kl(at(n, y, x), answer[0, :, y, x]) for y in range(4) for x in range(5)
        ]
        total += sum(parts) / float(weights.sum()) / 2
    assert float(memory_flow_loss(logits, them, "separate")) == pytest.approx(total, rel=1e-9)
    blind = Neighbor(them[0].probabilities, STILL, 0 * ALL)
    assert float(memory_flow_loss(logits, [*them, blind], "separate")) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("form", ["fused", "separate"])
def test_nothing_valid_and_no_neighbour_cost_nothing(form):
    logits = rand(1, 3, 4, 5).requires_grad_()
    blind = Neighbor(probabilities(1, 3, 4, 5), STILL, 0 * ALL)
    for them in ([], [blind], [blind, blind]):
        loss = memory_flow_loss(logits, them, form)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert float(loss.detach()) == 0 and (gradient == 0).all()
    with pytest.raises(ConfigError, match="No neighbour"):
        memory_flow([])


@pytest.mark.parametrize("form", ["fused", "separate"])
def test_static_clip_makes_memory_flow_the_plain_distillation(form):
    student, teacher = rand(1, 3, 4, 5), rand(1, 3, 4, 5, seed=1)
    same = Neighbor(torch.softmax(teacher, 1), STILL, ALL)
    loss = memory_flow_loss(student, [same, same], form)
    assert torch.allclose(loss, single_frame_distillation(student, teacher), atol=1e-12)


def test_moving_clip_with_the_exact_flow_gives_back_the_teacher_inside():
    teacher = probabilities(1, 3, 4, 5)
    earlier = torch.roll(teacher, (1, -1), (2, 3))
    memory, _ = memory_flow([Neighbor(earlier, shifted(-1, 1), ALL)])
    assert torch.allclose(memory[..., :3, 1:], teacher[..., :3, 1:], atol=1e-12)


def test_divergence_is_never_negative_and_takes_zeros():
    aim = probabilities(2, 3, 4, 5)
    assert (divergence(aim, torch.log_softmax(rand(2, 3, 4, 5, seed=3), 1)) >= 0).all()
    hard = torch.zeros(1, 3, 1, 1).double()
    hard[0, 1] = 1
    answer = torch.log_softmax(rand(1, 3, 1, 1), 1)
    assert float(divergence(hard, answer)) == pytest.approx(-float(answer[0, 1, 0, 0]))


@pytest.mark.parametrize("form", ["fused", "separate"])
def test_teacher_and_memory_get_no_gradient(form):
    student, teacher = rand(1, 3, 4, 5).requires_grad_(), rand(1, 3, 4, 5, seed=1).requires_grad_()
    memory = probabilities(1, 3, 4, 5, seed=2).requires_grad_()
    labels = torch.full((1, 4, 5), 3)
    labels[0, 1, 1] = 2
    terms = weclick_losses(student, teacher, labels, [Neighbor(memory, shifted(1, 0), ALL)], form)
    assert set(terms) == {"weak", "memory_flow", "teacher"}
    sum(terms.values()).backward()
    assert teacher.grad is None and memory.grad is None and student.grad.abs().sum() > 0


@pytest.mark.parametrize("form", ["fused", "separate"])
def test_flipping_everything_changes_no_loss(form):
    student, teacher = rand(1, 3, 4, 5), rand(1, 3, 4, 5, seed=1)
    labels = torch.full((1, 4, 5), 3)
    labels[0, 1, 1], labels[0, 2, 4] = 2, 0
    flow, validity = 1.5 * rand(1, 2, 4, 5, seed=6), torch.sigmoid(rand(1, 1, 4, 5, seed=7))
    memory = probabilities(1, 3, 4, 5, seed=2)
    mirrored = flow.flip(3) * torch.tensor([-1.0, 1.0]).double().view(1, 2, 1, 1)
    plain = weclick_losses(student, teacher, labels, [Neighbor(memory, flow, validity)], form)
    flipped = weclick_losses(
        student.flip(3),
        teacher.flip(3),
        labels.flip(2),
        [Neighbor(memory.flip(3), mirrored, validity.flip(3))],
        form,
    )
    for name, value in plain.items():
        assert torch.allclose(value, flipped[name], atol=1e-12), name


def test_memory_keeps_the_last_frames_in_order():
    memory = ProbabilityMemory(3)
    maps = [probabilities(1, 2, 2, 2, seed=s).requires_grad_() for s in range(4)]
    assert list(memory.before(0)) == []
    for index, found in enumerate(maps):
        kept = list(memory.before(index))
        assert [i for i, _ in kept] == [i for i in (index - 2, index - 1) if i >= 0]
        assert all(torch.equal(p, maps[i]) and not p.requires_grad for i, p in kept)
        memory.push(index, found)
    assert len(memory) == 2
    memory.clear()
    assert len(memory) == 0


def test_memory_of_one_frame_is_empty_and_forgets_when_wound_back():
    one = ProbabilityMemory(1)
    one.push(0, probabilities(1, 2, 2, 2))
    assert list(one.before(1)) == []
    memory = ProbabilityMemory(3)
    for index in (7, 8, 2):
        memory.push(index, probabilities(1, 2, 2, 2))
    assert [i for i, _ in memory.before(3)] == [2]
    with pytest.raises(ConfigError, match="0 frames"):
        ProbabilityMemory(0)
