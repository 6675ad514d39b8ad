import numpy as np
import pytest
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.project import Project


@pytest.fixture
def images(tmp_path):
    """Three pictures, one of them in a subfolder."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, (height, width) in {"b.png": (20, 30), "a.png": (16, 17), "sub/c.png": (24, 18)}.items():
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def classes():
    return ClassTable.from_names(["background", "cell", "wall"])


@pytest.fixture
def project(tmp_path, images, classes):
    with Project.create(tmp_path / "p.spml", images, classes) as opened:
        yield opened
