import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.labeling.explaining import segment_window
from spml_core.labeling.inference import ArrayPixels
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.project import Project

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from training_child import Child

CLASSES = ("sky", "tree", "road")
CONFIG = TrainConfig(scales=(1.0,), embedding_dim=8, regions=(6, 20))
SIZE = (64, 80)


def coarse_picture(seed):
    """Coloured squares."""
    coarse = np.random.default_rng(seed).integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8, 3))
    return coarse.repeat(8, 0).repeat(8, 1).astype(np.uint8)


@pytest.fixture(scope="session")
def picture_project():
    """Makes a project p.spml of pictures p0, p1 and so on, 64 x 80, with three classes and without marks."""

    def make(folder, count):
        (folder / "images").mkdir()
        for number in range(count):
            Image.fromarray(coarse_picture(number)).save(folder / "images" / f"p{number}.png")
        return Project.create(folder / "p.spml", folder / "images", ClassTable.from_names(CLASSES))

    return make


@pytest.fixture(scope="session")
def untrained_run():
    """Makes a current run of a project; its model's bank holds the segments of p0 and p1, of every class in turn."""

    def make(project, seed=0):
        run = project.new_run(CONFIG.to_dict())
        torch.manual_seed(seed)
        network = build_network(CONFIG, len(CLASSES)).eval()
        model = TrainedModel(network, Refinement((6, 20)), CLASSES, CONFIG)
        banks = []
        for number in range(2):
            window = segment_window(model, ArrayPixels(coarse_picture(number)), 0, 0)
            index = torch.arange(len(window.prototypes))
            places = torch.stack([(window.segments == i).nonzero()[0] * 4 for i in index])
            origin = torch.full_like(index, number)
            banks.append(RetrievalBank(window.prototypes, index % 3, origin, index, 3, places))
        model.bank, model.bank_pictures = RetrievalBank.join(banks), ("p0", "p1")
        model.save(run.folder)
        project.set_run_state(run.id, "finished")
        project.set_current_run(run.id)
        return run

    return make


@pytest.fixture
def halves_project(tmp_path):
    """Four pictures, half red and half blue; three of them marked with a click on each side."""
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        rgb = np.random.default_rng(number).integers(0, 40, (48, 64, 3)).astype(np.uint8)
        rgb[:, :32, 0] += 180
        rgb[:, 32:, 2] += 180
        Image.fromarray(rgb).save(tmp_path / "pictures" / f"p{number}.png")
    names = ClassTable.from_names(["red", "blue", "other"])
    made = Project.create(tmp_path / "p.spml", tmp_path / "pictures", names)
    made.add_marks({r.id: [Point(0, 20, 12), Point(1, 24, 50)] for r in made.pictures[:3]}, "clicks")
    yield made
    made.close()


@pytest.fixture
def spawn():
    children = []

    def start(order=None):
        children.append(Child(order))
        return children[-1]

    yield start
    for child in children:
        child.end()
