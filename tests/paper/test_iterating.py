import numpy as np
import pytest
import safetensors.torch
import torch

from spml_core.errors import TrainingError
from spml_core.paper import iterating
from spml_core.paper.iterating import derived_seed, learn, learned
from spml_core.paper.run_folder import StageFolder
from spml_core.training.events import CheckpointSaved, StepDone

CPU = torch.device("cpu")


class Walker:
    """Adds a random step to a number: what it does hangs on the generator and on everything before."""

    def __init__(self):
        self.place = torch.zeros(1)
        self.taken = []

    def step(self, index, total):
        self.taken.append(index)
        self.place = self.place * 0.9 + torch.randn(1)
        return {"total": self.place.sum()}

    def state(self):
        return {"place": self.place}

    def restore(self, state):
        self.place = state["place"]

    def network(self):
        return {"end": self.place}


def stage(tmp_path, name="walk"):
    (tmp_path / name).mkdir(parents=True, exist_ok=True)
    return StageFolder(tmp_path / name)


def test_broken_off_anywhere_it_ends_the_same(tmp_path):
    whole = stage(tmp_path / "whole")
    list(learn(whole, Walker, 7, 3, CPU))
    truth = learned(whole)["end"]
    assert truth.abs() > 0.01
    for broken in range(1, 7):
        folder = stage(tmp_path / str(broken))
        events = learn(folder, Walker, 7, 3, CPU)
        for event in events:
            if isinstance(event, StepDone) and event.step == broken:
                break
        events.close()
        torch.randn(broken)  # whoever uses the generator in between
        list(learn(folder, Walker, 7, 3, CPU))
        torch.testing.assert_close(learned(folder)["end"], truth, rtol=0, atol=0)


def test_steps_before_the_checkpoint_arent_taken_again(tmp_path):
    folder = stage(tmp_path)
    events = learn(folder, Walker, 5, 3, CPU)
    saved = next(event for event in events if isinstance(event, CheckpointSaved))
    events.close()
    made = []
    list(learn(folder, lambda: made.append(Walker()) or made[0], 5, 3, CPU))
    assert made[0].taken == list(range(saved.step, 5))


def test_a_finished_stage_is_left_alone(tmp_path):
    folder = stage(tmp_path)
    list(learn(folder, Walker, 3, 3, CPU))
    assert folder.figures() == {"iterations": 3}
    assert not (folder.path / "checkpoint.safetensors").exists()

    def never():
        raise AssertionError("asked for a learner")

    assert list(learn(folder, never, 3, 3, CPU)) == []


def test_seeds_and_stages_draw_differently(tmp_path):
    ends = []
    for name, seed in (("a", 1), ("a", 2), ("b", 1)):
        folder = stage(tmp_path / f"{name}{seed}", name)
        list(learn(folder, Walker, 3, seed, CPU))
        ends.append(float(learned(folder)["end"]))
    assert len(set(ends)) == 3
    assert derived_seed(1, "a", 2) == derived_seed(1, "a", 2) != derived_seed(1, "a", 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_isnt_finite(tmp_path, value):
    class Broken(Walker):
        def step(self, index, total):
            return {"total": torch.tensor(value)}

    with pytest.raises(TrainingError, match="step 1"):
        list(learn(stage(tmp_path), Broken, 3, 3, CPU))


def test_a_damaged_checkpoint(tmp_path):
    folder = stage(tmp_path)
    (folder.path / "checkpoint.safetensors").write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors"):
        list(learn(folder, Walker, 3, 3, CPU))


class Breaking(Walker):
    """Whose network is no number after its second step, though its losses are."""

    def step(self, index, total):
        losses = super().step(index, total)
        if index == 1:
            self.place = self.place * np.nan
            return {"total": torch.tensor(1.0)}
        return losses


def test_a_network_that_isnt_finite_takes_no_place(tmp_path, monkeypatch):
    monkeypatch.setattr(iterating, "_SAVING_SHARE", np.inf)  # a checkpoint after every step
    folder = stage(tmp_path)
    with pytest.raises(TrainingError, match=r"checkpoint.*isn't written.*place.*NaN.*step 2.*lower learning"):
        list(learn(folder, Breaking, 4, 3, CPU))
    assert torch.isfinite(learned(folder)["place"]).all()
    list(learn(folder, Walker, 4, 3, CPU))
    assert torch.isfinite(learned(folder)["end"]).all()


def test_a_network_that_isnt_finite_in_its_last_step_ends_no_stage(tmp_path):
    folder = stage(tmp_path)
    with pytest.raises(TrainingError, match=r"network.*isn't written"):
        list(learn(folder, Breaking, 2, 3, CPU))
    assert not folder.done and not (folder.path / "network.safetensors").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_isnt_finite_is_not_read(tmp_path, value):
    folder = stage(tmp_path)
    list(learn(folder, Walker, 2, 3, CPU))
    data = safetensors.torch.save({"end": torch.tensor([value])}, {"step": "2"})
    (folder.path / "network.safetensors").write_bytes(data)
    with pytest.raises(TrainingError, match=r"network.*end holds numbers that are NaN.*Delete the folder"):
        learned(folder)


def test_a_checkpoint_of_another_training(tmp_path):
    folder = stage(tmp_path)
    data = safetensors.torch.save({"other": torch.zeros(1)}, {"step": "1"})
    (folder.path / "checkpoint.safetensors").write_bytes(data)
    with pytest.raises(TrainingError, match=r"checkpoint.*doesn't fit.*place.*Delete the folder"):
        list(learn(folder, Walker, 3, 3, CPU))
