"""The canvas goes along with a propagation, until somebody looks elsewhere."""

from types import SimpleNamespace

import pytest

from spml_core.annotations import Point
from spml_napari.frame_follower import FrameFollower

LONG = 60_000


@pytest.fixture
def place():
    """Canvas and player in one: a frame is on the canvas at once, unless said otherwise."""
    return SimpleNamespace(is_ready=True, is_drawing=False, is_playing=False)


def test_frames_pass_by_no_quicker_than_the_canvas_shows_them(film_session, place, qtbot):
    follower, shown = FrameFollower(film_session, place, place), []
    film_session.picture_changed.connect(lambda: shown.append(film_session.frame_index))
    place.is_ready = False
    follower.begin()
    for index in range(20):
        follower.show(index)
    qtbot.wait(300)
    assert shown == []
    place.is_ready = True
    qtbot.waitUntil(lambda: bool(shown), timeout=LONG)
    assert shown == [19]
    assert film_session.is_passing


@pytest.mark.parametrize("deed", ["scrub", "mark", "draw"])
def test_who_looks_or_draws_elsewhere_is_left_there(film_session, place, qtbot, deed):
    follower = FrameFollower(film_session, place, place)
    follower.begin()
    follower.show(3)
    qtbot.waitUntil(lambda: film_session.frame_index == 3, timeout=LONG)
    if deed == "scrub":
        film_session.go_to_frame(7)
    elif deed == "mark":
        film_session.add_marks([Point(1, 8, 8)], "A point")
    else:
        place.is_drawing = True
        follower.show(5)
        qtbot.waitUntil(lambda: not follower.is_following, timeout=LONG)
    assert not follower.is_following
    assert not film_session.is_passing
    here = film_session.frame_index
    follower.show(9)
    follower.finish()
    assert film_session.frame_index == here == (7 if deed == "scrub" else 3)
