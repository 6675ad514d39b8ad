from dataclasses import replace

import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ProjectError
from spml_core.labeling.inference import ArrayPixels, label_picture, label_windows
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.models import Pyramid

CONFIG = TrainConfig(scales=(1.0,), embedding_dim=8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = build_network(CONFIG, 3).eval()
    return TrainedModel(network, Refinement((20, 60)), ("a", "b", "c"), CONFIG)


def picture(height, width, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (33, 70), (128, 100)])
def test_labels_have_the_size_of_the_picture(model, size):
    labels, probabilities = label_picture(model, ArrayPixels(picture(*size)), probabilities=True)
    assert labels.shape == size and probabilities.shape == (3, *size)
    assert (probabilities.argmax(0) == labels).all()


def test_large_picture_is_labelled_in_windows_that_cover_it_once(model):
    model.network.pyramid = Pyramid((1.0,), 4, whole=1000, tile=64, margin=32)
    try:
        rgb = picture(150, 200)
        covered = np.zeros((150, 200), int)
        labels = np.zeros((150, 200), np.uint8)
        for part in label_windows(model, ArrayPixels(rgb)):
            covered[part.where] += 1
            labels[part.where] = part.labels
        assert (covered == 1).all()
        assert (labels == label_picture(model, ArrayPixels(rgb))[0]).all()
    finally:
        model.network.pyramid = Pyramid(CONFIG.scales, CONFIG.stride)


def test_windows_agree_with_the_whole_away_from_their_borders(model):
    """Tiles see margins on all sides, so most pixels get the label they get in one piece."""
    rgb = picture(192, 192, seed=3)
    whole, _ = label_picture(model.with_color_strength(0.0), ArrayPixels(rgb))
    model.network.pyramid = Pyramid((1.0,), 4, whole=1000, tile=96, margin=64)
    try:
        tiled, _ = label_picture(model.with_color_strength(0.0), ArrayPixels(rgb))
    finally:
        model.network.pyramid = Pyramid(CONFIG.scales, CONFIG.stride)
    assert (whole == tiled).mean() > 0.8


def test_model_round_trip(model, tmp_path):
    model.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    assert (again.class_names, again.refinement, again.config) == (
        model.class_names, model.refinement, model.config,
    )  # fmt: skip
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])


def with_bank(model):
    generator = torch.Generator().manual_seed(0)
    bank = RetrievalBank(
        torch.randn(5, 8, generator=generator),
        torch.tensor([0, 1, 2, 0, 1]),
        torch.tensor([0, 0, 1, 1, 1]),
        torch.arange(5),
        3,
        torch.arange(10).reshape(5, 2),
    )
    return replace(model, bank=bank, bank_pictures=("left", "right"))


def test_bank_round_trip(model, tmp_path):
    with_bank(model).save(tmp_path)
    again = TrainedModel.load(tmp_path)
    assert again.bank_pictures == ("left", "right")
    for part in ("prototypes", "labels", "pictures", "segments", "places"):
        assert torch.equal(getattr(again.bank, part), getattr(with_bank(model).bank, part))


def test_frozen_backbone_is_not_stored(model, tmp_path):
    model.save(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_model_is_one_clear_error(model, tmp_path, damage):
    model.save(tmp_path)
    file = tmp_path / "model.safetensors"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ProjectError, match=str(tmp_path)):
        TrainedModel.load(tmp_path)
