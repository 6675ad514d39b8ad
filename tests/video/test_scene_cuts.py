import cv2
import numpy as np
import pytest

from sample_data import sample_path
from spml_core.errors import ConfigError
from spml_core.video.scene_cuts import is_cut, scene_change


def pictures(name):
    paths = sorted((sample_path(name) / "images").iterdir())
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]


def gray(rgb):
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


@pytest.fixture(scope="module", params=["colour", "gray"])
def people(request):
    found = pictures("people")
    return found if request.param == "colour" else [gray(rgb) for rgb in found]


def seen(rgb, left, top, size=(240, 320)):
    """What a camera sees that looks at a part of a picture."""
    height, width = rgb.shape[:2]
    rows, columns = height - height // 5, width - width // 5
    part = rgb[top : top + rows, left : left + columns]
    return cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA)


def test_a_fast_pan_is_no_cut(people):
    for rgb in people:
        height, width = rgb.shape[:2]
        a, b = seen(rgb, 0, 0), seen(rgb, width // 16, height // 16)
        assert np.abs(a.astype(int) - b).mean() > 5  # it does move
        assert not is_cut(a, b)
        assert not is_cut(b, a)


def test_another_picture_is_a_cut(people):
    frames = [cv2.resize(rgb, (320, 240), interpolation=cv2.INTER_AREA) for rgb in people]
    nuclei = [cv2.resize(rgb, (320, 240), interpolation=cv2.INTER_AREA) for rgb in pictures("nuclei")[-1:]]
    for before in frames:
        for after in nuclei:
            assert is_cut(before, after)
            assert is_cut(after, before)


def test_the_same_frame_is_no_cut(people):
    change = scene_change(people[0], people[0])
    assert change.content == 0
    assert np.isnan(change.mismatch)
    assert not change.is_cut


def test_a_lamp_switched_on_is_no_cut(people):
    for rgb in people:
        a = seen(rgb, 0, 0)
        b = np.clip(seen(rgb, 4, 2).astype(np.float32) * 0.6, 0, 255).astype(np.uint8)
        change = scene_change(a, b)
        assert change.content > change.limit  # the histogram alone would say so
        assert not change.is_cut


def test_cut_to_black(people):
    black = np.zeros_like(people[0])
    assert is_cut(people[0], black)
    assert is_cut(black, people[0])
    assert not is_cut(black, black)


def test_content_by_loops():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 33, 40, 3)).astype(np.uint8)
    edges = [0, 1.5, 3, 6, 12, 24, np.inf]
    counts = []
    for rgb in (a, b):
        light = np.pad(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64), 1, "reflect")
        count = {}
        for y in range(33):
            for x in range(40):
                w = light[y : y + 3, x : x + 3]
                across = (w[:, 2] - w[:, 0]) @ [1, 2, 1] / 8
                down = (w[2] - w[0]) @ [1, 2, 1] / 8
                strength = np.float32(np.hypot(across, down))
                bin_ = max(i for i, edge in enumerate(edges) if strength >= edge)
                key = (bin_, *(int(v) // 32 for v in rgb[y, x]))
                count[key] = count.get(key, 0) + 1
        counts.append(count)
    keys = counts[0].keys() | counts[1].keys()
    expected = sum(abs(counts[0].get(k, 0) - counts[1].get(k, 0)) for k in keys) / 2 / (33 * 40)
    assert scene_change(a, b).content == pytest.approx(expected)


@pytest.mark.parametrize("size", [(16, 16), (3, 400), (1080, 1920)])
def test_sizes(size):
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.uint8)
    assert 0 <= scene_change(*frames).content <= 1


def test_what_isnt_two_frames_is_refused():
    with pytest.raises(ConfigError, match="one size"):
        is_cut(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8))
