import numpy as np
import pytest
import torch
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.labeling.explaining import segment_window
from spml_core.labeling.inference import ArrayPixels
from spml_core.labeling.refinement import Refinement
from spml_core.labeling.retrieval import RetrievalBank
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.project import Project

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
