"""Where frames lie along a strip, which colours they have, and how films are put into words."""

import numpy as np
import pytest

from spml_napari.docks.confidence_colors import UNKNOWN, confidence_colors
from spml_napari.docks.film_times import clock, contents_in_words, length_in_words
from spml_napari.docks.frame_scale import FrameScale, frame_columns, worst_by_column


@pytest.mark.parametrize(
    ("count", "columns"), [(100_000, 1237), (1000, 999), (7, 7), (5, 40), (1, 3), (13, 4)]
)
def test_each_column_keeps_the_worst_of_its_frames(count, columns):
    rng = np.random.default_rng(count)
    values = rng.random(count, dtype=np.float32)
    values[rng.random(count) < 0.3] = np.nan
    found = worst_by_column(values, columns)
    assert found.shape == (columns,)
    # A column's frames are those from its own first one up to the next column's; at least one.
    starts = [column * count // columns for column in range(columns)] + [count]
    for column in range(columns):
        known = [v for v in values[starts[column] : max(starts[column + 1], starts[column] + 1)] if v == v]
        if known:
            assert found[column] == min(known)
        else:
            assert np.isnan(found[column])


def test_one_bad_frame_among_100000_is_seen():
    values = np.ones(100_000, np.float32)
    values[77_777] = 0.25
    found = worst_by_column(values, 800)
    assert found.min() == 0.25
    assert int(found.argmin()) == frame_columns([77_777], 100_000, 800)[0]
    assert frame_columns([], 100_000, 800) == []
    assert len(frame_columns(range(50_000), 100_000, 800)) == 400


@pytest.mark.parametrize(("count", "width"), [(1, 300), (10, 300), (300, 300), (100_000, 1264)])
def test_a_place_means_the_frame_that_lies_there(count, width):
    scale = FrameScale(count, 8, width)
    for index in {0, count // 3, count - 1}:
        assert abs(scale.index_at(scale.x_of(index)) - index) <= 0
        assert scale.edge(index) < scale.x_of(index) < scale.edge(index + 1)
    assert scale.index_at(-50) == 0
    assert scale.index_at(8 + width + 50) == count - 1


def test_a_click_beside_a_tick_means_its_frame():
    scale = FrameScale(1000, 0, 500)
    assert scale.nearest(101.0, [200, 900], reach=6) == 200
    assert scale.nearest(120.0, [200, 900], reach=6) is None
    assert scale.nearest(10.0, [], reach=6) is None


def test_colours_tell_confidence_also_without_telling_red_from_green():
    colors = confidence_colors(np.linspace(0, 1, 50, dtype=np.float32)).astype(float)
    lightness = colors[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(lightness) > 0)
    assert tuple(confidence_colors(np.array([np.nan], np.float32))[0]) == UNKNOWN


def test_times_and_lengths_in_words():
    assert clock(0) == "00:00.00"
    assert clock(75.5) == "01:15.50"
    assert clock(59.999) == "01:00.00"
    assert clock(3661.25) == "1:01:01.25"
    assert length_in_words(300, 25.0) == "300 frames \u00b7 12 s"
    assert length_in_words(1, None) == "1 frame"
    assert length_in_words(180, 24.0) == "180 frames \u00b7 7.5 s"
    assert length_in_words(18_000, 25.0) == "18000 frames \u00b7 12 min"
    assert contents_in_words(1, 0) == "1 picture"
    assert contents_in_words(0, 1, 60) == "1 film, 60 frames"
    assert contents_in_words(2, 2, 1) == "2 pictures, 2 films, 1 frame"
    assert contents_in_words(0, 2) == "2 films"
    assert contents_in_words(3, 1) == "3 pictures, 1 film"
