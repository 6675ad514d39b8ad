"""A training keeps to its time, however slow the machine is. The clock here is one that the work itself moves on."""

from dataclasses import replace

import numpy as np
import pytest

from spml_core.labeling.trained_model import TrainedModel
from spml_core.training import (
    Finished,
    StageProgress,
    StepDone,
    TrainingSet,
    choosing,
    loop,
    samples,
    teaching,
)
from spml_core.training.checkpoint import Checkpoint
from spml_core.training.schedule import Clock


class Time:
    """Seconds that pass when something is done."""

    def __init__(self):
        self.now = 0.0

    def slow(self, call, seconds):
        """The same call, taking so long."""

        def slowly(*args, **kwargs):
            self.now += seconds
            return call(*args, **kwargs)

        return slowly


@pytest.fixture
def passing(monkeypatch):
    """Time for all clocks of a training."""
    passing = Time()
    monkeypatch.setattr(loop, "Clock", lambda budget, spent: Clock(budget, spent, lambda: passing.now))
    monkeypatch.setattr(loop, "losses", passing.slow(loop.losses, 0.5))
    return passing


def test_slow_pseudo_labels_end_with_the_budget(blob_set, tiny, passing, monkeypatch):
    count = []
    usual = teaching.add_pseudo_labels
    monkeypatch.setattr(
        teaching, "add_pseudo_labels", passing.slow(lambda *a, **k: count.append(1) or usual(*a, **k), 4.0)
    )
    events = list(loop.train(blob_set[0], replace(tiny, max_seconds=15.0, steps=None)))
    assert isinstance(events[-1], Finished)
    assert 0 < len(count) < len(blob_set[0].pictures)
    assert events[-1].seconds <= 15.0 + 4.0


def test_a_slow_bank_ends_with_the_budget(blob_set, tiny, passing, monkeypatch):
    from spml_core.training import bank

    monkeypatch.setattr(bank, "cells_bank", passing.slow(bank.cells_bank, 6.0))
    events = list(loop.train(blob_set[0], replace(tiny, max_seconds=15.0, steps=None)))
    assert events[-1].seconds <= 15.0 + 6.0


def test_slow_steps_are_as_many_as_fit(blob_set, tiny, passing, monkeypatch):
    monkeypatch.setattr(loop, "losses", passing.slow(loop.losses, 3.5))
    events = list(loop.train(blob_set[0], replace(tiny, max_seconds=15.0, steps=None)))
    assert sum(isinstance(event, StepDone) for event in events) <= 4
    assert events[-1].seconds <= 15.0 + 4.0


def strips(count):
    """Pictures of several windows, their classes marked at both ends."""
    rng = np.random.default_rng(0)
    pictures, marks = [], []
    for _ in range(count):
        rgb = rng.normal(80, 10, (280, 4000, 3))
        rgb[:, 2000:, 0] += 90
        codes = np.full((280, 4000), 2, np.uint8)
        codes[20:24, 20:30], codes[20:24, -30:-20] = 0, 1
        pictures.append(rgb.clip(0, 255).astype(np.uint8))
        marks.append(codes)
    return TrainingSet.from_arrays(pictures, marks, ["left", "right"])


@pytest.fixture
def windows(passing, monkeypatch):
    """Numbers that grow with every window that was looked at, which takes three seconds."""
    looked = []
    usual = samples.window_features
    monkeypatch.setattr(
        samples, "window_features", passing.slow(lambda *a: looked.append(1) or usual(*a), 3.0)
    )
    return looked


def test_of_a_picture_that_is_slow_to_read_only_the_windows_with_marks_are_waited_for(
    tiny, passing, windows, tmp_path
):
    events = list(loop.train(strips(2), replace(tiny, max_seconds=1.0, steps=None), tmp_path))
    assert len(windows) == 2  # of more than four
    assert isinstance(events[-1], Finished)
    assert not (tmp_path / "checkpoint.safetensors").exists()  # reading it again would give other cells
    assert TrainedModel.load(tmp_path).class_names == ("left", "right")


def test_a_picture_that_can_be_done_without_is_left_when_it_is_late(tiny, passing, windows, tmp_path):
    alone = strips(1)
    list(loop.train(alone, replace(tiny, max_seconds=1e6, steps=1)))
    whole = len(windows)
    assert whole > 4
    windows.clear()
    # The first picture is read in time, the second takes until 0.7 of the budget and is left.
    budget = whole * 3.0 * 2.2
    events = list(loop.train(strips(2), replace(tiny, max_seconds=budget, steps=2), tmp_path))
    assert whole < len(windows) < 2 * whole
    assert max(e.done for e in events if isinstance(e, StageProgress) and e.stage == "features") == 1
    assert len(Checkpoint.load(tmp_path).progress.pictures) == 1  # so it can be gone on with


def test_judging_colours_ends_with_its_share_of_the_budget(blob_set, tiny, passing, monkeypatch):
    count = []
    usual = choosing._judge
    monkeypatch.setattr(choosing, "_judge", passing.slow(lambda *a: count.append(1) or usual(*a), 6.0))
    config = replace(tiny, max_seconds=30.0, steps=None, pseudo_labels=False)
    events = list(loop.train(blob_set[0], config))
    assert 0 < len(count) < len(blob_set[0].marked) * len(config.color_strengths)
    assert events[-1].seconds <= 30.0 + 6.0 * len(config.color_strengths)
