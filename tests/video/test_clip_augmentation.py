import cv2
import numpy as np
import pytest

from spml_core.errors import ConfigError
from spml_core.video.augmentation import ClipAugmentation, ClipTransform
from spml_core.video.validity import forward_backward_valid
from spml_core.video.warp import inside, warp_array, warp_labels

SIZE = (40, 60)


def transform(flip=False, scaled=SIZE, corner=(0, 0), crop=None, flipped_labels=()):
    return ClipTransform(SIZE, flip, scaled, corner, crop or scaled, flipped_labels)


@pytest.fixture
def smooth():
    """A smooth picture, a smooth flow, a label map and probabilities."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.random((*SIZE, 3)).astype(np.float32) * 255, (0, 0), 4)
    flow = cv2.GaussianBlur(rng.normal(0, 50, (*SIZE, 2)).astype(np.float32), (0, 0), 6)
    labels = cv2.resize(
        rng.integers(0, 4, (8, 12)).astype(np.uint8), SIZE[::-1], interpolation=cv2.INTER_NEAREST
    )
    probabilities = np.eye(4, dtype=np.float32)[labels]
    return picture, flow, labels, probabilities


def test_a_mirror_negates_x():
    flow = np.random.default_rng(0).normal(size=(*SIZE, 2)).astype(np.float32)
    found = transform(flip=True).flow(flow)
    for y, x in np.ndindex(*SIZE):
        np.testing.assert_array_equal(
            found[y, x], [-flow[y, SIZE[1] - 1 - x, 0], flow[y, SIZE[1] - 1 - x, 1]]
        )


def test_scaling_multiplies_each_component():
    flow = np.full((*SIZE, 2), (3, -2), np.float32)
    found = transform(scaled=(20, 90)).flow(flow)
    np.testing.assert_allclose(found, np.broadcast_to(np.float32([4.5, -1]), (20, 90, 2)))


def test_warping_the_mirror_is_the_mirror_of_warping(smooth):
    picture, flow, labels, probabilities = smooth
    flip = transform(flip=True)
    mirrored = flip.flow(flow)
    np.testing.assert_allclose(
        warp_array(picture[:, ::-1], mirrored), warp_array(picture, flow)[:, ::-1], atol=1e-3
    )
    np.testing.assert_allclose(
        warp_array(flip.probabilities(probabilities), mirrored),
        flip.probabilities(warp_array(probabilities, flow)),
        atol=1e-5,
    )
    differ = warp_labels(flip.labels(labels), mirrored) != flip.labels(warp_labels(labels, flow))
    assert differ.mean() < 0.001  # but for rounding of equal weights
    np.testing.assert_array_equal(inside(mirrored), inside(flow)[:, ::-1])


@pytest.mark.parametrize("scaled", [(80, 120), (60, 120), (100, 100)])
def test_warping_the_scaled_is_scaling_the_warped(smooth, scaled):
    picture, flow, _, probabilities = smooth
    grow = transform(scaled=scaled)
    inner = np.s_[10:-10, 10:-10]
    bigger = cv2.resize(picture, scaled[::-1], interpolation=cv2.INTER_LINEAR)
    expected = cv2.resize(warp_array(picture, flow), scaled[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(warp_array(bigger, grow.flow(flow))[inner], expected[inner], atol=1.5)
    assert np.abs(expected - bigger)[inner].max() > 5  # the flow does move something
    found = warp_array(grow.probabilities(probabilities), grow.flow(flow))
    assert np.abs(found - grow.probabilities(warp_array(probabilities, flow)))[inner].mean() < 0.02


def test_shrinking_by_half_averages():
    rgb = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    found = transform(scaled=(20, 30)).picture(rgb)
    means = rgb.reshape(20, 2, 30, 2, 3).astype(float).mean((1, 3))
    assert np.abs(found - means).max() <= 0.5


def test_labels_are_scaled_to_the_nearest_pixel():
    labels = np.random.default_rng(0).integers(0, 250, SIZE).astype(np.uint8)
    found = transform(scaled=(53, 97)).labels(labels)
    for y, x in np.ndindex(53, 97):
        assert found[y, x] == labels[int((y + 0.5) * 40 / 53), int((x + 0.5) * 60 / 97)]


def test_a_crop_is_the_same_window_of_everything(smooth):
    picture, flow, labels, probabilities = smooth
    rgb = picture.astype(np.uint8)
    valid = labels > 1
    crop = transform(corner=(7, 9), crop=(20, 30))
    window = np.s_[7:27, 9:39]
    np.testing.assert_array_equal(crop.picture(rgb), rgb[window])
    np.testing.assert_array_equal(crop.flow(flow), flow[window])
    np.testing.assert_array_equal(crop.labels(labels), labels[window])
    np.testing.assert_array_equal(crop.probabilities(probabilities), probabilities[window])
    np.testing.assert_array_equal(crop.valid(valid), valid[window])


def test_padding(smooth):
    picture, flow, labels, probabilities = smooth
    pad = transform(crop=(45, 70))
    found = [
        pad.picture(picture.astype(np.uint8)),
        pad.flow(flow),
        pad.labels(labels),
        pad.probabilities(probabilities),
        pad.valid(np.ones(SIZE, bool)),
    ]
    for array, padding in zip(found, [(124, 116, 104), (0, 0), 255, 0, False], strict=True):
        assert array.shape[:2] == (45, 70)
        assert (array[40:] == padding).all()
        assert (array[:, 60:] == padding).all()
    np.testing.assert_array_equal(found[2][:40, :60], labels)
    assert found[4].dtype == bool
    assert found[4][:40, :60].all()


def test_left_and_right_are_swapped_in_the_mirror(smooth):
    *_, labels, probabilities = smooth
    labels = labels.copy()
    labels[0, 0] = 255
    swap = transform(flip=True, flipped_labels=(0, 2, 1, 3))
    table = {0: 0, 1: 2, 2: 1, 3: 3, 255: 255}
    expected = np.vectorize(table.get)(labels[:, ::-1])
    np.testing.assert_array_equal(swap.labels(labels), expected)
    found = swap.probabilities(probabilities).argmax(2)
    np.testing.assert_array_equal(found[:, :-1], expected[:, :-1])
    np.testing.assert_array_equal(transform(flipped_labels=(0, 2, 1, 3)).labels(labels), labels)


def test_types_stay_and_arguments_are_left_alone(smooth):
    picture, flow, labels, probabilities = smooth
    changed = transform(flip=True, scaled=(55, 71), corner=(3, 4), crop=(30, 30), flipped_labels=(1, 0, 2, 3))
    for array, method in [
        (picture.astype(np.uint8), changed.picture),
        (flow, changed.flow),
        (labels, changed.labels),
        (labels.astype(np.int64), changed.labels),
        (probabilities, changed.probabilities),
        (labels > 1, changed.valid),
    ]:
        before = array.copy()
        found = method(array)
        assert found.dtype == array.dtype
        assert found.shape == (30, 30, *array.shape[2:])
        assert not np.shares_memory(found, array)
        np.testing.assert_array_equal(array, before)


def test_a_valid_way_stays_valid_in_the_mirror(smooth):
    _, flow, *_ = smooth
    flip = transform(flip=True)
    valid = forward_backward_valid(flow, -flow)
    assert 0 < valid.mean() < 1
    mirrored = forward_backward_valid(flip.flow(flow), flip.flow(-flow))
    assert (flip.valid(valid) != mirrored).mean() < 0.005


def test_draws_are_repeatable_and_cover_the_range():
    augmentation = ClipAugmentation((32, 48), (0.5, 2.0))
    drawn = [augmentation.draw(SIZE, np.random.default_rng(seed)) for seed in range(300)]
    assert drawn[:5] == [augmentation.draw(SIZE, np.random.default_rng(seed)) for seed in range(5)]
    assert 100 < sum(t.flip for t in drawn) < 200
    heights = [t.scaled[0] for t in drawn]
    assert min(heights) < 23
    assert max(heights) > 77
    tops = {t.corner[0] for t in drawn}
    assert len(tops) > 20
    for t in drawn:
        assert t.crop == (32, 48)
        for start, side, crop in zip(t.corner, t.scaled, t.crop, strict=True):
            assert 0 <= start <= max(0, side - crop)
    last = ClipAugmentation((39, 59), (1, 1))
    assert {last.draw(SIZE, np.random.default_rng(seed)).corner for seed in range(40)} == {
        (0, 0), (0, 1), (1, 0), (1, 1),
    }  # fmt: skip


def test_nothing_drawn_is_nothing_done(smooth):
    _, flow, labels, _ = smooth
    same = ClipAugmentation(SIZE, (1, 1), flip=0).draw(SIZE, np.random.default_rng(0))
    np.testing.assert_array_equal(same.flow(flow), flow)
    np.testing.assert_array_equal(same.labels(labels), labels)


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop": (0, 5)},
        {"scales": (0, 1)},
        {"scales": (2, 1)},
        {"flip": 1.5},
        {"flipped_labels": (1, 2, 0)},
        {"flipped_labels": (0, 5)},
    ],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(ConfigError):
        ClipAugmentation(**{"crop": (8, 8), **wrong})


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ConfigError, match="one size"):
        transform().labels(np.zeros((40, 61), np.uint8))
