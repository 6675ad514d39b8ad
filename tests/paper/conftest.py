import importlib.util
import sys
from pathlib import Path

import pytest

from spml_core.cli.main import app
from spml_core.config import TrainConfig
from spml_core.engine.run_paper import run_paper
from spml_core.project import Project


def _load(file):
    """A file beside this one as ``paper_NAME``, by its place: pytest puts no test folder on the path."""
    spec = importlib.util.spec_from_file_location(f"paper_{file}", Path(__file__).with_name(f"{file}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"paper_{file}"] = module
    spec.loader.exec_module(module)
    return module


tree = _load("tree")
projects = _load("projects")


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """File with a narrow backbone."""
    return projects.write_weights(tmp_path_factory.mktemp("weights") / "narrow.safetensors")


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


@pytest.fixture
def spml(capsys):
    """The command line, in this process: its exit code, output and errors."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            app([str(word) for word in words])
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return run


@pytest.fixture
def scribbled(tmp_path):
    """A project of four pictures with scribbles and one without, open for writing."""
    with Project.open(projects.make_project(tmp_path, "paper-scribbles")) as project:
        yield project


@pytest.fixture
def config(weights):
    """A training of it that takes seconds."""
    return TrainConfig.from_preset("paper-scribbles", **projects.settings(weights))
