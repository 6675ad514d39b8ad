import os

import numpy as np
import pytest

from spml_core.video.flow_cache import FlowCache, decode_flow, encode_flow

FRAMES = np.zeros((2, 20, 30, 3), np.uint8)


class Counting:
    """Gives a random flow, and counts how often it is asked."""

    name = "counting"

    def __init__(self, settings="", scale=5.0):
        self.settings = settings
        self.scale = scale
        self.asked = 0

    def __call__(self, rgb_t, rgb_k):
        self.asked += 1
        rng = np.random.default_rng(self.asked)
        return rng.normal(0, self.scale, (*rgb_t.shape[:2], 2)).astype(np.float32)


def files(folder):
    return sorted(folder.glob("*.flow"))


@pytest.mark.parametrize(("most", "step"), [(0.1, 1 / 64), (500, 1 / 64), (900, 1 / 32), (30_000, 1)])
def test_round_trip(most, step):
    flow = np.random.default_rng(0).uniform(-most, most, (33, 47, 2)).astype(np.float32)
    flow[0, 0] = most, -most
    content, kept = encode_flow(flow)
    found = decode_flow(content)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, kept)
    assert np.abs(found - flow).max() <= step / 2 * 1.001


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (240, 427)])
def test_round_trip_of_steps(size):
    flow = np.random.default_rng(0).integers(-500 * 64, 500 * 64, (*size, 2)) / np.float32(64)
    np.testing.assert_array_equal(decode_flow(encode_flow(flow.astype(np.float32))[0]), flow)


def test_a_smooth_flow_is_packed_well():
    rows, columns = np.mgrid[:240, :427] / 100
    flow = np.stack([np.sin(columns) * 5, np.cos(rows) * 3], 2).astype(np.float32)
    assert len(encode_flow(flow)[0]) < 0.25 * flow.size * 2


@pytest.mark.parametrize("at", [0, 5, 9, 14, 22, 30, -1])
def test_every_flipped_byte_is_seen(at):
    content = bytearray(encode_flow(np.ones((8, 8, 2), np.float32))[0])
    content[at] ^= 0x41
    with pytest.raises(ValueError, match="damaged"):
        decode_flow(bytes(content))


def test_truncation_is_seen():
    content = encode_flow(np.ones((8, 8, 2), np.float32))[0]
    for length in range(len(content)):
        with pytest.raises(ValueError):
            decode_flow(content[:length])


def test_computed_once_and_the_same_the_first_time(tmp_path):
    estimator = Counting()
    first = FlowCache(tmp_path / "flow", estimator).get("a", "b", *FRAMES)
    again = FlowCache(tmp_path / "flow", estimator).get("a", "b", *FRAMES)
    assert estimator.asked == 1
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - Counting()(*FRAMES)).max() <= 1 / 128
    assert [path.suffix for path in (tmp_path / "flow").iterdir()] == [".flow"]


def test_what_a_flow_depends_on_has_its_own_file(tmp_path):
    one = Counting()
    cache = FlowCache(tmp_path, one)
    cache.get("a", "b", *FRAMES)
    cache.get("b", "a", *FRAMES)
    cache.get("ab", "", *FRAMES)
    cache.get("a", "b", *FRAMES[:, :10])
    assert one.asked == len(files(tmp_path)) == 4
    other = Counting(settings="fast")
    FlowCache(tmp_path, other).get("a", "b", *FRAMES)
    assert other.asked == 1
    other.name = "else"
    FlowCache(tmp_path, other).get("a", "b", *FRAMES)
    assert other.asked == 2


def test_names_dont_leave_the_folder(tmp_path):
    FlowCache(tmp_path / "flow", Counting()).get("../../x", "/etc/y\n", *FRAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["flow"]


@pytest.mark.parametrize("damage", [b"", b"SPMLFLO1", b"\0" * 2000, None])
def test_damage_costs_only_time(tmp_path, damage):
    estimator = Counting()
    cache = FlowCache(tmp_path, estimator)
    cache.get("a", "b", *FRAMES)
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-3] if damage is None else damage)
    found = cache.get("a", "b", *FRAMES)
    assert estimator.asked == 2
    np.testing.assert_array_equal(cache.get("a", "b", *FRAMES), found)
    assert estimator.asked == 2


def test_a_flow_of_another_size_is_damage(tmp_path):
    estimator = Counting()
    cache = FlowCache(tmp_path, estimator)
    cache.get("a", "b", *FRAMES)
    (file,) = files(tmp_path)
    file.write_bytes(encode_flow(np.zeros((3, 3, 2), np.float32))[0])
    assert cache.get("a", "b", *FRAMES).shape == (20, 30, 2)


def test_a_flow_that_is_no_number_isnt_kept(tmp_path):
    class Broken(Counting):
        def __call__(self, rgb_t, rgb_k):
            flow = super().__call__(rgb_t, rgb_k)
            flow[0, 0] = np.nan
            return flow

    estimator = Broken()
    cache = FlowCache(tmp_path, estimator)
    assert np.isnan(cache.get("a", "b", *FRAMES)[0, 0]).all()
    cache.get("a", "b", *FRAMES)
    assert estimator.asked == 2
    assert not files(tmp_path)


def test_nowhere_to_write(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = FlowCache(tmp_path / "file" / "flow", Counting())
    assert cache.get("a", "b", *FRAMES).shape == (20, 30, 2)


def test_the_bound_holds_and_the_longest_unused_go_first(tmp_path):
    estimator = Counting()
    size = len(encode_flow(estimator(*FRAMES))[0])
    most = 8 * (size + 40)
    cache = FlowCache(tmp_path, estimator, most)
    for i in range(7):
        cache.get(str(i), "k", *FRAMES)
        for age, path in enumerate(sorted(files(tmp_path), key=lambda p: -p.stat().st_mtime_ns)):
            os.utime(path, ns=(10**18 - age * 10**9,) * 2)
    assert len(files(tmp_path)) == 7
    cache.get("0", "k", *FRAMES)  # used last
    asked = estimator.asked
    for i in range(10, 13):
        cache.get(str(i), "k", *FRAMES)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= most
    cache.get("0", "k", *FRAMES)
    assert estimator.asked == asked + 3
    cache.get("1", "k", *FRAMES)
    assert estimator.asked == asked + 4


def test_what_an_earlier_run_left_counts(tmp_path):
    estimator = Counting()
    size = len(encode_flow(estimator(*FRAMES))[0])
    for i in range(6):
        FlowCache(tmp_path, estimator).get(str(i), "k", *FRAMES)
    FlowCache(tmp_path, estimator, 3 * (size + 40)).get("new", "k", *FRAMES)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 * (size + 40)
    asked = estimator.asked
    FlowCache(tmp_path, estimator).get("new", "k", *FRAMES)
    assert estimator.asked == asked


def test_what_is_larger_than_the_bound_isnt_kept(tmp_path):
    assert FlowCache(tmp_path, Counting(), 100).get("a", "b", *FRAMES).shape == (20, 30, 2)
    assert not files(tmp_path)


def test_what_a_killed_process_left_is_cleared(tmp_path):
    for name in ("old.tmp", "new.tmp"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / "old.tmp", (1, 1))
    FlowCache(tmp_path, Counting()).get("a", "b", *FRAMES)
    assert [path.name for path in tmp_path.glob("*.tmp")] == ["new.tmp"]
