from itertools import pairwise

import numpy as np
import pytest

from spml_core.errors import ConfigError
from spml_core.video.consistency import FlickerMap, TemporalConsistency, measure_steadiness
from spml_core.video.flow import build_flow
from spml_core.video.validity import forward_backward_valid
from spml_core.video.warp import inside


def sampled(values, flow, y, x):
    """Bilinear sample with clamped positions, float64."""
    height, width = values.shape
    at_x = min(max(x + float(flow[y, x, 0]), 0.0), width - 1.0)
    at_y = min(max(y + float(flow[y, x, 1]), 0.0), height - 1.0)
    left, top = int(at_x), int(at_y)
    right, below = min(left + 1, width - 1), min(top + 1, height - 1)
    a, b = at_x - left, at_y - top
    v = values.astype(np.float64)
    upper = (1 - a) * v[top, left] + a * v[top, right]
    return (1 - b) * upper + b * ((1 - a) * v[below, left] + a * v[below, right])


def by_loops(pairs, num_classes, mode):
    hits, unions = [0] * num_classes, [0] * num_classes
    for labels_t, labels_next, flow, valid in pairs:
        for y, x in np.ndindex(labels_t.shape):
            own = int(labels_t[y, x])
            void = sampled(labels_next == 255, flow, y, x)
            if mode == "literature":
                if own == 255 or void > 0:
                    continue
                other = int(sampled(labels_next, flow, y, x) + 1e-9)
            else:
                codes = [int(c) for c in np.unique(labels_next)]
                weights = [sampled(labels_next == c, flow, y, x) for c in codes]
                other = codes[int(np.argmax(weights))]
                if own == 255 or other == 255 or not valid[y, x]:
                    continue
            for c in range(num_classes):
                hits[c] += own == c and other == c
                unions[c] += own == c or other == c
    return float(np.mean([h / u for h, u in zip(hits, unions, strict=True) if u]))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(3):
        blocks = rng.choice(np.array([0, 1, 2, 3, 4, 255], np.uint8), (5, 6))
        labels_t = np.kron(blocks, np.ones((4, 4), np.uint8))
        labels_next = labels_t.copy()
        labels_next[rng.random(labels_t.shape) < 0.1] = 3
        # Sixteenths, so that the weights are exact and equal ones are equal however they are computed.
        flow = (rng.integers(-40, 40, (*labels_t.shape, 2)) / 16).astype(np.float32)
        found.append((labels_t, labels_next, flow, inside(flow) & (rng.random(labels_t.shape) < 0.8)))
    return found


@pytest.mark.parametrize("mode", ["literature", "corrected"])
@pytest.mark.parametrize("num_classes", [5, 7])
def test_by_loops(pairs, mode, num_classes):
    meter = TemporalConsistency(num_classes, mode)
    for pair in pairs:
        assert meter.add(*pair) is meter
    assert meter.value == pytest.approx(by_loops(pairs, num_classes, mode), abs=1e-12)
    assert 0 < meter.value < 1


def test_counts_add_up_over_pairs_and_are_not_means_of_pairs(pairs):
    meter = TemporalConsistency(5)
    each = [TemporalConsistency(5).add(*pair) for pair in pairs]
    for pair in pairs:
        meter.add(*pair)
    np.testing.assert_array_equal(meter.intersections, sum(m.intersections for m in each))
    np.testing.assert_array_equal(meter.unions, sum(m.unions for m in each))


@pytest.mark.parametrize("mode", ["literature", "corrected"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_the_same_labels_without_motion_are_steady(mode, dtype):
    labels = np.random.default_rng(0).choice([0, 1, 5, 255], (30, 41)).astype(dtype)
    meter = TemporalConsistency(6, mode).add(labels, labels, np.zeros((30, 41, 2), np.float32))
    assert meter.value == 1
    assert meter.unions.sum() == (labels != 255).sum()
    assert not meter.unions[2:5].any()


def moved(step):
    """A square of class 4 that moves, where class 1 and 2 would lie between it and the background."""
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5 + step : 15 + step] = 4
    return labels


def test_the_literatures_classes_between_classes():
    flow = np.zeros((20, 30, 2), np.float32)
    flow[..., 0] = 2.5
    literature = TemporalConsistency(5, "literature").add(moved(0), moved(2), flow)
    corrected = TemporalConsistency(5, "corrected").add(moved(0), moved(2), flow)
    assert literature.unions[2] > 0  # halfway between 0 and 4
    assert corrected.unions[2] == 0
    assert literature.value < corrected.value


def test_flow_of_parts_of_pixels_changes_nothing_within_a_class():
    flow = np.random.default_rng(0).normal(0, 2, (50, 50, 2)).astype(np.float32)
    for code in range(1, 60):
        labels = np.full((50, 50), code, np.uint8)
        assert TemporalConsistency(60, "literature").add(labels, labels, flow).value == 1


def test_hidden_pixels_count_in_the_literature_alone():
    labels_t, labels_next = np.zeros((2, 8, 8), np.uint8)
    labels_next[:, 4:] = 1
    flow = np.zeros((8, 8, 2), np.float32)
    valid = np.ones((8, 8), bool)
    valid[:, 4:] = False
    assert TemporalConsistency(2, "corrected").add(labels_t, labels_next, flow, valid).value == 1
    assert TemporalConsistency(2, "literature").add(labels_t, labels_next, flow, valid).value == 0.25


def test_without_validity_what_leaves_the_frame_is_left_out():
    labels = np.tile(np.arange(8, dtype=np.uint8), (4, 1))
    flow = np.zeros((4, 8, 2), np.float32)
    flow[..., 0] = 1
    following = np.roll(labels, 1, 1)
    assert TemporalConsistency(8).add(labels, following, flow).value == 1


def test_void_around_doesnt_leak_into_classes():
    labels = np.full((6, 9), 255, np.uint8)
    labels[:, :4] = 1
    flow = np.zeros((6, 9, 2), np.float32)
    flow[..., 0] = 0.25
    for mode in ("literature", "corrected"):
        assert TemporalConsistency(200, mode).add(labels, labels, flow).value == 1


@pytest.mark.parametrize("mode", ["literature", "corrected"])
def test_nothing_counted_is_no_number(mode):
    void = np.full((4, 4), 255, np.uint8)
    flow = np.zeros((4, 4, 2), np.float32)
    assert np.isnan(TemporalConsistency(3, mode).value)
    assert np.isnan(TemporalConsistency(3, mode).add(void, void, flow).value)


def test_flicker_by_loops(pairs):
    flicker = FlickerMap((20, 24))
    changes, counts = np.zeros((20, 24)), np.zeros((20, 24))
    for pair in pairs:
        labels_t, labels_next, flow, valid = pair
        flicker.add(*pair)
        codes = [int(c) for c in np.unique(labels_next)]
        for y, x in np.ndindex(20, 24):
            other = codes[int(np.argmax([sampled(labels_next == c, flow, y, x) for c in codes]))]
            if valid[y, x] and labels_t[y, x] != 255 and other != 255:
                counts[y, x] += 1
                changes[y, x] += other != labels_t[y, x]
    found = flicker.value
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), counts == 0)
    there = counts > 0
    np.testing.assert_allclose(found[there], changes[there] / counts[there], rtol=1e-6)


