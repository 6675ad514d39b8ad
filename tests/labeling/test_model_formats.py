"""Models on the disk: one file from format 4 on; those of older versions are two, and say less."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from spml_core.config import TrainConfig
from spml_core.errors import ProjectError, TrainingError
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import FORMAT, TrainedModel, build_network
from spml_core.models import PaperShape, WindowedNetwork

CONFIG = TrainConfig(scales=(1.0,), embedding_dim=8)
NEW_SETTINGS = ("variant", "region_maps")
OLD_MODELS = Path(__file__).parent / "models"
"""Written by the version before format 4, with the labels that it gave to the picture of :func:`labels`."""


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    bank = RetrievalBank(
        torch.eye(3, 8),
        torch.tensor([0, 1, 2]),
        torch.tensor([0, 1, 1]),
        torch.arange(3),
        3,
        torch.arange(6).reshape(3, 2),
        torch.ones(3, dtype=torch.bool),
    )
    network = build_network(CONFIG, 3).eval()
    return TrainedModel(network, Refinement((20, 60)), ("a", "b", "c"), CONFIG, bank, ("left", "right"))


@pytest.fixture
def paper():
    torch.manual_seed(0)
    network = WindowedNetwork.of_shape(PaperShape("psp", 18, "deep", 0.125, 8, 64), 3)
    config = TrainConfig.from_preset("paper-densepose")
    return TrainedModel(network.eval(), Refinement((), 0, 0.0), ("a", "b", "c"), config)


def labels(model):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    return label_picture(model, ArrayPixels(rgb), probabilities=True)[1]


def read(folder):
    with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
        return json.loads(file.metadata()["spml"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def change(folder, tensors=None, **values):
    """Change what a model says of itself, and its tensors; None takes one away."""
    about, there = read(folder)
    about = {key: value for key, value in (about | values).items() if value is not None}
    there = {name: t for name, t in (there | (tensors or {})).items() if t is not None}
    data = safetensors.torch.save(there, {"spml": json.dumps(about)})
    (folder / "model.safetensors").write_bytes(data)


def make_old(folder):
    """Take a model apart into the two files that it was before format 4."""
    about, tensors = read(folder)
    (folder / "model.json").write_text(json.dumps(about, indent=1))
    (folder / "model.safetensors").write_bytes(safetensors.torch.save(tensors))


def test_a_model_is_one_file(model, tmp_path):
    model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    again = TrainedModel.load(tmp_path)
    assert (again.class_names, again.refinement, again.config, again.bank_pictures) == (
        model.class_names, model.refinement, model.config, model.bank_pictures,
    )  # fmt: skip
    assert read(tmp_path)[0]["format"] == FORMAT
    np.testing.assert_array_equal(labels(again), labels(model))


@pytest.mark.parametrize("name", ["format_3_pyramid", "format_3_paper"])
def test_models_of_the_version_before_are_read_and_saved_anew(tmp_path, name):
    shutil.copytree(OLD_MODELS / name, tmp_path, dirs_exist_ok=True)
    with np.load(tmp_path / "answer.npz") as file:
        expected = file["labels"]
    old = TrainedModel.load(tmp_path)
    rgb = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    assert (label_picture(old, ArrayPixels(rgb))[0] == expected).mean() > 0.99
    old.save(tmp_path)
    assert not (tmp_path / "model.json").exists()
    np.testing.assert_array_equal(labels(TrainedModel.load(tmp_path)), labels(old))


@pytest.mark.parametrize("version", [1, 2])
def test_older_formats_hold_no_kind(model, tmp_path, version):
    plain = replace(model, bank=None, bank_pictures=())
    plain.save(tmp_path)
    about, _ = read(tmp_path)
    assert (about["format"], about["kind"]) == (FORMAT, "pyramid")
    config = {key: value for key, value in about["config"].items() if key not in NEW_SETTINGS}
    change(tmp_path, format=version, kind=None, config=config)
    make_old(tmp_path)
    np.testing.assert_array_equal(labels(TrainedModel.load(tmp_path)), labels(model))


def test_a_model_of_format_1_has_a_bank_without_places(model, tmp_path):
    model.save(tmp_path)
    change(tmp_path, {"bank.places": None, "bank.marked": None}, format=1)
    make_old(tmp_path)
    again = TrainedModel.load(tmp_path)
    assert again.bank.places is None and len(again.bank) == 3


@pytest.mark.parametrize(
    "damage", [{"kind": "other"}, {"network": None}, {"network": {"depth": 18}}, {"classes": ["a", "b"]}]
)
def test_a_damaged_description(paper, tmp_path, damage):
    paper.save(tmp_path)
    np.testing.assert_array_equal(labels(TrainedModel.load(tmp_path)), labels(paper))
    change(tmp_path, **damage)
    with pytest.raises(ProjectError, match="can't be read"):
        TrainedModel.load(tmp_path)


@pytest.mark.parametrize(
    "description", ["{", "[" * 100_000, "[]", "null", '{"format": "x"}', '{"format": 4}']
)
def test_what_describes_no_model(model, tmp_path, description):
    model.save(tmp_path)
    _, tensors = read(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(safetensors.torch.save(tensors, {"spml": description}))
    with pytest.raises(ProjectError, match="can't be read"):
        TrainedModel.load(tmp_path)


def test_a_model_from_the_future(model, tmp_path):
    model.save(tmp_path)
    change(tmp_path, format=99)
    with pytest.raises(ProjectError, match=r"format 99.*Update"):
        TrainedModel.load(tmp_path)


NAN = float("nan")


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"embedding.weight": None}, "lacks embedding.weight"),
        ({"mean": None, "scale": None, "head.bias": None}, "lacks .*head.bias"),
        ({"head.bias": torch.zeros(7)}, "head.bias"),
        ({"head.bias": torch.tensor([0.0, NAN, 0.0])}, "head.bias holds numbers that are NaN"),
        ({"bank.prototypes": torch.full((3, 8), float("inf"))}, "bank.prototypes holds"),
        ({"bank.pictures": torch.tensor([0, 1, 2])}, "more pictures than the 2"),
        ({"bank.labels": torch.tensor([0, 1, 3])}, "labels from 0 to 3"),
        ({"bank.labels": None}, "labels"),
        ({"surprise": torch.zeros(2)}, "unknown surprise"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_a_model_that_lacks_tensors_or_holds_no_numbers_is_refused(model, tmp_path, tensors, said, old):
    model.save(tmp_path)
    change(tmp_path, tensors)
    if old:
        make_old(tmp_path)
    with pytest.raises(ProjectError, match=said):
        TrainedModel.load(tmp_path)


def test_a_model_without_any_tensor_is_refused(model, tmp_path):
    model.save(tmp_path)
    change(tmp_path, dict.fromkeys(read(tmp_path)[1]))
    with pytest.raises(ProjectError, match="lacks"):
        TrainedModel.load(tmp_path)


def test_a_model_that_is_no_number_is_not_written(model, tmp_path):
    model.save(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    broken = TrainedModel(build_network(CONFIG, 3).eval(), model.refinement, model.class_names, CONFIG)
    with torch.no_grad():
        broken.network.head.bias[1] = NAN
    with pytest.raises(TrainingError, match=r"head.bias holds numbers that are NaN.*another seed"):
        broken.save(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


SAVING = """
import sys
from dataclasses import replace
from pathlib import Path
from spml_core.labeling.trained_model import TrainedModel
folder = Path(sys.argv[1])
models = [TrainedModel.load(folder)]
models.append(replace(models[0], bank=None, bank_pictures=()))
print("ready", flush=True)
while True:
    for model in models:
        model.save(folder)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are a Unix thing")
def test_killed_at_any_moment_a_model_is_whole(model, tmp_path):
    model.save(tmp_path)
    lengths = set()
    rng = np.random.default_rng(0)
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", SAVING, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout.readline() == "ready\n"
            time.sleep(float(rng.uniform(0, 0.2)))
            os.kill(child.pid, signal.SIGKILL)
        again = TrainedModel.load(tmp_path)
        lengths.add(len(again.bank_pictures))
        assert (again.bank is None) == (again.bank_pictures == ())
        model.save(tmp_path)
    assert lengths == {0, 2}
