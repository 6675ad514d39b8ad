import numpy as np
import pytest

from spml_core.labeling.class_codes import group_probabilities, normalised_entropy, regroup

SHARES = np.array([0.1, 0.2, 0.3, 0.4], np.float32)


def codes(*today, gone):
    table = np.full(256, gone, np.uint8)
    table[: len(today)] = today
    table[255] = 255
    return table


@pytest.mark.parametrize(
    ("today", "count", "expected"),
    [
        ((0, 1, 2, 3), 4, [0.1, 0.2, 0.3, 0.4, 0]),  # as it was
        ((3, 1, 2, 0), 4, [0.4, 0.2, 0.3, 0.1, 0]),  # moved
        ((0, 1, 1, 2), 3, [0.1, 0.5, 0.4, 0]),  # merged
        ((0, 3, 1, 2), 3, [0.1, 0.3, 0.4, 0.2]),  # one deleted
        ((0, 1, 2, 3), 6, [0.1, 0.2, 0.3, 0.4, 0, 0, 0]),  # two new ones
    ],
)
def test_probabilities_follow_their_classes(today, count, expected):
    table = codes(*today, gone=count)
    assert np.allclose(group_probabilities(SHARES, table, count), expected)
    maps = np.broadcast_to(SHARES[:, None, None], (4, 2, 3)).copy()
    grouped = regroup(maps, table, count)
    assert grouped.shape == (count, 2, 3)
    assert np.allclose(grouped[:, 1, 2], expected[:-1])


def test_entropy_goes_from_certain_to_all_alike():
    probabilities = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    assert np.allclose(normalised_entropy(probabilities, 4), [0, 1, 0.5], atol=1e-6)
    assert (normalised_entropy(np.ones((2, 1)), 1) == 0).all()