def film(count, flickers):
    """A textured picture that moves to the left by two pixels a frame, labels with it; one corner changes."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (20, 40, 3)).astype(np.uint8)
    wide = np.kron(small, np.ones((4, 4, 1), np.uint8))
    classes = np.zeros((80, 160), np.uint8)
    classes[20:60, 40:110] = 1
    for i in range(count):
        labels = classes[:, 2 * i : 2 * i + 120].copy()
        if flickers and i % 2:
            labels[:10, :10] = 1
        yield wide[:, 2 * i : 2 * i + 120], labels


def test_a_steady_film_and_one_that_flickers():
    steady = measure_steadiness(film(6, flickers=False), 2, build_flow("dis"))
    unsteady = measure_steadiness(film(6, flickers=True), 2, build_flow("dis"))
    assert steady.pairs == unsteady.pairs == 5
    assert steady.corrected > 0.99
    assert unsteady.literature < steady.literature <= steady.corrected
    assert unsteady.corrected < steady.corrected
    assert np.nanmax(steady.flicker[:10, :10]) == 0
    assert np.nanmean(unsteady.flicker[:8, :7]) > 0.9
    assert unsteady.flicker.shape == (80, 120)


def test_the_films_numbers_are_those_of_its_pairs():
    flow = build_flow("dis")
    frames = list(film(3, flickers=True))
    found = measure_steadiness(iter(frames), 2, flow)
    literature, corrected, flicker = (
        TemporalConsistency(2, "literature"),
        TemporalConsistency(2),
        FlickerMap((80, 120)),
    )
    for (rgb, labels), (following, labels_next) in pairwise(frames):
        there = flow(rgb, following)
        valid = forward_backward_valid(there, flow(following, rgb))
        literature.add(labels, labels_next, there)
        corrected.add(labels, labels_next, there, valid)
        flicker.add(labels, labels_next, there, valid)
    assert found.literature == literature.value
    assert found.corrected == corrected.value
    np.testing.assert_array_equal(found.flicker, flicker.value)


def test_only_two_frames_are_held():
    import weakref

    alive = []

    class Frame(np.ndarray):
        pass

    def frames():
        for _ in range(12):
            rgb = np.zeros((16, 16, 3), np.uint8).view(Frame)
            alive.append(weakref.ref(rgb))
            yield rgb, np.zeros((16, 16), np.uint8)
            del rgb
            assert sum(ref() is not None for ref in alive) <= 2

    assert measure_steadiness(frames(), 2, build_flow("identity")).corrected == 1


@pytest.mark.parametrize("count", [0, 1])
def test_a_film_without_pairs(count):
    found = measure_steadiness(film(count, flickers=False), 2, build_flow("identity"))
    assert found.pairs == 0
    assert np.isnan(found.literature)
    assert np.isnan(found.corrected)
    assert found.flicker.shape == ((80, 120) if count else (0, 0))
    assert np.isnan(found.flicker).all()


def test_what_doesnt_fit_is_refused():
    labels, flow = np.zeros((4, 5), np.uint8), np.zeros((4, 5, 2), np.float32)
    with pytest.raises(ConfigError, match="mean"):
        TemporalConsistency(2, "mean")
    for bad in [
        (labels, labels[:, 1:], flow),
        (labels, labels, flow[1:]),
        (labels, labels, flow, np.ones((3, 3), bool)),
        (labels[0], labels[0], flow),
    ]:
        with pytest.raises(ConfigError, match="one size"):
            TemporalConsistency(2).add(*bad)
    with pytest.raises(ConfigError, match="flicker map"):
        FlickerMap((9, 9)).add(labels, labels, flow)
