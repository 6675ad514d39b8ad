"""METHODS.md 1.21, checks 3 to 10, on the primitive: against explicit loops in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from spml_core.errors import ConfigError
from spml_core.relations import Relation, contrastive_loss, contrastive_losses
from spml_core.segments import normalize, segment_prototypes


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=draw, dtype=torch.float64)).to(dtype)


def loop(
    v: Tensor, u: Tensor, own: Tensor, rel: Relation, kappa: float, fallback: bool = True, count: bool = False
) -> tuple[list[float], list[bool]]:
    """Eq (3) pixel by pixel, segment by segment, by log-sum-exp over lists."""

    def lse(values: list[float]) -> float:
        if not values:
            return -math.inf
        top = max(values)
        return top + math.log(math.fsum(math.exp(x - top) for x in values))

    losses, active = [], []
    for i in range(len(v)):
        row = int(rel.rows[i])
        positive, negative, mine = [], [], None
        for s in range(len(u)):
            if not rel.takes_part[s]:
                continue
            logit = kappa * math.fsum(float(a) * float(b) for a, b in zip(v[i], u[s], strict=True))
            if s == int(own[i]):
                mine = logit
                if row >= 0 and count and not rel.positive[row, s]:
                    negative.append(logit)
            elif row >= 0 and rel.positive[row, s]:
                positive.append(logit)
            else:
                negative.append(logit)
        if not positive and fallback and mine is not None:
            positive = [mine]
        takes = row >= 0 and bool(positive)
        active.append(takes)
        losses.append(lse(positive + negative) - lse(positive) if takes else 0.0)
    return losses, active


def groups_case(n: int = 60, s: int = 17, m: int = 6, groups: int = 4) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(3)
    own = torch.randint(s, (n,), generator=draw)
    group = torch.randint(groups, (s + m,), generator=draw)
    group[0] = groups  # a class with a single segment: the fallback
    group[1] = -1  # a segment without a label
    own[:3], own[3:5] = 0, 1
    v, u, memory = unit(n, 7, seed=1), unit(s, 7, seed=2), unit(m, 7, seed=4)
    return {"v": v, "u": u, "memory": memory, "own": own, "g": group}


def tags_case() -> tuple[Tensor, Tensor, Tensor, Tensor, Relation]:
    draw = torch.Generator().manual_seed(5)
    tags = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    image = torch.arange(4).repeat_interleave(5)
    own = torch.randint(20, (50,), generator=draw)
    v, u = unit(50, 6, seed=6), unit(20, 6, seed=7)
    return v, u, own, image, Relation.from_tags(image[own], tags, tags[image])


@pytest.mark.parametrize("kappa", [0.5, 6.0, 16.0, 120.0])
@pytest.mark.parametrize("fallback", [True, False])
def test_check_05_groups_equal_the_loop(kappa: float, fallback: bool) -> None:
    c = groups_case()
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    got, active = contrastive_losses(
        c["v"], c["u"], c["own"], relation, kappa, memory=c["memory"], fallback=fallback
    )
    want, takes = loop(c["v"], torch.cat([c["u"], c["memory"]]), c["own"], relation, kappa, fallback)
    assert active.tolist() == takes
    assert not active[3:5].any() and bool(active[0]) is fallback
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-12)
    mean = contrastive_loss(c["v"], c["u"], c["own"], relation, kappa, memory=c["memory"], fallback=fallback)
    assert abs(float(mean) - math.fsum(want) / sum(takes)) < 1e-12


@pytest.mark.parametrize("kappa", [8.0, 60.0])
@pytest.mark.parametrize("count", [True, False])
def test_check_05_tags_equal_the_loop(kappa: float, count: bool) -> None:
    v, u, own, _, relation = tags_case()
    got, _ = contrastive_losses(v, u, own, relation, kappa, count_own=count)
    want, _ = loop(v, u, own, relation, kappa, count=count)
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kappa", [6.0, 16.0, 100.0])
def test_check_05_float32_keeps_weak_positives_beside_a_strong_own_segment(kappa: float) -> None:
    u = unit(40, 16, seed=8)
    own = torch.arange(40).repeat(5)
    group = torch.arange(40) % 7
    relation = Relation.from_groups(group[own], group)
    v = u[own]  # each pixel lies on its own prototype: its own exponential dwarfs the others
    exact, _ = contrastive_losses(v, u, own, relation, kappa)
    single, _ = contrastive_losses(v.float(), u.float(), own, relation, kappa)
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=1e-5)


def test_check_05_float32_far_positives_do_not_underflow() -> None:
    u = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    v = torch.tensor([[1.0, 0.0]]).requires_grad_()
    relation = Relation.from_groups(torch.tensor([0]), torch.tensor([0, 0, 1, 1]))
    loss = contrastive_loss(v, u, torch.tensor([0]), relation, 100.0)
    assert loss.item() == pytest.approx(200.0)
    loss.backward()
    torch.testing.assert_close(v.grad, 100 * (u[2] - u[1])[None])


def test_check_03_rotation_leaves_the_loss() -> None:
    c = groups_case()
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    turn = torch.linalg.qr(unit(7, 7, seed=9)).Q
    plain = contrastive_loss(c["v"], c["u"], c["own"], relation, 6.0, memory=c["memory"])
    turned = contrastive_loss(
        c["v"] @ turn, c["u"] @ turn, c["own"], relation, 6.0, memory=c["memory"] @ turn
    )
    assert abs((plain - turned).item()) < 1e-12


def test_check_04_order_and_duplicates_leave_the_loss() -> None:
    c = groups_case()
    g, own, s = c["g"], c["own"], len(c["u"])

    def value(v: Tensor, u: Tensor, own: Tensor, g: Tensor) -> float:
        return float(contrastive_loss(v, u, own, Relation.from_groups(g[own], g), 6.0, memory=c["memory"]))

    plain = value(c["v"], c["u"], own, g)
    shuffle = torch.randperm(s, generator=torch.Generator().manual_seed(1))
    rank = torch.argsort(shuffle)
    renamed = value(c["v"], c["u"][shuffle], rank[own], torch.cat([g[:s][shuffle], g[s:]]))
    pixels = torch.randperm(len(own), generator=torch.Generator().manual_seed(2))
    reordered = value(c["v"][pixels], c["u"], own[pixels], g)
    twice = value(c["v"].repeat(2, 1), c["u"], own.repeat(2), g)
    for other in (renamed, reordered, twice):
        assert abs(plain - other) < 1e-12


def test_check_06_small_kappa_has_a_closed_form() -> None:
    c = groups_case()
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    losses, active = contrastive_losses(c["v"], c["u"], c["own"], relation, 1e-9, memory=c["memory"])
    for i in active.nonzero()[:, 0].tolist():
        positives = int((c["g"] == c["g"][c["own"][i]]).sum()) - 1
        negatives = int((c["g"] >= 0).sum()) - positives - 1
        positives = max(positives, 1)
        assert float(losses[i]) == pytest.approx(math.log((positives + negatives) / positives), abs=1e-7)


@pytest.mark.parametrize("kappa", [2.0, 10.0, 50.0])
def test_check_06_two_orthogonal_prototypes(kappa: float) -> None:
    u = torch.eye(2, dtype=torch.float64)
    relation = Relation.from_groups(torch.tensor([0]), torch.tensor([0, 1]))
    loss = contrastive_loss(u[:1], u, torch.tensor([0]), relation, kappa)
    assert abs(loss.item() - math.log1p(math.exp(-kappa))) < 1e-12


@pytest.mark.parametrize("kappa", [6.0, 50.0])
def test_check_07_gradients_of_groups(kappa: float) -> None:
    c = groups_case(n=14, s=6, m=3, groups=2)
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    weights = torch.linspace(0.1, 2, 14, dtype=torch.float64)
    v, u = c["v"].requires_grad_(), c["u"].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v, u: contrastive_loss(
            v, u, c["own"], relation, kappa, memory=c["memory"], weights=weights, block=3
        ),
        (v, u),
    )


@pytest.mark.parametrize("count", [True, False])
def test_check_07_gradients_of_tags(count: bool) -> None:
    v, u, own, _, relation = tags_case()
    v, u = v[:16].requires_grad_(), u.requires_grad_()
    short = Relation(relation.rows[:16], relation.positive, relation.takes_part)
    assert torch.autograd.gradcheck(
        lambda v, u: contrastive_loss(v, u, own[:16], short, 8.0, count_own=count), (v, u)
    )


def test_check_07_gradient_through_the_pixels_own_prototypes() -> None:
    c = groups_case(n=14, s=6, m=3, groups=2)
    own = torch.arange(14) % 6
    relation = Relation.from_groups(c["g"][own], c["g"])

    def loss(raw: Tensor) -> Tensor:
        v = normalize(raw)
        return contrastive_loss(v, segment_prototypes(v, own, 6), own, relation, 6.0, memory=c["memory"])

    assert torch.autograd.gradcheck(loss, (c["v"].requires_grad_(),))


def test_check_07_memory_has_no_gradient() -> None:
    c = groups_case()
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    memory = c["memory"].requires_grad_()
    contrastive_loss(c["v"].requires_grad_(), c["u"], c["own"], relation, 6.0, memory=memory).backward()
    assert memory.grad is None
    assert c["v"].grad is not None and float(c["v"].grad.abs().max()) > 0


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_check_08_blocks_equal_the_whole(block: int) -> None:
    c = groups_case()
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    results = []
    for size in (block, None):
        v, u = c["v"].clone().requires_grad_(), c["u"].clone().requires_grad_()
        loss = contrastive_loss(v, u, c["own"], relation, 6.0, memory=c["memory"], block=size)
        results.append((loss.detach(), *torch.autograd.grad(loss, (v, u))))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_check_10_a_value_worked_out_by_hand() -> None:
    # Own (1,0), one positive at 60 degrees, negatives at 90 and 180 degrees; kappa 2.
    u = torch.tensor([[1, 0], [0.5, 3**0.5 / 2], [0, 1], [-1, 0]], dtype=torch.float64)
    relation = Relation.from_groups(torch.tensor([4]), torch.tensor([4, 4, 9, 2]))
    loss = contrastive_loss(u[:1], u, torch.tensor([0]), relation, 2.0)
    want = -math.log(math.e / (math.e + 1 + math.exp(-2)))
    assert abs(loss.item() - want) < 1e-12


def test_weights_make_a_weighted_mean() -> None:
    c = groups_case()
    relation = Relation.from_groups(c["g"][c["own"]], c["g"])
    weights = torch.rand(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses, active = contrastive_losses(c["v"], c["u"], c["own"], relation, 6.0, memory=c["memory"])
    loss = contrastive_loss(c["v"], c["u"], c["own"], relation, 6.0, memory=c["memory"], weights=weights)
    want = (weights * losses)[active].sum() / weights[active].sum()
    assert loss.item() == pytest.approx(want.item(), abs=1e-12)


def test_single_class_is_exactly_zero() -> None:
    v, u = unit(30, 5).float().requires_grad_(), unit(4, 5, seed=1).float().requires_grad_()
    own = torch.arange(30) % 4
    loss = contrastive_loss(v, u, own, Relation.from_groups(0 * own, torch.zeros(4, dtype=torch.long)), 6.0)
    loss.backward()
    assert loss.item() == 0
    assert float(v.grad.abs().max()) == 0 and float(u.grad.abs().max()) == 0


@pytest.mark.parametrize("n", [0, 5])
def test_nobody_takes_part(n: int) -> None:
    v = unit(n, 4).requires_grad_()
    u = unit(3, 4, seed=1).requires_grad_()
    own = torch.zeros(n, dtype=torch.long)
    loss = contrastive_loss(v, u, own, Relation.from_groups(own - 1, torch.full((3,), -1)), 6.0)
    loss.backward()
    assert loss.item() == 0 and v.grad is not None and not v.grad.any()


def test_no_segment_at_all() -> None:
    v = torch.zeros(0, 4, requires_grad=True)
    none = torch.zeros(0, dtype=torch.long)
    loss = contrastive_loss(v, torch.zeros(0, 4), none, Relation.from_groups(none, none), 6.0)
    loss.backward()
    assert loss.item() == 0


def test_a_pixel_can_have_no_own_segment() -> None:
    v, u = unit(4, 5), unit(3, 5, seed=1)
    own, groups = torch.tensor([-1, -1, 0, 1]), torch.tensor([0, 1, 1])
    relation = Relation.from_groups(torch.tensor([0, 7, 0, 1]), groups)
    got, active = contrastive_losses(v, u, own, relation, 6.0)
    want, takes = loop(v, u, own, relation, 6.0)
    assert active.tolist() == takes == [True, False, True, True]
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kappa", "pixels", "segments", "words"),
    [(0.0, 4, 3, "kappa"), (float("nan"), 4, 3, "kappa"), (6.0, 5, 3, "5 pixels"), (6.0, 4, 2, "segments")],
)
def test_bad_input_is_refused(kappa: float, pixels: int, segments: int, words: str) -> None:
    four = torch.zeros(4, dtype=torch.long)
    relation = Relation.from_groups(four, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ConfigError, match=words):
        contrastive_loss(unit(pixels, 2), unit(segments, 2), four, relation, kappa)
