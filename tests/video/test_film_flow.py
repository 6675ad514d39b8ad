import numpy as np
import pytest

from spml_core.video.film_flow import FilmFlow
from spml_core.video.flow import build_flow


class CountingFlow:
    """Says how often it was asked; its flow tells the two frames apart."""

    name, settings = "counting", ""

    def __init__(self):
        self.asked = 0

    def __call__(self, rgb_t, rgb_k):
        self.asked += 1
        return np.full((*rgb_t.shape[:2], 2), float(rgb_k.mean() - rgb_t.mean()), np.float32)


@pytest.fixture
def frames():
    return [np.full((20, 24, 3), value, np.uint8) for value in (10, 13)]


def test_flow_is_computed_once_for_a_pair(tmp_path, frames):
    estimator = CountingFlow()
    flow = FilmFlow(estimator, tmp_path, "film")
    first = flow.between(0, 1, *frames)
    again = FilmFlow(estimator, tmp_path, "film").between(0, 1, *frames)
    assert estimator.asked == 1
    np.testing.assert_array_equal(first, again)
    assert (first == 3).all()
    assert (flow.between(1, 0, *frames[::-1]) == -3).all()
    assert estimator.asked == 2


def test_films_and_sizes_are_told_apart(tmp_path, frames):
    estimator = CountingFlow()
    FilmFlow(estimator, tmp_path, "one").between(0, 1, *frames)
    FilmFlow(estimator, tmp_path, "two").between(0, 1, *frames)
    small = [frame[::2, ::2] for frame in frames]
    assert FilmFlow(estimator, tmp_path, "one").between(0, 1, *small).shape == (10, 12, 2)
    assert estimator.asked == 3


def test_without_a_folder_nothing_is_kept(frames):
    estimator = CountingFlow()
    flow = FilmFlow(estimator)
    flow.between(0, 1, *frames)
    flow.between(0, 1, *frames)
    assert estimator.asked == 2


def test_dis_gives_the_same_whatever_it_was_asked_before():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (64, 96, 3), np.uint8)
    moved = np.roll(rgb, 2, axis=1)
    fresh = build_flow("dis")(rgb, moved)
    used = build_flow("dis")
    used(rgb[:16, :16], moved[:16, :16])
    np.testing.assert_array_equal(used(rgb, moved), fresh)
