from dataclasses import replace

import numpy as np
import pytest
import torch

from spml_core.classes import IGNORE
from spml_core.config import TrainConfig
from spml_core.errors import ConfigError, TrainingError
from spml_core.labeling.trained_model import build_network
from spml_core.training import TrainingPicture, TrainingSet
from spml_core.training.choosing import choose_color_strength
from spml_core.training.linear_start import fit_logistic, leading_directions
from spml_core.training.pseudo_labels import add_pseudo_labels, vote_among_samples
from spml_core.training.samples import PictureSample, cell_labels, sample_picture
from spml_core.training.schedule import Clock, StepPlan, poly
from spml_core.training.sources import augmented_crop, with_pseudo_labels


def test_cell_labels_equal_a_loop():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 2, 2, IGNORE], (19, 23)).astype(np.uint8)
    labels[:4, :4] = IGNORE
    labels[4:8, :4] = 2  # unlabelled, K = 2
    cells = cell_labels(labels, 4, 2)
    assert cells.shape == (5, 6)
    for i in range(5):
        for j in range(6):
            part = labels[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            counts = [(part == c).sum() for c in range(2)]
            expected = int(np.argmax(counts)) if max(counts) else (IGNORE if (part == IGNORE).all() else 2)
            assert cells[i, j] == expected


def test_poly_schedule():
    assert [poly(s, 100, warm_up=0) for s in (0, 50, 100)] == pytest.approx([1, 0.5**0.9, 0])
    assert poly(0, 100) == pytest.approx(0.1)
    assert poly(5, 100) == pytest.approx(0.55)
    values = [poly(s, 100) for s in range(10, 101)]
    assert values == sorted(values, reverse=True)


class FakeTime:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("slow_from", [5, 60, 1000])
def test_plan_ends_with_the_budget_also_when_steps_get_slower(slow_from):
    time = FakeTime()
    plan = StepPlan(clock := Clock(100, now=time), reserve=2, most=10_000)
    step = 0
    while step < plan.total:
        seconds = 2.0 if step >= slow_from else 0.5
        time.now += seconds
        step += 1
        plan.took(step, seconds)
    assert 95 <= clock.spent <= 100
    assert plan.seconds_left(step) == pytest.approx(2)


def test_plan_respects_the_most_and_the_fixed_number():
    time = FakeTime()
    most = StepPlan(Clock(100, now=time), 0, most=7)
    most.took(1, 0.001)
    assert most.total == 7
    fixed = StepPlan(Clock(1, now=time), 0, most=7, fixed=50)
    fixed.took(1, 30.0)
    assert fixed.total == 50


def test_clock_goes_on_after_a_resume():
    time = FakeTime()
    clock = Clock(100, spent=40, now=time)
    time.now = 10
    assert clock.spent == 50 and clock.left == 50


def test_logistic_start_reaches_the_optimum():
    """At the optimum the gradient is zero; worked out here without the code's own."""
    torch.manual_seed(0)
    x, y = torch.randn(80, 5), torch.randint(0, 3, (80,))
    weight, bias = fit_logistic(x, y, 3, inverse_penalty=0.5, max_iterations=500)
    residual = torch.softmax(x @ weight.T + bias, 1) - torch.nn.functional.one_hot(y, 3)
    assert torch.allclose(0.5 * residual.T @ x + weight, torch.zeros(3, 5), atol=2e-2)
    assert torch.allclose(residual.sum(0), torch.zeros(3), atol=5e-2)


def test_absent_class_never_wins():
    x, y = torch.randn(30, 4), torch.randint(0, 2, (30,))
    weight, bias = fit_logistic(x, y, 3)
    assert (x @ weight.T + bias).argmax(1).max() < 2


def test_fit_stops_when_told():
    weight, _ = fit_logistic(torch.randn(9, 4), torch.arange(9) % 2, 2, keep_going=lambda: False)
    assert (weight == 0).all()


def test_leading_directions_are_orthonormal_and_zero_when_there_are_no_more():
    directions = leading_directions(torch.randn(5, 8), 7, seed=0)
    assert directions.shape == (7, 8)
    product = directions[:5] @ directions[:5].T
    assert torch.allclose(product, torch.eye(5), atol=1e-5)
    assert (directions[5:] == 0).all()


def sample(n=60, classes=2, seed=0, labelled=10) -> PictureSample:
    rng = np.random.default_rng(seed)
    labels = np.full(n, classes)
    labels[:labelled] = rng.integers(0, classes, labelled)
    labels[: min(classes, labelled)] = np.arange(min(classes, labelled))
    fine = np.sort(rng.integers(0, 6, n))
    return PictureSample(
        torch.from_numpy(rng.normal(size=(n, 4)) + labels[:, None] % classes * 3.0).half(),
        torch.from_numpy(np.stack([np.arange(n) // 8, np.arange(n) % 8], 1)),
        (8, 8),
        torch.from_numpy(labels.astype(np.int64)),
        torch.from_numpy(np.stack([fine // 2, fine], 1).astype(np.int64)),
        rng.integers(0, 4096, n).astype(np.int32),
        torch.from_numpy(rng.random(n) < 0.7),
        torch.ones(classes, dtype=torch.bool),
        torch.from_numpy(labels < classes),
        torch.from_numpy(labels.astype(np.int64)),
    )


def test_vote_among_samples_equals_a_loop():
    taken = sample()
    guess = np.random.default_rng(1).random((60, 2)).astype(np.float32)
    voted = vote_among_samples(taken, guess)
    drawn = taken.drawn.numpy()
    for i in range(60):
        parts = []
        for level in taken.levels.numpy().T:
            inside = (level == level[i]) & drawn
            parts.append(guess[inside].mean(0) if inside.any() else guess[i])
        assert np.allclose(voted[i], np.mean(parts, 0), atol=1e-5)


def test_pseudo_labels_leave_marks_alone_and_fill_only_sure_drawn_cells():
    taken = sample(labelled=4)
    guess = torch.tensor([[0.99, 0.01]]).repeat(60, 1)
    (taught,) = add_pseudo_labels([taken], lambda s: guess, 2, color_strength=0.0, confidence=0.7)
    assert (taught.labels[:4] == taken.labels[:4]).all()
    rest = torch.arange(60) >= 4
    assert (taught.labels[rest & taken.drawn] == 0).all()
    assert (taught.labels[rest & ~taken.drawn] == 2).all()
    (unsure,) = add_pseudo_labels(
        [taken], lambda s: torch.full((60, 2), 0.5), 2, color_strength=0.0, confidence=0.7
    )
    assert torch.equal(unsure.labels, taken.labels)


def test_class_not_marked_in_a_well_marked_picture_has_to_be_much_surer():
    taken = replace(sample(classes=3, labelled=6), tags=torch.tensor([True, True, False]))
    taken.labels[taken.labels == 2] = 0

    def fill(p):
        (taught,) = add_pseudo_labels(
            [taken], lambda s: torch.tensor([p]).repeat(60, 1), 3, color_strength=0.0, confidence=0.7
        )
        return taught.labels

    assert not (fill([0.15, 0.05, 0.8]) == 2).any()
    assert (fill([0.001, 0.001, 0.998]) == 2).any()


def test_choice_needs_pictures_and_reports_every_candidate():
    rows = lambda s: s.features.float()  # noqa: E731
    few = choose_color_strength([sample(seed=i) for i in range(3)], rows, 2, (0.0, 1.0), seed=0)
    assert few.score is None and few.color_strength == 1.0
    many = choose_color_strength([sample(seed=i) for i in range(6)], rows, 2, (0.0, 1.0), seed=0)
    assert set(many.scores) == {0.0, 1.0} and many.score == many.scores[many.color_strength]
    assert many.scores[many.color_strength] >= 0.98 * max(many.scores.values())
    cut = choose_color_strength(
        [sample(seed=i) for i in range(6)], rows, 2, (0.0, 1.0), seed=0, keep_going=lambda: False
    )
    assert cut.score is None


def test_sampled_cells_carry_the_features_of_their_place():
    network = build_network(TrainConfig(scales=(1.0,), embedding_dim=4), 2).eval()
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    labels = np.full((48, 64), 2, np.uint8)
    labels[8:12, 20:24], labels[40:44, 60:64] = 0, 1
    labels[:4, :4] = IGNORE
    picture = TrainingPicture.from_arrays("p", rgb, labels, 2)
    taken = sample_picture(network, picture, draw=50, per_class=9, regions=(4, 9), rng=rng)
    with torch.inference_mode():
        whole = network.features(torch.from_numpy(rgb).permute(2, 0, 1)[None].float())[0]
    for row in range(len(taken)):
        y, x = taken.positions[row].tolist()
        assert torch.allclose(taken.features[row].float(), whole[:, y, x], atol=2e-2, rtol=2e-3)
    places = {tuple(p): int(c) for p, c in zip(taken.positions.tolist(), taken.labels.tolist(), strict=True)}
    assert places[(2, 5)] == 0 and places[(10, 15)] == 1 and (0, 0) not in places
    assert taken.grid == (12, 16) and int(taken.drawn.sum()) == 50


@pytest.mark.parametrize("size", [(200, 300), (40, 30)])
def test_crop_keeps_labels_over_their_pixels(size):
    rng = np.random.default_rng(0)
    rgb = np.zeros((*size, 3), np.uint8)
    labels = np.zeros(size, np.uint8)
    rgb[:, size[1] // 2 :], labels[:, size[1] // 2 :] = 255, 1
    for _ in range(10):
        pixels, known = augmented_crop(rgb, labels, 96, 2, rng)
        assert pixels.shape[:2] == known.shape and max(known.shape) <= 97
        # Away from the edge between the halves, bright pixels are class 1.
        bright = pixels[..., 0] > 128
        assert (bright == (known == 1)).mean() > 0.95


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"max_seconds": float("nan")},
        {"steps": 1.5},
        {"scales": ()},
        {"device": 3},
        {"batch": True},
    ],
)
def test_config_refuses_wrong_values(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrainConfig(**values)


def test_config_round_trip_and_presets():
    config = TrainConfig.from_preset("standard", seed=7, max_seconds=None)
    assert config.fine_tune and config.seed == 7 and config.max_seconds == 1200
    import json

    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ConfigError, match="best"):
        TrainConfig.from_preset("best")
    with pytest.raises(ConfigError, match="colour"):
        TrainConfig.from_preset("quick", colour=1)
    with pytest.raises(ConfigError, match="later"):
        TrainConfig.from_dict({"later": 1})


def test_training_set_refuses_odd_labels():
    rgb = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(TrainingError, match="label 7"):
        TrainingSet.from_arrays([rgb], [np.full((20, 20), 7, np.uint8)], ["a", "b"])
    with pytest.raises(TrainingError, match="shape"):
        TrainingSet.from_arrays([rgb], [np.zeros((20, 21), np.uint8)], ["a", "b"])
    with pytest.raises(TrainingError, match="1 pictures"):
        TrainingSet.from_arrays([rgb], [], ["a", "b"])


def test_pseudo_labels_fill_unlabelled_pixels_of_their_cells_only():
    taken = sample()
    marks = np.full((30, 31), 2, np.uint8)
    marks[0, 0], marks[:, 30] = 1, IGNORE
    dense = with_pseudo_labels(marks, taken, 4, 2)
    known = {tuple(p): int(c) for p, c in zip(taken.positions.tolist(), taken.labels.tolist(), strict=True)}
    for y in range(30):
        for x in range(31):
            cell = known.get((y // 4, x // 4), 2)
            assert dense[y, x] == (marks[y, x] if marks[y, x] != 2 else cell)
