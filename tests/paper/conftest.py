import importlib.util
import sys
from pathlib import Path

import pytest

from spml_core.engine.run_paper import run_paper


def _load_tree():
    """tree.py beside this file, by its place: pytest puts no test folder on the path."""
    spec = importlib.util.spec_from_file_location("paper_tree", Path(__file__).with_name("tree.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper_tree"] = module
    spec.loader.exec_module(module)
    return module


tree = _load_tree()


@pytest.fixture
def voc(tmp_path):
    return tree.write_voc(tmp_path / "voc")


@pytest.fixture
def densepose(tmp_path):
    return tree.write_densepose(tmp_path / "densepose")


@pytest.fixture
def run():
    """Run a preset with a tiny network; gives all events, or those before ``stop`` says so."""

    def go(name, folder, out, stop=lambda event: False, options=tree.TINY):
        events = []
        steps = run_paper(name, folder, out, options)
        for event in steps:
            events.append(event)
            if stop(event):
                steps.close()
                break
        return events

    return go
