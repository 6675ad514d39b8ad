"""METHODS.md 1.10.1 steps 1 to 4, against explicit loops in float64."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spml_core.errors import ConfigError, MarkError
from spml_core.seeds import (
    VIEW_SCALES,
    aggregate_views,
    normalise_psa,
    normalise_seam,
    resize_bilinear,
    tag_seeds,
    with_background,
)
from spml_core.seeds.grid import cell_centres, fits_picture
from spml_core.seeds.picture_activation import picture_activation

rng = np.random.default_rng(0)


def bilinear(grid, y, x):
    """Value of a map at fractional indexes, constant beyond its outermost cells."""
    h, w = grid.shape
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    i, j = int(y), int(x)
    k, m = min(i + 1, h - 1), min(j + 1, w - 1)
    a, b = y - i, x - j
    return (1 - a) * ((1 - b) * grid[i, j] + b * grid[i, m]) + a * ((1 - b) * grid[k, j] + b * grid[k, m])


@pytest.mark.parametrize(
    ("small", "large"), [((3, 4), (7, 9)), ((8, 5), (3, 3)), ((1, 1), (4, 2)), ((6, 6), (6, 6))]
)
def test_resizing_is_bilinear(small, large):
    maps = rng.normal(size=(2, *small))
    result = resize_bilinear(maps, large)
    for c in range(2):
        for y in range(large[0]):
            for x in range(large[1]):
                place = (y + 0.5) * small[0] / large[0] - 0.5, (x + 0.5) * small[1] / large[1] - 0.5
                assert result[c, y, x] == pytest.approx(bilinear(maps[c], *place), abs=1e-12)
    torchs = F.interpolate(torch.from_numpy(maps)[None], large, mode="bilinear", align_corners=False)[
        0
    ].numpy()
    np.testing.assert_allclose(result, torchs, atol=1e-12)


def test_cells_and_pixels_share_their_corners():
    np.testing.assert_allclose(cell_centres(4, 4), [0, 1, 2, 3])
    np.testing.assert_allclose(cell_centres(2, 8), [1.5, 5.5])


def test_odd_views_are_mirrored_back_and_absent_classes_zeroed():
    views = [rng.normal(size=(3, h, w)) for h, w in ((4, 6), (4, 6), (2, 3), (5, 5))]
    present = np.array([False, True, False, True])
    total = aggregate_views(views, (8, 12), present)
    expected = np.zeros((3, 8, 12))
    for number, view in enumerate(views):
        for c in (0, 2):
            for y in range(8):
                for x in range(12):
                    column = 11 - x if number % 2 else x
                    place = (y + 0.5) * view.shape[1] / 8 - 0.5, (column + 0.5) * view.shape[2] / 12 - 0.5
                    expected[c, y, x] += bilinear(view[c], *place)
    np.testing.assert_allclose(total, expected, atol=1e-12)
    assert not np.array_equal(total, aggregate_views(views[::-1], (8, 12), present))


def test_adding_up_leaves_the_views_alone():
    view = np.ones((1, 2, 2))
    aggregate_views([view, view], (2, 2), np.array([True, False]))
    assert (view == 1).all()


@pytest.mark.parametrize("views", [[], [np.zeros((2, 3, 3)), np.zeros((1, 3, 3))]])
def test_views_must_agree(views):
    with pytest.raises(MarkError, match=r"activation maps speak of"):
        aggregate_views(views, (3, 3))


def test_psa_divides_by_the_maximum():
    maps = rng.normal(size=(3, 4, 5)) * 3
    maps[2] = -1
    result = normalise_psa(maps)
    for c in range(3):
        top = max(max(v, 0) for v in maps[c].ravel())
        for y in range(4):
            for x in range(5):
                assert result[c, y, x] == pytest.approx(max(maps[c, y, x], 0) / (top + 1e-5), abs=1e-12)
    assert (result[2] == 0).all()


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_seam_stretches_and_may_end_below_zero(shift):
    maps = np.abs(rng.normal(size=(2, 4, 5))) + shift
    maps[0, 0, 0], maps[1, 1, 1] = shift, shift
    result = normalise_seam(maps)
    for c in range(2):
        values = [max(v, 0) for v in maps[c].ravel()]
        low, high = min(values), max(values)
        for value, got in zip(values, result[c].ravel(), strict=True):
            kept = 0.0 if value < low + 1e-5 else value
            assert got == pytest.approx((kept - low - 1e-5) / (high - low + 1e-5), abs=1e-12)
    assert result.min() < 0
    if shift == 0:
        assert result.min() > -1e-4


def test_background_is_what_no_class_claims():
    maps = rng.uniform(size=(3, 4, 5))
    scores = with_background(maps, alpha=6)
    for y in range(4):
        for x in range(5):
            assert scores[0, y, x] == pytest.approx((1 - max(maps[:, y, x])) ** 6, abs=1e-12)
    np.testing.assert_array_equal(scores[1:], maps)


@pytest.mark.parametrize("wrong", [1.5, np.nan, np.inf])
def test_maps_that_are_not_normalised_are_refused(wrong):
    maps = np.zeros((2, 3, 3))
    maps[1, 2, 2] = wrong
    with pytest.raises(MarkError):
        with_background(maps)


def loop_tag_seeds(maps, present, alpha, threshold):
    k, (h, w) = len(maps) + 1, maps.shape[1:]
    labels = np.zeros((h, w), int)
    for y in range(h):
        for x in range(w):
            tagged = {c: maps[c - 1, y, x] for c in range(1, k) if present[c]}
            scores = {0: (1 - max([*tagged.values()], default=0)) ** alpha, **tagged}
            if any(not present[c] for c in range(1, k)):  # a class that is absent has a map of zeros
                scores[0] = (1 - max([*tagged.values(), 0])) ** alpha
            best = max(scores, key=lambda c: (scores[c], -c))
            labels[y, x] = best if scores[best] >= threshold else k
    return labels


@pytest.mark.parametrize("present", [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]])
@pytest.mark.parametrize(("alpha", "threshold"), [(6, 0.2), (24, 0.2), (6, 0.6)])
def test_tag_seeds_are_the_best_score_if_good_enough(present, alpha, threshold):
    maps = rng.uniform(size=(3, 9, 11)) ** 3
    present = np.array(present, bool)
    labels = tag_seeds(maps, present, alpha, threshold)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, loop_tag_seeds(maps, present, alpha, threshold))
    assert set(np.unique(labels)) <= {0, 4, *np.flatnonzero(present)}


def test_of_equal_scores_the_lowest_class_wins():
    assert (tag_seeds(np.full((2, 2, 2), 0.9), np.ones(3, bool)) == 1).all()


def test_without_tags_all_is_background():
    assert (tag_seeds(np.ones((2, 3, 3)), np.zeros(3, bool)) == 0).all()


def test_tags_must_fit_the_maps():
    with pytest.raises(MarkError, match=r"2 activation maps came with tags of shape \(2,\)"):
        tag_seeds(np.zeros((2, 3, 3)), np.ones(2, bool))


@pytest.mark.parametrize(
    ("grid", "shape", "fits"),
    [((63, 47), (500, 375), True), ((60, 107), (240, 427), True), ((1, 1), (9, 9), True), ((48, 64), (24, 32), True),
     ((47, 63), (500, 375), False), ((500, 375), (500, 333), False)],
)  # fmt: skip
def test_a_map_fits_a_picture_of_its_proportions(grid, shape, fits):
    assert fits_picture(grid, shape) is fits


def test_a_picture_is_seen_at_every_scale_plain_and_mirrored():
    """A map that is the picture's own brightness, and one that depends on the column alone."""
    seen = []

    def maps_of(view):
        seen.append(tuple(view.shape[-2:]))
        brightness = F.avg_pool2d(view.mean(1), 4)[0]
        columns = torch.arange(brightness.shape[1], dtype=torch.float32).expand_as(brightness)
        return torch.stack([brightness, columns])

    draw = torch.Generator().manual_seed(0)
    rgb = F.interpolate(torch.rand(1, 3, 4, 5, generator=draw) * 255, (64, 96), mode="bilinear")
    total = picture_activation(rgb, maps_of)
    assert total.shape == (2, 64, 96)
    sizes = [(round(64 * s), round(96 * s)) for s in VIEW_SCALES]
    assert seen == [size for size in sizes for _ in range(2)]
    np.testing.assert_allclose(total[0] / 8, rgb.mean(1)[0], atol=12)
    assert np.corrcoef(total[0].ravel(), rgb.mean(1)[0].numpy().ravel())[0, 1] > 0.99
    # What grows to the right in every view cancels out once half of them are mirrored back.
    np.testing.assert_allclose(total[1], total[1].mean(), rtol=1e-4)


def test_views_are_those_of_a_direct_computation():
    weight = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))

    def maps_of(view):
        return torch.einsum("kc,chw->khw", weight, F.avg_pool2d(view, 8)[0])

    rgb = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(2)) * 255
    present = np.array([True, False, True])
    expected = np.zeros((2, 64, 48))
    for scale in (1.0, 1.5):
        view = rgb if scale == 1 else F.interpolate(rgb, (96, 72), mode="bilinear", align_corners=False)
        for mirrored in (False, True):
            maps = maps_of(view.flip(-1) if mirrored else view)
            maps = F.interpolate(maps[None], (64, 48), mode="bilinear", align_corners=False)[0]
            expected[1] += (maps.flip(-1) if mirrored else maps)[1].numpy()
    result = picture_activation(rgb, maps_of, present=present, scales=(1.0, 1.5))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-3)


def test_scales_must_be_positive():
    with pytest.raises(ConfigError):
        picture_activation(torch.zeros(1, 3, 32, 32), lambda view: view[0], scales=())


def test_seeds_load_without_torch():
    code = "import spml_core.seeds, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
