import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ConfigError
from spml_core.generators import run_to_end
from spml_core.labeling.class_codes import normalised_entropy
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.picture_prediction import described_prediction, shorten, shrunk_prediction
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.models import Pyramid, rgb_tensor
from spml_core.segments import normalize

CONFIG = TrainConfig(scales=(1.0,), embedding_dim=8)
SAME = np.where(np.arange(256) < 3, np.arange(256), 3).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = build_network(CONFIG, 3).eval()
    return TrainedModel(network, Refinement((20, 60)), ("a", "b", "c"), CONFIG)


@pytest.fixture(params=["whole", "windows"])
def pyramid(request, model):
    """Both ways to go through a picture of 75 x 90 pixels."""
    if request.param == "windows":
        model.network.pyramid = Pyramid((1.0,), 4, whole=1000, tile=48, margin=16)
    yield request.param
    model.network.pyramid = Pyramid(CONFIG.scales, CONFIG.stride)


def pixels(height=75, width=90):
    coarse = np.random.default_rng(1).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return ArrayPixels(coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8))


@pytest.mark.parametrize("shrink", [1, 3, 64])
def test_shrunk_prediction_is_the_prediction_at_some_pixels(model, pyramid, shrink):
    picture = pixels()
    labels, probabilities = label_picture(model, picture, probabilities=True)
    rows, columns = (np.minimum(np.arange(0, n, shrink) + shrink // 2, n - 1) for n in labels.shape)
    small = run_to_end(shrunk_prediction(model, picture, shrink, SAME, 3))
    assert small.labels.shape == (-(-75 // shrink), -(-90 // shrink))
    assert (small.labels == labels[np.ix_(rows, columns)]).all()
    expected = probabilities[:, rows][:, :, columns]
    assert np.abs(small.probabilities / 255 - expected).max() <= 0.51 / 255
    entropy = normalised_entropy(expected.transpose(1, 2, 0), 3)
    assert np.abs(small.uncertainty / 255 - entropy).max() <= 0.51 / 255


def test_shrunk_prediction_speaks_of_todays_classes(model):
    """Class 0 was deleted, 1 and 2 have changed places and a new class stands between."""
    codes = np.full(256, 3, np.uint8)
    codes[1], codes[2], codes[255] = 2, 0, 255
    before = run_to_end(shrunk_prediction(model, pixels(), 2, SAME, 3))
    after = run_to_end(shrunk_prediction(model, pixels(), 2, codes, 3))
    assert len(np.unique(before.labels)) > 1
    assert (after.labels == codes[before.labels]).all()
    assert (after.probabilities[0] == before.probabilities[2]).all()
    assert (after.probabilities[2] == before.probabilities[1]).all()
    assert (after.probabilities[1] == 0).all()
    assert (after.uncertainty == before.uncertainty).all()


def test_classes_that_became_one_are_no_doubt(model):
    codes = np.full(256, 1, np.uint8)
    codes[:3] = 0
    merged = run_to_end(shrunk_prediction(model, pixels(), 2, codes, 1))
    assert (
        (merged.labels == 0).all() and (merged.probabilities == 255).all() and (merged.uncertainty == 0).all()
    )


def test_nothing_is_shrunk_below_its_size(model):
    with pytest.raises(ConfigError, match="0 times"):
        run_to_end(shrunk_prediction(model, pixels(), 0, SAME, 3))


def test_described_prediction_has_the_labels_and_their_figures(model, pyramid):
    picture = pixels()
    labels, probabilities = label_picture(model, picture, probabilities=True)
    found = run_to_end(described_prediction(model, picture))
    assert (found.labels == labels).mean() > 0.99  # by way of the embedding: the same but for rounding
    assert np.allclose(found.shares, [(found.labels == c).mean() for c in range(3)])
    entropy = normalised_entropy(probabilities.transpose(1, 2, 0), 3)
    assert found.uncertainty == pytest.approx(entropy.mean(), abs=0.02)
    means = [
        normalize(model.network.dense_embedding(rgb_tensor(picture.rgb_window(*w.outer)))[0].flatten(1).T)
        .mean(0)
        .mul(w.core[2] * w.core[3] / (75 * 90))
        for w in model.network.pyramid.windows(75, 90)
    ]
    assert np.allclose(found.descriptor, torch.stack(means).sum(0).numpy(), atol=1e-5)


def test_there_is_a_pause_after_every_part(model):
    model.network.pyramid = Pyramid((1.0,), 4, whole=1000, tile=48, margin=16)
    try:
        parts = len(model.network.pyramid.windows(75, 90))
        assert parts == 4
        assert sum(1 for _ in described_prediction(model, pixels())) == 2 * parts
    finally:
        model.network.pyramid = Pyramid(CONFIG.scales, CONFIG.stride)


def test_long_descriptors_are_shortened_with_their_distances():
    vectors = np.random.default_rng(7).normal(size=(20, 500)).astype(np.float32)
    short = np.stack([shorten(v) for v in vectors])
    assert short.shape == (20, 64)
    ratio = np.linalg.norm(short[1:] - short[0], axis=1) / np.linalg.norm(vectors[1:] - vectors[0], axis=1)
    assert ratio.min() > 0.7 and ratio.max() < 1.3
    assert (shorten(vectors[0, :64]) == vectors[0, :64]).all()
