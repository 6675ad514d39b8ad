import numpy as np
import pytest

from spml_core.films.packet_table import NO_STAMP, PacketTable
from spml_core.films.timeline import agreeing, display_order, frame_times, mean_rate, start_packets


def table(pts, keys=(0,), shown=None, time_base=0.01):
    pts = np.array([NO_STAMP if stamp is None else stamp for stamp in pts], np.int64)
    count = len(pts)
    key = np.isin(np.arange(count), list(keys))
    visible = np.ones(count, bool) if shown is None else np.array(shown, bool)
    numbers = np.arange(count, dtype=np.int64)
    return PacketTable(pts, numbers, numbers, numbers + 1, key, visible, time_base)


# I P B B, then an open group: I with its two leading B frames, P B B.
OPEN_GROUPS = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]


def test_the_order_of_display_is_that_of_the_time_stamps():
    assert display_order(table(OPEN_GROUPS)).tolist() == [0, 2, 3, 1, 5, 6, 4, 8, 9, 7]
    shown = [i not in (0, 5) for i in range(10)]
    assert display_order(table(OPEN_GROUPS, shown=shown)).tolist() == [2, 3, 1, 6, 4, 8, 9, 7]


@pytest.mark.parametrize("pts", [[0, 1, None, 3], [0, 1, 1, 2], [], [*range(100, 200), *range(50)]])
def test_stamps_that_do_not_tell_the_order(pts):
    assert display_order(table(pts)) is None


def test_agreeing_with_the_decoder():
    order = np.array([4, 2, 3, 1, 5])
    assert agreeing(order, [4, 2]).tolist() == [4, 2, 3, 1, 5]
    assert agreeing(order, [3, 1]).tolist() == [3, 1, 5]  # the first frames can't be decoded
    for other in ([4, 3], [9], [], [4, 2, 3, 1, 5, 6]):
        assert agreeing(order, other) is None


def test_where_decoding_must_begin_against_a_plain_search():
    rng = np.random.default_rng(0)
    for _ in range(50):
        groups = rng.integers(1, 6, 5)
        pts, keys, base = [], [], 0
        for size in groups:  # a key frame shown after `leading` frames that are stored after it
            leading = int(rng.integers(0, size)) if base else 0
            keys.append(len(pts))
            pts += [base + leading, *(base + i for i in range(size) if i != leading)]
            base += int(size)
        packets = table(pts, keys)
        order = display_order(packets)
        starts = start_packets(packets, order)
        for frame, packet in enumerate(order):
            fitting = [k for k in keys if k <= packet and pts[k] <= pts[packet]]
            assert starts[frame] == max(fitting)


def test_a_hidden_key_frame_is_a_place_to_begin():
    packets = table(range(8), keys=(0, 3), shown=[True, True, True, False, True, True, True, True])
    assert start_packets(packets, display_order(packets)).tolist() == [0, 0, 0, 3, 3, 3, 3]


def test_frames_before_the_first_key_frame_begin_at_the_start():
    packets = table(range(6), keys=(2, 4))
    assert start_packets(packets, display_order(packets)).tolist() == [0, 0, 0, 0, 4, 4]
    assert start_packets(table(range(3), keys=()), np.arange(3)).tolist() == [0, 0, 0]


def test_times():
    packets = table([-4, 4, 0, 10])
    times, own = frame_times(packets, display_order(packets), 25)
    assert own
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.14])


def test_times_that_jump_back_go_on_by_the_usual_gap():
    times, own = frame_times(table([0, 4, 8, 0, 4, 8]), np.arange(6), 25)
    assert own
    np.testing.assert_allclose(times, np.arange(6) * 0.04)


def test_times_that_are_missing_follow_the_rate():
    for pts in ([0, None, 8], [5, 5, 5]):
        times, own = frame_times(table(pts), np.arange(3), 10)
        assert not own
        np.testing.assert_allclose(times, [0, 0.1, 0.2])


def test_mean_rate_and_spread():
    assert mean_rate(np.array([0, 0.033, 0.067, 0.1]), 0.001, 30.0, True) == (30.0, False)
    assert mean_rate(np.array([0, 0.1, 0.2, 0.3]), 0.001, 30.0, True) == (pytest.approx(10), False)
    assert mean_rate(np.array([0, 0.1, 0.2, 0.5]), 0.001, None, True) == (pytest.approx(6), True)
    assert mean_rate(np.array([0.0]), 0.001, 24.0, True) == (24.0, False)
    assert mean_rate(np.array([0, 1.0]), 1.0, None, False) == (None, False)
