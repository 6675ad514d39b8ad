"""Models of all formats on the disk: those of older versions say less."""

import json

import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ProjectError
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.trained_model import FORMAT, TrainedModel, build_network
from spml_core.models import PaperShape, WindowedNetwork

CONFIG = TrainConfig(scales=(1.0,), embedding_dim=8)
NEW_SETTINGS = ("variant", "region_maps")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TrainedModel(build_network(CONFIG, 3).eval(), Refinement((20, 60)), ("a", "b", "c"), CONFIG)


def labels(model):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    return label_picture(model, ArrayPixels(rgb), probabilities=True)[1]


def change(folder, **values):
    file = folder / "model.json"
    about = json.loads(file.read_text()) | values
    file.write_text(json.dumps({key: value for key, value in about.items() if value is not None}))
    return about


@pytest.mark.parametrize("version", [1, 2])
def test_older_formats_hold_no_kind(model, tmp_path, version):
    model.save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    assert (about["format"], about["kind"]) == (FORMAT, "pyramid")
    config = {key: value for key, value in about["config"].items() if key not in NEW_SETTINGS}
    change(tmp_path, format=version, kind=None, config=config)
    np.testing.assert_array_equal(labels(TrainedModel.load(tmp_path)), labels(model))


@pytest.mark.parametrize(
    "damage", [{"kind": "other"}, {"network": None}, {"network": {"depth": 18}}, {"classes": ["a", "b"]}]
)
def test_a_damaged_description(tmp_path, damage):
    network = WindowedNetwork.of_shape(PaperShape("psp", 18, "deep", 0.125, 8, 64), 3)
    config = TrainConfig.from_preset("paper-densepose")
    paper = TrainedModel(network.eval(), Refinement((), 0, 0.0), ("a", "b", "c"), config)
    paper.save(tmp_path)
    np.testing.assert_array_equal(labels(TrainedModel.load(tmp_path)), labels(paper))
    change(tmp_path, **damage)
    with pytest.raises(ProjectError, match="can't be read"):
        TrainedModel.load(tmp_path)
