"""METHODS.md 1.8.5, augmentation: every step against a loop."""

import math

import numpy as np
import pytest

from spml_core.classes import IGNORE
from spml_core.errors import ConfigError
from spml_core.training.augmentation import DENSEPOSE_FLIP, Augmentation, blur_kernel, nearest

MEAN, STD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
STILL = {"flip": 0.0, "scales": (1.0, 1.0)}


def picture(height=13, width=17, classes=4):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = rng.integers(0, classes + 1, (height, width)).astype(np.uint8)
    regions = rng.integers(0, 70_000, (height, width)).astype(np.int32)
    return rgb, labels, regions


def pixels(crop):
    """The crop's colours, 0..255."""
    return (crop.rgb.transpose(1, 2, 0) * STD + MEAN) * 255


def draw(augmentation, *arrays, seed=0):
    return augmentation(*arrays, np.random.default_rng(seed))


def test_the_picture_alone_is_normalised_and_padded():
    rgb, labels, regions = picture()
    crop = draw(Augmentation(20, **STILL), rgb, labels, regions)
    assert crop.rgb.shape == (3, 20, 20) and crop.rgb.dtype == np.float32
    for y in range(20):
        for x in range(20):
            if y < 13 and x < 17:
                expected = (rgb[y, x] / 255 - MEAN) / STD
                assert np.allclose(crop.rgb[:, y, x], expected, atol=1e-5)
                assert crop.labels[y, x] == labels[y, x] and crop.regions[y, x] == regions[y, x]
            else:
                assert (crop.rgb[:, y, x] == 0).all()
                assert crop.labels[y, x] == IGNORE and crop.regions[y, x] == 0


def test_flip_turns_everything_and_swaps_labels():
    rgb, labels, regions = picture(classes=3)
    labels[0, :3] = (3, 200, IGNORE)  # codes beyond the classes stay
    swap = (0, 2, 1)
    crop = draw(Augmentation(17, flip=1.0, scales=(1.0, 1.0), flipped_labels=swap), rgb, labels, regions)
    for y in range(13):
        for x in range(17):
            code = int(labels[y, 16 - x])
            assert crop.labels[y, x] == (swap[code] if code < 3 else code)
            assert crop.regions[y, x] == regions[y, 16 - x]
            assert np.allclose(pixels(crop)[y, x], rgb[y, 16 - x], atol=1e-2)


def test_densepose_permutation():
    assert DENSEPOSE_FLIP == (0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14)
    assert Augmentation.for_embedding(flipped_labels=DENSEPOSE_FLIP).flipped_labels == DENSEPOSE_FLIP


