"""A training that comes upon a number that is none, and one that goes on on another device."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from spml_core.errors import TrainingError
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models.finite import finite_losses
from spml_core.relations import MemoryBank
from spml_core.relations.memory import BankEntry
from spml_core.seeds.tag_classifier import Bag, fit_tag_classifier
from spml_core.training import StepDone, loop
from spml_core.training.checkpoint import CHECKPOINT_FILE, Checkpoint, Progress, save_checkpoint
from spml_core.training.linear_start import fit_logistic
from spml_core.video.soft_fitting import fit_soft


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["total", "annotation"])
def test_a_loss_that_is_no_number_ends_the_training_and_harms_nothing(
    blob_set, tiny, run, tmp_path, monkeypatch, value, name
):
    usual, taken = loop.losses, []

    def losses(*given):
        terms = usual(*given)
        taken.append(terms)
        return terms | {name: terms[name] * value} if len(taken) == 4 else terms

    monkeypatch.setattr(loop, "losses", losses)
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    heard = []
    with pytest.raises(
        TrainingError, match=rf"Training: the loss {name} is .* in step 4\..*checkpoint is kept"
    ):
        heard.extend(loop.train(blob_set[0], tiny, tmp_path))
    monkeypatch.setattr(loop, "losses", usual)
    model = TrainedModel.load(tmp_path)
    assert all(bool(t.isfinite().all()) for t in model.network.state_dict().values())
    assert Checkpoint.load(tmp_path).progress.step == 3
    events, _ = run(blob_set[0], tiny, tmp_path, resume=True)
    assert [e.step for e in events if isinstance(e, StepDone)] == list(range(4, tiny.steps + 1))


def test_a_network_that_broke_in_the_last_step_is_not_written(blob_set, tiny, tmp_path, monkeypatch):
    usual = loop.make_optimiser

    def breaking(network, config):
        optimiser = usual(network, config)
        step = optimiser.step

        def break_it(*given):
            step(*given)
            with torch.no_grad():
                network.head.bias.fill_(math.nan)

        optimiser.step = break_it
        return optimiser

    monkeypatch.setattr(loop, "make_optimiser", breaking)
    with pytest.raises(TrainingError, match=r"head\.bias holds numbers that are NaN"):
        list(loop.train(blob_set[0], tiny.changed(steps=1), tmp_path))
    assert bool(TrainedModel.load(tmp_path).network.head.bias.isfinite().all())  # the one it began with


def test_losses_come_as_plain_numbers():
    found = finite_losses({"a": torch.tensor(1.5, requires_grad=True), "total": torch.tensor(2)}, "x", 1)
    assert found == {"a": 1.5, "total": 2.0}


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_what_is_restored_lies_where_the_network_is(tmp_path):
    """The device "meta" stands for a GPU: whatever stayed on the CPU couldn't be computed with there."""
    network = torch.nn.Linear(3, 2)
    optimiser, memory = torch.optim.AdamW(network.parameters()), MemoryBank()
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    codes = [torch.ones(4, dtype=torch.int64) for _ in range(4)]
    tags = torch.ones(4, 2, dtype=torch.bool)
    memory.push(BankEntry(torch.ones(4, 3), torch.ones(4, 5), *codes[:3], tags), 2)
    rng = np.random.default_rng(3)
    state = dict(rng.bit_generator.state)
    progress = Progress(1, 2, 0.5, ("a",), 3, 0.0, None, state)
    save_checkpoint(
        tmp_path,
        progress,
        codes[3],
        network.state_dict(),
        optimiser,
        memory,
        torch.Generator().manual_seed(5),
    )
    elsewhere = network.to("meta")
    again, bank = torch.optim.AdamW(elsewhere.parameters()), MemoryBank()
    Checkpoint.load(tmp_path).restore(elsewhere, again, bank, torch.Generator(), np.random.default_rng(0))
    contents = bank.contents()
    for name in ("prototypes", "local_prototypes", "images", "labels", "regions", "tags"):
        assert getattr(contents, name).device.type == "meta", name
    for moments in again.state.values():
        assert {moments["exp_avg"].device.type, moments["exp_avg_sq"].device.type} == {"meta"}


