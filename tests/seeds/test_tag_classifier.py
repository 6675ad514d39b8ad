"""The multi-label classifier: its poolings and losses against loops in float64, and what it learns."""

import math

import numpy as np
import pytest
import torch

from spml_core.errors import ConfigError, TrainingError
from spml_core.seeds.equivariance import bags_loss, cell_affinity, equivariance_loss, normalised_maps
from spml_core.seeds.pooling import pool_attention, pool_lse, pool_mean
from spml_core.seeds.tag_classifier import Bag, TagClassifier, fit_tag_classifier, tag_loss

CLASSES = 3


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SCORES = draws(17, CLASSES) * 2
BAGS = torch.tensor([0, 2, 1, 1, 0, 2, 2, 2, 0, 1, 3, 2, 0, 0, 1, 2, 3])


def cells_of(bag):
    return [SCORES[i].tolist() for i in range(len(BAGS)) if BAGS[i] == bag]


def test_mean_pooling():
    expected = [
        [math.fsum(s[c] for s in cells_of(b)) / len(cells_of(b)) for c in range(CLASSES)] for b in range(4)
    ]
    torch.testing.assert_close(pool_mean(SCORES, BAGS, 4), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("r", [0.3, 1.0, 5.0])
def test_log_sum_exp_pooling(r):
    expected = [
        [
            math.log(math.fsum(math.exp(r * s[c]) for s in cells_of(b)) / len(cells_of(b))) / r
            for c in range(CLASSES)
        ]
        for b in range(4)
    ]
    torch.testing.assert_close(pool_lse(SCORES, BAGS, 4, r), torch.tensor(expected, dtype=torch.float64))


def test_log_sum_exp_lies_between_mean_and_maximum():
    torch.testing.assert_close(pool_lse(SCORES, BAGS, 4, 1e-6), pool_mean(SCORES, BAGS, 4), atol=1e-4, rtol=0)
    highest = torch.stack([SCORES[torch.eq(BAGS, b)].amax(0) for b in range(4)])
    torch.testing.assert_close(pool_lse(SCORES, BAGS, 4, 1e4), highest, atol=1e-3, rtol=0)
    assert pool_lse(SCORES * 1e5, BAGS, 4).isfinite().all()


def test_attention_pooling():
    expected = []
    for b in range(4):
        row = []
        for c in range(CLASSES):
            above, below = 0.0, 0.0
            for s in cells_of(b):
                a = math.exp(s[c]) / (1 + math.fsum(math.exp(t) for t in s))
                above, below = above + a * s[c], below + a
            row.append(above / (below + 1e-6))
        expected.append(row)
    torch.testing.assert_close(pool_attention(SCORES, BAGS, 4), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("pool", [pool_mean, pool_lse, pool_attention])
def test_poolings_have_the_right_gradient(pool):
    scores = SCORES.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: pool(s, BAGS, 4), (scores,))


def test_the_loss_counts_what_is_known():
    logits = draws(5, CLASSES)
    present = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.bool)
    absent = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.bool)
    total = 0.0
    for c in range(CLASSES):
        terms = []
        for b in range(5):
            if present[b, c]:
                terms.append(math.log(1 + math.exp(-logits[b, c])))
            elif absent[b, c]:
                terms.append(math.log(1 + math.exp(logits[b, c])))
        total += math.fsum(terms) / len(terms) if terms else 0
    assert float(tag_loss(logits, present, absent)) == pytest.approx(total, abs=1e-12)
    changed = torch.where(present | absent, logits, 1e6)
    assert float(tag_loss(changed, present, absent)) == pytest.approx(total, abs=1e-12)


def loop_normalised(scores):
    columns = []
    for column in zip(*scores, strict=True):
        top = max(0.0, *column)
        columns.append([max(s, 0.0) / (top + 1e-5) for s in column])
    return [list(row) for row in zip(*columns, strict=True)]


