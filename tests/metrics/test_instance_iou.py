import numpy as np
import pytest

from spml_core.errors import MarkError
from spml_core.metrics import InstanceIoU, instances_per_class


def slow(pictures, num_classes):
    """METHODS.md 1.18, word by word."""
    sums, counts = [0.0] * num_classes, [0] * num_classes
    for truth, guess, instances in pictures:
        for index in range(num_classes):
            count = 0
            for number in set(instances.ravel().tolist()):
                inside = truth[instances == number]
                votes = [int((inside == code).sum()) for code in range(256)]
                count += votes.index(max(votes)) == index
            counted = truth < num_classes
            both = int(((truth == index) & (guess == index) & counted).sum())
            either = int((((truth == index) | (guess == index)) & counted).sum())
            sums[index] += count * both / (either + 1e-12)
            counts[index] += count
    return [s / c if c else np.nan for s, c in zip(sums, counts, strict=True)]


def test_against_loops():
    rng = np.random.default_rng(0)
    scores = InstanceIoU(5)
    pictures = []
    for _ in range(4):
        truth = rng.integers(0, 4, (9, 11)).astype(np.uint8)  # no pixel of class 4
        truth[rng.random(truth.shape) < 0.1] = 255
        guess = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 5, truth.shape))
        guess[guess == 255] = 0
        instances = rng.integers(0, 6, truth.shape)
        pictures.append((truth, guess, instances))
        scores.update(truth, guess, instances)
    np.testing.assert_allclose(scores.iou(), slow(pictures, 5), atol=1e-12)
    assert np.isnan(scores.iou()[4])


def test_the_background_is_an_instance_and_void_is_none():
    truth = np.array([[0, 0, 1, 1, 255, 255]], np.uint8)
    instances = np.array([[0, 0, 1, 2, 3, 3]])
    np.testing.assert_array_equal(instances_per_class(truth, instances, 2), [1, 2])


def test_sizes_must_agree():
    with pytest.raises(MarkError, match="one size"):
        instances_per_class(np.zeros((2, 2), np.uint8), np.zeros((2, 3), int), 2)