@pytest.mark.parametrize("scale", [0.5, 1.3, 2.0])
def test_scale_is_bilinear_for_pixels_and_nearest_for_maps(scale):
    rgb, labels, regions = picture()
    height, width = round(13 * scale), round(17 * scale)
    crop = draw(Augmentation(40, flip=0.0, scales=(scale, scale)), rgb, labels, regions)
    assert (crop.labels != IGNORE).sum() == height * width
    found = pixels(crop)
    for y in range(height):
        for x in range(width):
            assert crop.labels[y, x] == labels[y * 13 // height, x * 17 // width]
            assert crop.regions[y, x] == regions[y * 13 // height, x * 17 // width]
            at_y = min(max((y + 0.5) * 13 / height - 0.5, 0), 12)
            at_x = min(max((x + 0.5) * 17 / width - 0.5, 0), 16)
            y0, x0 = min(int(at_y), 11), min(int(at_x), 15)
            dy, dx = at_y - y0, at_x - x0
            expected = sum(
                rgb[y0 + j, x0 + i].astype(float) * (dy if j else 1 - dy) * (dx if i else 1 - dx)
                for j in (0, 1)
                for i in (0, 1)
            )
            assert np.allclose(found[y, x], expected, atol=0.2)


def test_crop_begins_anywhere_but_at_the_last_place():
    """offset = floor(U(0, H - crop)): 0 .. H - crop - 1."""
    rgb = np.zeros((12, 10, 3), np.uint8)
    regions = np.arange(120).reshape(12, 10)
    augmentation = Augmentation(8, **STILL)
    rng = np.random.default_rng(3)
    corners = {
        int(augmentation(rgb, np.zeros((12, 10), np.uint8), regions, rng).regions[0, 0]) for _ in range(300)
    }
    assert corners == {10 * y + x for y in range(4) for x in range(2)}


def test_crop_shows_one_place_in_all_maps():
    rgb, labels, regions = picture(30, 40)
    crop = draw(Augmentation(8, **STILL), rgb, labels, regions, seed=5)
    found = [
        (y, x)
        for y in range(23)
        for x in range(33)
        if np.array_equal(regions[y : y + 8, x : x + 8], crop.regions)
    ]
    assert len(found) == 1
    y, x = found[0]
    assert np.array_equal(labels[y : y + 8, x : x + 8], crop.labels)
    assert np.allclose(rgb[y : y + 8, x : x + 8], pixels(crop), atol=1e-2)


def test_gray():
    rgb, labels, _ = picture()
    found = pixels(draw(Augmentation(20, gray=1.0, **STILL), rgb, labels, None))
    for y in range(13):
        for x in range(17):
            r, g, b = (float(v) for v in rgb[y, x])
            assert np.allclose(found[y, x], 0.3 * r + 0.59 * g + 0.11 * b, atol=1e-2)


def test_blur():
    rgb, labels, _ = picture()
    sigma = 1.7
    found = pixels(draw(Augmentation(20, blur=1.0, blur_sigmas=(sigma, sigma), **STILL), rgb, labels, None))
    for y in range(2, 11):
        for x in range(2, 15):
            total, weights = np.zeros(3), 0.0
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    weight = math.exp(-(dx**2 + dy**2) / sigma**2)
                    total += weight * rgb[y + dy, x + dx]
                    weights += weight
            assert np.allclose(found[y, x], total / weights, atol=1e-2)
    assert blur_kernel(0.1)[2, 2] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["for_embedding", "for_classifier"])
def test_same_generator_same_crop(kind):
    augmentation = getattr(Augmentation, kind)(16)
    arrays = picture(40, 30)
    first, second = np.random.default_rng(7), np.random.default_rng(7)
    versions = set()
    for _ in range(10):
        a, b = augmentation(*arrays, first), augmentation(*arrays, second)
        assert np.array_equal(a.rgb, b.rgb)
        assert np.array_equal(a.labels, b.labels) and np.array_equal(a.regions, b.regions)
        versions.add(a.rgb.tobytes())
    assert len(versions) == 10


def test_how_often_and_how_much():
    """Flip p = .5, gray p = .3; scale uniform in .5..2: over 600 draws."""
    rgb = np.zeros((10, 10, 3), np.uint8)
    rgb[:, :5, 0] = 255
    labels = np.zeros((10, 10), np.uint8)
    labels[:, :5] = 1
    augmentation = Augmentation(20, (0.5, 2.0), gray=0.3)
    rng = np.random.default_rng(0)
    flips, grays, sides = [], [], []
    for _ in range(600):
        crop = augmentation(rgb, labels, None, rng)
        flips.append(crop.labels[0, 0] == 0)
        side = int((crop.labels[0] != IGNORE).sum())
        sides.append(side)
        inside = pixels(crop)[:side, :side]
        grays.append(np.allclose(inside[..., 0], inside[..., 1], atol=1e-2))
    assert abs(np.mean(flips) - 0.5) < 0.08
    assert abs(np.mean(grays) - 0.3) < 0.08
    assert min(sides) == 5 and max(sides) == 20
    assert abs(np.mean(sides) - 12.5) < 0.6


def test_stages_of_the_paper():
    embedding, classifier = Augmentation.for_embedding(), Augmentation.for_classifier()
    assert (embedding.crop, embedding.scales, embedding.flip) == (512, (0.5, 1.5), 0.5)
    assert (embedding.gray, embedding.blur) == (0, 0)
    assert (classifier.scales, classifier.gray, classifier.blur) == ((0.5, 2.0), 0.3, 0.5)
    assert classifier.blur_sigmas == (0.1, 5.0)


def test_nearest_is_torchs():
    torch = pytest.importorskip("torch")
    for source, target in ((13, 7), (7, 13), (5, 5), (1, 4), (100, 33)):
        line = torch.arange(source, dtype=torch.float32)[None, None]
        theirs = torch.nn.functional.interpolate(line, size=target, mode="nearest")[0, 0].long().numpy()
        assert np.array_equal(nearest(source, target), theirs)


@pytest.mark.parametrize(
    "values",
    [
        {"crop": 0},
        {"flip": 1.5},
        {"scales": (0.0, 1.0)},
        {"scales": (2.0, 1.0)},
        {"blur_sigmas": (0.0, 1.0)},
        {"flipped_labels": (1, 2, 0)},
        {"flipped_labels": (0, 5)},
    ],
)
def test_bad_settings_are_refused(values):
    with pytest.raises(ConfigError):
        Augmentation(**values)


def test_maps_of_another_size_are_refused():
    rgb, labels, regions = picture()
    with pytest.raises(ConfigError, match=r"\(12, 17\)"):
        draw(Augmentation(8), rgb, labels[1:], regions)
    with pytest.raises(ConfigError, match=r"\(13, 16\)"):
        draw(Augmentation(8), rgb, labels, regions[:, 1:])