def loop_affinity(features):
    def cosine(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    rows = [[max(cosine(a, b), 0.0) for b in features] for a in features]
    return [[value / (math.fsum(row) + 1e-5) for value in row] for row in rows]


def loop_refined(affinity, scores):
    return [
        [math.fsum(a * s[c] for a, s in zip(row, scores, strict=True)) for c in range(len(scores[0]))]
        for row in affinity
    ]


def loop_difference(one, other, classes):
    terms = [abs(a[c] - b[c]) for a, b in zip(one, other, strict=True) for c in classes]
    return math.fsum(terms) / len(terms)


def test_maps_and_affinities_as_in_the_loops():
    features = draws(6, 5, seed=3)
    torch.testing.assert_close(
        normalised_maps(SCORES), torch.tensor(loop_normalised(SCORES.tolist()), dtype=torch.float64)
    )
    affinity = cell_affinity(features)
    torch.testing.assert_close(affinity, torch.tensor(loop_affinity(features.tolist()), dtype=torch.float64))
    torch.testing.assert_close(affinity.sum(1), torch.ones(6, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("refine", [False, True])
def test_equivariance_as_in_the_loop(refine):
    s, t = draws(6, CLASSES, seed=1), draws(6, CLASSES, seed=2)
    x, y = draws(6, 5, seed=3), draws(6, 5, seed=4)
    present = torch.tensor([True, False, True])
    a, b = loop_affinity(x.tolist()), loop_affinity(y.tolist())
    mine, its = loop_normalised(s.tolist()), loop_normalised(t.tolist())
    expected = loop_difference(mine, its, (0, 2))
    if refine:
        expected += loop_difference(loop_normalised(loop_refined(a, s.tolist())), its, (0, 2))
        expected += loop_difference(mine, loop_normalised(loop_refined(b, t.tolist())), (0, 2))
    affinities = (cell_affinity(x), cell_affinity(y)) if refine else None
    got = equivariance_loss(s, t, present, affinities)
    assert float(got) == pytest.approx(expected, abs=1e-12)
    joint = bags_loss(
        torch.cat([s, t]), torch.cat([t, t]), torch.stack([present, present]), [6, 6],
        [affinities, affinities] if refine else None,
    )  # fmt: skip
    second = equivariance_loss(t, t, present, affinities)
    assert float(joint) == pytest.approx((expected + float(second)) / 2, abs=1e-12)


def test_a_picture_like_its_twin_or_without_classes_costs_nothing():
    assert float(equivariance_loss(SCORES, SCORES, torch.ones(CLASSES, dtype=torch.bool))) == 0
    assert float(equivariance_loss(SCORES, -SCORES, torch.zeros(CLASSES, dtype=torch.bool))) == 0


def world(bags=24, cells=60, channels=12, seed=0, noise=0.4):
    """Pictures of a background that varies and objects that fill a fifth of the cells: features, truths."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(channels, channels)))[0] * 3
    pictures = []
    for _ in range(bags):
        present = rng.random(CLASSES) < 0.4
        truth = np.zeros(cells, int)
        for c in np.flatnonzero(present):
            truth[rng.choice(cells, cells // 5, replace=False)] = c + 1
        present = np.isin(np.arange(1, CLASSES + 1), truth)
        scene = CLASSES + 1 + rng.integers(4)
        features = directions[np.where(truth > 0, truth, scene)] + rng.normal(size=(cells, channels)) * noise
        pictures.append((torch.from_numpy(features).float(), torch.from_numpy(present), truth))
    return pictures


def bags_of(pictures, known=True):
    return [Bag(x, there, ~there if known else torch.zeros_like(there)) for x, there, _ in pictures]


@pytest.mark.parametrize("pooling", ["attention", "lse", "mean"])
def test_it_finds_the_objects_from_tags_alone(pooling):
    pictures = world()
    classifier = fit_tag_classifier(bags_of(pictures), pooling=pooling, penalty=0.01, max_iterations=30)
    assert classifier.weight.shape == (CLASSES, 12)
    inside, outside = [], []
    for features, present, truth in world(seed=1):
        active = classifier.activations(features)
        assert (active >= 0).all()
        for c in torch.nonzero(present)[:, 0].tolist():
            inside.append(active[truth == c + 1, c].mean())
            outside.append(active[truth != c + 1, c].mean())
    assert np.mean(inside) > 3 * np.mean(outside)


@pytest.mark.parametrize("pooling", ["attention", "lse", "mean"])
def test_it_ends_where_the_objective_is_flat(pooling):
    """The objective written out with every cell, in float64: the fit is at a minimum of it."""
    pictures = world(bags=10, cells=20)
    bags = bags_of(pictures)
    fitted = fit_tag_classifier(bags, pooling=pooling, penalty=0.05, max_iterations=150)
    weight = fitted.weight.double().requires_grad_()
    bias = fitted.bias.double().requires_grad_()
    pool = {"attention": pool_attention, "lse": pool_lse, "mean": pool_mean}[pooling]
    cells = torch.cat([bag.features for bag in bags]).double()
    number = torch.arange(len(bags)).repeat_interleave(20)
    loss = tag_loss(
        pool(cells @ weight.T + bias, number, len(bags)),
        torch.stack([bag.present for bag in bags]),
        torch.stack([bag.absent for bag in bags]),
    ) + 0.05 * sum(w * w for w in weight.ravel())
    loss.backward()
    assert weight.grad.abs().max() < 2e-3
    assert bias.grad.abs().max() < 2e-3


def test_unknown_classes_teach_nothing():
    """Pictures whose tags say nothing of a class change nothing for it, whatever their cells."""
    pictures = world(bags=12)
    bags = bags_of(pictures)
    strange = Bag(
        torch.full((5, 12), 50.0),
        torch.zeros(CLASSES, dtype=torch.bool),
        torch.zeros(CLASSES, dtype=torch.bool),
    )
    alone = fit_tag_classifier(bags, max_iterations=10)
    joined = fit_tag_classifier([*bags, strange], max_iterations=10)
    torch.testing.assert_close(alone.weight, joined.weight)
    torch.testing.assert_close(alone.bias, joined.bias)


def test_a_class_without_a_picture_is_active_nowhere():
    bags = [
        Bag(x, there & torch.tensor([True, True, False]), torch.tensor([False, False, True]))
        for x, there, _ in world()
    ]
    classifier = fit_tag_classifier(bags)
    assert (classifier.activations(torch.cat([bag.features for bag in bags]))[:, 2] == 0).all()
    assert classifier.weight[2].abs().max() == 0


@pytest.mark.parametrize("refine", [False, True])
def test_equivariance_brings_twins_closer(refine):
    """Twins see half of the channels in noise: the classifier learns to rest on the others."""
    bags, draw = [], torch.Generator().manual_seed(0)
    for features, present, _ in world(noise=0.6):
        twin = features.clone()
        twin[:, ::2] = torch.randn(len(twin), 6, generator=draw)
        bags.append(Bag(features, present, ~present, twin))

    def difference(classifier):
        terms = [
            equivariance_loss(
                b.features @ classifier.weight.T + classifier.bias,
                b.twin @ classifier.weight.T + classifier.bias,
                b.present,
            )
            for b in bags
        ]
        return float(torch.stack(terms).mean())

    plain = fit_tag_classifier(bags, penalty=0.01, max_iterations=20)
    steady = fit_tag_classifier(bags, penalty=0.01, equivariance=3.0, refine=refine, max_iterations=20)
    assert difference(steady) < 0.9 * difference(plain)


def test_bags_without_twins_take_no_part_in_equivariance():
    bags = bags_of(world(bags=8))
    plain = fit_tag_classifier(bags, max_iterations=10)
    asked = fit_tag_classifier(bags, equivariance=5.0, max_iterations=10)
    torch.testing.assert_close(plain.weight, asked.weight)


def test_half_precision_and_bags_of_any_size():
    bags = [Bag(x[: 5 + i].half(), there, ~there) for i, (x, there, _) in enumerate(world(bags=10))]
    classifier = fit_tag_classifier(bags, cells=8)
    assert classifier.weight.dtype == torch.float32
    assert classifier.weight.isfinite().all()


def test_it_stops_when_told_and_can_stop_at_once():
    asked = []

    def twice():
        asked.append(1)
        return len(asked) <= 2

    fit_tag_classifier(bags_of(world(bags=8)), keep_going=twice, max_iterations=1000, penalty=1e-6)
    assert len(asked) <= 3
    nothing = fit_tag_classifier(bags_of(world(bags=8)), keep_going=lambda: False)
    assert not nothing.weight.any()


def test_the_same_scores_from_raw_features_and_from_maps():
    draw = torch.Generator().manual_seed(0)
    classifier = TagClassifier(torch.randn(2, 5, generator=draw), torch.randn(2, generator=draw))
    raw = torch.randn(7, 5, generator=draw) * 3 + 1
    mean, scale = raw.mean(0), raw.std(0)
    expected = classifier.activations((raw - mean) / scale)
    torch.testing.assert_close(
        classifier.on_raw(mean, scale).activations(raw), expected, atol=1e-5, rtol=1e-5
    )
    maps = classifier.maps(raw.T.reshape(5, 7, 1))
    torch.testing.assert_close(maps[:, :, 0].T.relu(), classifier.activations(raw))


YES, NO = torch.ones(CLASSES, dtype=torch.bool), torch.zeros(CLASSES, dtype=torch.bool)


@pytest.mark.parametrize(
    "bags",
    [
        [],
        [Bag(torch.zeros(4, 3), NO, YES)],
        [Bag(torch.zeros(0, 3), YES, NO)],
        [Bag(torch.zeros(4, 3), YES, NO), Bag(torch.zeros(4, 2), YES, NO)],
        [Bag(torch.zeros(4, 3), YES, NO), Bag(torch.zeros(4, 3), YES[:2], NO[:2])],
        [Bag(torch.zeros(4, 3), YES, NO, torch.zeros(3, 3))],
    ],
)
def test_bags_it_cannot_learn_from(bags):
    with pytest.raises(TrainingError):
        fit_tag_classifier(bags)


@pytest.mark.parametrize(
    "settings", [{"pooling": "max"}, {"sharpness": 0}, {"penalty": -1}, {"equivariance": -1}, {"cells": 0}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError):
        fit_tag_classifier([Bag(torch.zeros(4, 3), YES, NO)], **settings)
