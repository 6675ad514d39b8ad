import math

import numpy as np
import pytest

from spml_core.errors import MarkError
from spml_core.metrics import ConfusionMatrix, Scores, confusion

K = 5
RNG = np.random.default_rng(3)
TRUTH = RNG.choice([0, 1, 2, 3, 255, K], (17, 23), p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]).astype(np.uint8)
PREDICTION = RNG.integers(0, 3, (17, 23), dtype=np.uint8)


def by_hand(truth, prediction, k):
    matrix = [[0] * k for _ in range(k)]
    for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if t not in (255, k):
            matrix[t][p] += 1
    return matrix


def test_confusion_counts_every_pixel_that_is_a_class():
    matrix = confusion(TRUTH, PREDICTION, K)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == by_hand(TRUTH, PREDICTION, K)


def test_scores_by_hand():
    matrix = by_hand(TRUTH, PREDICTION, K)
    scores = Scores.from_confusion(np.array(matrix))
    ious, ious_all, right, total = [], [], 0, 0
    for c in range(K):
        tp = matrix[c][c]
        fp = sum(matrix[t][c] for t in range(K)) - tp
        fn = sum(matrix[c]) - tp
        right, total = right + tp, total + sum(matrix[c])
        ious_all.append(tp / (tp + fp + fn + 1e-12))
        if tp + fp + fn:
            ious.append(tp / (tp + fp + fn))
            assert scores.iou[c] == pytest.approx(ious[-1], abs=1e-15)
        else:
            assert math.isnan(scores.iou[c])
    assert len(ious) == 4  # class 4 is nowhere, class 3 only in the truth
    assert scores.miou == pytest.approx(sum(ious) / 4, abs=1e-15)
    assert scores.miou_all == pytest.approx(sum(ious_all) / K, abs=1e-15)
    assert scores.accuracy == pytest.approx(right / total, abs=1e-15)


def test_prediction_under_void_does_not_count_whatever_it_is():
    other = PREDICTION.copy()
    other[TRUTH == 255] = 200
    assert np.array_equal(confusion(TRUTH, other, K), confusion(TRUTH, PREDICTION, K))


def test_pictures_add_up():
    matrix = ConfusionMatrix(K)
    for part in np.array_split(np.arange(17), 3):
        matrix.update(TRUTH[part], PREDICTION[part])
    assert np.array_equal(matrix.counts, confusion(TRUTH, PREDICTION, K))
    assert matrix.scores().miou == Scores.from_confusion(matrix.counts).miou


def test_perfect_and_empty():
    truth = np.array([[0, 1]], np.uint8)
    perfect = Scores.from_confusion(confusion(truth, truth, 3))
    assert (perfect.miou, perfect.accuracy) == (1, 1)
    assert perfect.miou_all == pytest.approx(2 / 3)
    empty = ConfusionMatrix(3).scores()
    assert math.isnan(empty.miou)
    assert math.isnan(empty.accuracy)
    assert empty.miou_all == 0


def test_wrong_shapes_and_codes_are_refused():
    with pytest.raises(MarkError, match=r"\(17, 23\).*\(16, 23\)"):
        confusion(TRUTH, PREDICTION[1:], K)
    with pytest.raises(MarkError, match="prediction holds 1 pixels with code 9"):
        confusion(np.zeros((1, 2), int), np.array([[0, 9]]), K)
    with pytest.raises(MarkError, match="truth holds 1 pixels with code 77"):
        confusion(np.array([[0, 77]]), np.zeros((1, 2), int), K)