@pytest.mark.parametrize(
    "change",
    [
        {"step": "3"},
        {"step": -1},
        {"step": 9, "total": 3},
        {"seconds": float("nan")},
        {"seconds": [1]},
        {"generator": {}},
        {"generator": None},
        {"pictures": 7},
        {"pictures": [1]},
        {"sizes": ["a"]},
        {"unknown": 1},
        {"color_strength": "x"},
    ],
)
def test_a_checkpoint_whose_description_makes_no_sense_is_told_in_one_line(
    blob_set, tiny, run, tmp_path, change
):
    state = dict(np.random.default_rng(3).bit_generator.state)
    progress = asdict(Progress(1, 2, 0.5, ("a",), 3, 0.0, None, state)) | change
    data = safetensors.torch.save({"labels": torch.zeros(3)}, {"progress": json.dumps(progress)})
    (tmp_path / CHECKPOINT_FILE).write_bytes(data)
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors is damaged .*without --resume"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "7", "null", "{"])
def test_a_checkpoint_that_describes_nothing(tmp_path, text):
    data = safetensors.torch.save({"labels": torch.zeros(3)}, {"progress": text})
    (tmp_path / CHECKPOINT_FILE).write_bytes(data)
    with pytest.raises(TrainingError, match="is damaged"):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    "lost", ["generator", "memory.0.labels", "optimiser.0.exp_avg", "network.head.bias", "labels"]
)
def test_a_checkpoint_without_all_its_tensors_is_told_in_one_line(
    blob_set, tiny, run, tmp_path, monkeypatch, lost
):
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    for event in loop.train(blob_set[0], tiny.changed(steps=4), tmp_path):
        if isinstance(event, StepDone) and event.step == 3:
            break
    file = tmp_path / CHECKPOINT_FILE
    with safetensors.safe_open(file, "pt") as there:
        about, tensors = there.metadata(), {n: there.get_tensor(n) for n in there.keys()}  # noqa: SIM118
    del tensors[lost]
    file.write_bytes(safetensors.torch.save(tensors, about))
    with pytest.raises(TrainingError, match="without --resume"):
        run(blob_set[0], tiny.changed(steps=4), tmp_path, resume=True)


@pytest.mark.parametrize("broken", [torch.zeros(7, 7), None])
def test_a_checkpoint_whose_optimiser_is_of_another_network(
    blob_set, tiny, run, tmp_path, monkeypatch, broken
):
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    list(loop.train(blob_set[0], tiny.changed(steps=2), tmp_path))
    file = tmp_path / CHECKPOINT_FILE
    with safetensors.safe_open(file, "pt") as there:
        about, tensors = there.metadata(), {n: there.get_tensor(n) for n in there.keys()}  # noqa: SIM118
    if broken is None:
        tensors["optimiser.99.exp_avg"] = tensors.pop("optimiser.0.exp_avg")
    else:
        tensors["optimiser.0.exp_avg"] = broken
    file.write_bytes(safetensors.torch.save(tensors, about))
    with pytest.raises(TrainingError, match=r"optimiser.*without --resume"):
        run(blob_set[0], tiny.changed(steps=2), tmp_path, resume=True)


def test_a_checkpoint_that_is_no_number_is_not_gone_on_from(blob_set, tiny, run, tmp_path):
    list(loop.train(blob_set[0], tiny.changed(steps=2), tmp_path))
    file = tmp_path / CHECKPOINT_FILE
    with safetensors.safe_open(file, "pt") as there:
        about, tensors = there.metadata(), {n: there.get_tensor(n) for n in there.keys()}  # noqa: SIM118
    tensors["network.head.bias"] = tensors["network.head.bias"] * math.nan
    file.write_bytes(safetensors.torch.save(tensors, about))
    with pytest.raises(TrainingError, match=r"network\.head\.bias holds numbers that are NaN"):
        run(blob_set[0], tiny.changed(steps=2), tmp_path, resume=True)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_fits_before_the_first_step_have_the_same_guard(value):
    features = torch.tensor([[0.0, 1.0], [value, 2.0], [1.0, 0.0]])
    with pytest.raises(TrainingError, match=r"Linear start: the loss cross_entropy is .* in step"):
        fit_logistic(features, torch.tensor([0, 1, 0]), 2)
    with pytest.raises(TrainingError, match=r"Learning from films: the loss cross_entropy is .* in step"):
        fit_soft(features, torch.full((3, 2), 0.5), torch.ones(3))
    bags = [Bag(features, torch.tensor([True]), torch.tensor([False]))]
    with pytest.raises(TrainingError, match=r"Classifier of tags: the loss tags is .* in step"):
        fit_tag_classifier(bags)


def test_a_fit_without_any_label_is_nothing_that_broke():
    weight, bias = fit_logistic(torch.ones(0, 2), torch.zeros(0, dtype=torch.int64), 3)
    assert not weight.any() and (bias < 0).all()
