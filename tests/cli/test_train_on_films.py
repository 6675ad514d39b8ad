"""``spml train --video``: learning from a project's films."""

import numpy as np
import pytest
import torch
from PIL import Image

from spml_core.annotations import Point
from spml_core.project import Project


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def filmed(tmp_path, spml):
    """A project of a film of four frames, of which the second has a click on each class."""
    (tmp_path / "walk").mkdir()
    for index in range(4):
        rgb = np.random.default_rng(0).integers(0, 40, (48, 64, 3)).astype(np.uint8)
        rgb[:, : 30 + index, 0] += 180
        rgb[:, 30 + index :, 2] += 180
        Image.fromarray(rgb).save(tmp_path / "walk" / f"{index:05d}.png")
    path = tmp_path / "p.spml"
    words = ["--film", tmp_path / "walk", "--class", "red", "--class", "blue"]
    made = spml("new", path, *words)
    assert made.code == 0, made.err
    with Project.open(path) as project:
        record = project.frame(project.films[0], 1)
        project.add_marks({record.id: [Point(0, 20, 10), Point(1, 20, 55)]}, "clicks")
    return path


@pytest.mark.parametrize(
    ("video", "terms"),
    [("weclick", {"memory_flow", "teacher"}), ("etc", {"temporal", "pair", "multi", "teacher"})],
)
def test_losses_of_films_are_told(filmed, spml, video, terms):
    trained = spml("train", filmed, "--video", video, "--preset", "quick", "--steps", 2, "--json")
    assert trained.code == 0, trained.err
    steps = [event["losses"] for event in trained.events if event["event"] == "step"]
    assert len(steps) == 2
    assert set(steps[0]) & {"memory_flow", "temporal", "pair", "multi", "teacher"} == terms
    assert {"flow", "film"} <= {event["stage"] for event in trained.events if event["event"] == "stage"}
    with Project.open(filmed) as project:
        assert project.current_run().config["video"] == video


def test_it_keeps_to_its_time(filmed, spml):
    trained = spml("train", filmed, "--video", "weclick", "--preset", "quick", "--max-seconds", 8)
    assert trained.code == 0, trained.err
    assert trained.out.startswith("Trained after ")


def test_without_a_film_one_line_says_so(marked, spml):
    refused = spml("train", marked, "--video", "weclick", "--preset", "quick")
    assert refused.code == 2
    assert refused.out == "" and len(refused.err.strip().splitlines()) == 1
    assert "needs a film of two frames" in refused.err and "--video" in refused.err
    with Project.open(marked) as project:
        assert not project.runs()


def test_unknown_ways_and_published_methods_are_refused(filmed, spml):
    refused = spml("train", filmed, "--video", "tdnet", "--preset", "quick")
    assert refused.code == 2 and "weclick, etc, both" in refused.err
    refused = spml("train", filmed, "--video", "etc", "--preset", "paper-points")
    assert refused.code == 2 and "doesn't learn from films" in refused.err
