import numpy as np
import pytest

from spml_core.errors import ConfigError
from spml_core.labeling.colors import ColorBins, color_evidence, softmax
from spml_core.labeling.refinement import PictureRefiner, Refinement, upsample, vote_in_window
from spml_core.labeling.voting import region_means, vote_over_levels


def test_region_means_equal_a_loop():
    rng = np.random.default_rng(0)
    values, regions = rng.random((50, 3)), rng.integers(0, 6, 50)
    means = region_means(values, regions)
    for r in range(6):
        assert np.allclose(means[r], values[regions == r].mean(0), atol=1e-6)


def test_region_without_pixels_is_zero():
    assert (region_means(np.ones((2, 2)), np.array([0, 2]))[1] == 0).all()


def test_vote_over_levels_equals_a_loop():
    rng = np.random.default_rng(1)
    values = rng.random((60, 2))
    fine = rng.integers(0, 8, 60)
    fine[:8] = np.arange(8)
    coarse = np.array([0, 0, 1, 1, 1, 2, 2, 2])[fine]
    voted = vote_over_levels(values, [coarse, fine])
    for r in range(8):
        parent = coarse[fine == r][0]
        expected = (values[fine == r].mean(0) + values[coarse == parent].mean(0)) / 2
        assert np.allclose(voted[r], expected, atol=1e-6)


def test_softmax_survives_large_scores():
    assert np.allclose(softmax(np.array([[1000.0, 1000.0]])), 0.5)


def test_bins_put_like_colours_together_and_the_same_for_a_part():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    bins = ColorBins.of(rgb)
    cells = bins.assign(rgb)
    assert cells.min() >= 0 and cells.max() < ColorBins.num_bins and len(np.unique(cells)) > 100
    assert (bins.assign(rgb[10:20, 5:30]) == cells[10:20, 5:30]).all()


def test_noise_in_a_flat_picture_is_not_stretched_over_all_cells():
    rgb = np.full((30, 30, 3), 100, np.uint8)
    rgb[::2] += 1
    cells = ColorBins.of(rgb).assign(rgb)
    lightness = cells // 16**2
    assert np.ptp(lightness) <= 2 and np.ptp(cells % 16**2) == 0


def two_colours():
    """Left half dark, right half bright; the guess is sure of the outer quarters only."""
    rgb = np.full((40, 40, 3), 30, np.uint8)
    rgb[:, 20:] = 220
    probabilities = np.full((40, 40, 2), 0.5, np.float32)
    probabilities[:, :10] = 0.9, 0.1
    probabilities[:, 30:] = 0.1, 0.9
    return rgb, probabilities


def test_colours_settle_what_the_guess_leaves_open():
    rgb, probabilities = two_colours()
    flat = probabilities.reshape(-1, 2)
    cells = ColorBins.of(rgb).assign(rgb).reshape(-1)
    evidence = color_evidence(cells, flat, 1.0)
    labels = (np.log(flat + 1e-4) + evidence[cells]).argmax(1).reshape(40, 40)
    assert (labels[:, :20] == 0).all() and (labels[:, 20:] == 1).all()


def test_no_strength_no_evidence():
    rgb, probabilities = two_colours()
    cells = ColorBins.of(rgb).assign(rgb).reshape(-1)
    assert (color_evidence(cells, probabilities.reshape(-1, 2), 0.0) == 0).all()


def test_stronger_colours_speak_louder():
    rgb, probabilities = two_colours()
    cells = ColorBins.of(rgb).assign(rgb).reshape(-1)
    weak, strong = (np.abs(color_evidence(cells, probabilities.reshape(-1, 2), s)).max() for s in (0.5, 2.0))
    assert strong > weak > 0


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("regions", [(), (2, 8)])
def test_refiner_labels_agree_with_its_probabilities(strength, regions):
    rgb, probabilities = two_colours()
    refinement = Refinement(regions, fine_regions=20, color_strength=strength)
    window = vote_in_window(rgb, probabilities[::4, ::4], refinement)
    refiner = PictureRefiner(refinement)
    colors, guess = window.sample()
    refiner.learn_colors([colors], [guess])
    dense = refiner.probabilities(window)
    assert dense.shape == (40, 40, 2) and np.allclose(dense.sum(-1), 1, atol=1e-5)
    labels = refiner.labels(window)
    assert (labels == dense.argmax(-1)).all()
    assert (labels[:, :8] == 0).all() and (labels[:, -8:] == 1).all()


def test_sample_is_bounded_and_matches_the_window():
    rgb, probabilities = two_colours()
    window = vote_in_window(rgb, probabilities, Refinement((4,)))
    colors, guess = window.sample(limit=100)
    assert len(colors) == len(guess) <= 100
    assert (colors[0] == rgb[0, 0]).all()


def test_upsample_keeps_constants_and_cell_centres():
    maps = np.random.default_rng(0).random((5, 7, 6)).astype(np.float32)
    big = upsample(maps, 15, 21)
    assert big.shape == (15, 21, 6)
    assert np.allclose(big[1::3, 1::3], maps, atol=1e-6)


@pytest.mark.parametrize("values", [{"color_strength": -1.0}, {"regions": (0,)}, {"regions": (9, 3)}])
def test_refinement_refuses_what_makes_no_sense(values):
    with pytest.raises(ConfigError):
        Refinement(**values)
