"""A training keeps to its time, however slow the machine is. The clock here is one that the work itself moves on."""

from dataclasses import replace

import pytest

from spml_core.training import Finished, StepDone, loop, teaching
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
