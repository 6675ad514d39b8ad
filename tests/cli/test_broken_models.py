"""Models that are no models any more: every command that reads one refuses it in one line, and says what to do."""

import json

import pytest
import safetensors.torch
import torch

from spml_core.config import TrainConfig
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.project import Project

NAN = float("nan")


@pytest.fixture
def trained(marked):
    """The project with a model that knows nothing yet."""
    config = TrainConfig(scales=(1.0,), embedding_dim=16)
    torch.manual_seed(0)
    network = build_network(config, 2).eval()
    with Project.open(marked) as opened:
        run = opened.new_run(config.to_dict())
        TrainedModel(network, Refinement((20,)), opened.classes.names, config).save(run.folder)
        opened.set_run_state(run.id, "finished")
        opened.set_current_run(run.id)
    return marked


def model_file(project):
    with Project.open(project, write=False) as opened:
        return opened.current_run().folder / "model.safetensors"


def change(file, changed):
    """Change or take away (None) tensors of a model; what it says of itself stays."""
    data = file.read_bytes()
    about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors = safetensors.torch.load(data) | changed(safetensors.torch.load(data))
    file.write_bytes(safetensors.torch.save({name: t for name, t in tensors.items() if t is not None}, about))


DAMAGES = {
    "every tensor is NaN": lambda there: {
        name: torch.full_like(t, NAN) for name, t in there.items() if t.is_floating_point()
    },
    "one number is infinite": lambda there: {"head.weight": there["head.weight"].index_fill(
        0, torch.tensor([1]), float("inf")
    )},
    "a double that float32 can't hold": lambda there: {"head.bias": there["head.bias"].double() + 1e300},
    "finite numbers far too large": lambda there: {
        name: torch.full_like(there[name], 3e38) for name in ("embedding.weight", "head.weight")
    },
    "no tensor at all": lambda there: dict.fromkeys(there),
    "one tensor is missing": lambda there: {"scale": None},
    "one tensor has another shape": lambda there: {"head.bias": there["head.bias"][:-1].clone()},
    "complex numbers": lambda there: {"head.bias": there["head.bias"] + 1j},
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_no_command_answers_with_a_model_that_is_broken(trained, spml, data, damage):
    change(model_file(trained), damage)
    out = data / "out"
    for command in (
        ("predict", trained, "--out", out),
        ("export", trained, "--format", "index-png", "--out", out),
    ):
        complaint = spml(*command).complaint()
        assert "model" in complaint and "Train again" in complaint, command
    assert not out.exists() or list(out.iterdir()) == []


def test_the_same_model_in_whole_answers(trained, spml, data):
    change(model_file(trained), lambda there: {})
    assert spml("predict", trained, "--out", data / "out").code == 0
    assert len(list((data / "out").glob("*.png"))) == 4
