import numpy as np
import pytest

from spml_core.video.propagation import confidence_of, joined


@pytest.mark.parametrize("count", [2, 4])
def test_confidence_is_the_mean_over_classes_of_how_sure_each_is(count):
    soft = np.random.default_rng(count).integers(0, 256, (count, 5, 7)).astype(np.uint8)
    sure = [[] for _ in range(count)]
    for y in range(5):
        for x in range(7):
            values = [int(soft[c, y, x]) for c in range(count)]
            sure[values.index(max(values))].append(max(values) / 255)
    mean = sum(sum(part) / len(part) for part in sure if part) / sum(bool(part) for part in sure)
    chance = 1 / count
    assert confidence_of(soft) == pytest.approx((mean - chance) / (1 - chance), abs=1e-9)


def test_confidence_reaches_from_0_to_1():
    sure = np.zeros((2, 4, 4), np.uint8)
    sure[0, :2] = sure[1, 2:] = 255
    assert confidence_of(sure) == 1
    assert confidence_of(np.full((4, 4, 4), 64, np.uint8)) == pytest.approx(0, abs=2e-3)
    assert confidence_of(np.full((2, 4, 4), 100, np.uint8)) == 0


def test_joined_maps_are_means_by_nearness_and_squared_confidence():
    rng = np.random.default_rng(0)
    first = rng.integers(128, 256, (2, 4, 5))
    one, two = (np.stack([part, 255 - part]).astype(np.uint8) for part in first)
    weights = 3 * confidence_of(one) ** 2, 5 * confidence_of(two) ** 2
    mixed = joined(one, two, 3, 5)
    for c, y, x in np.ndindex(one.shape):
        expected = (weights[0] * one[c, y, x] + weights[1] * two[c, y, x]) / sum(weights)
        assert abs(mixed[c, y, x] - expected) <= 0.5 + 1e-4


def test_where_neither_way_is_sure_nearness_alone_counts():
    one = np.full((2, 1, 1), 100, np.uint8)
    two = np.full((2, 1, 1), 120, np.uint8)
    assert (joined(one, two, 3, 1) == 105).all()
