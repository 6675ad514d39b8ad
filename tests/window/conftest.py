"""A screen, and a project of small pictures on which two things are easily told apart."""

import pytest
from desktop import Desktop, missing_programs
from PIL import Image
from project_window import NAMES, leaf_picture

from spml_core.classes import ClassTable
from spml_core.project import Project


def pytest_collection_modifyitems(items):
    missing = missing_programs()
    for item in items:
        if missing and "desktop" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(missing)}: a screen and a hand"))


@pytest.fixture
def desktop(tmp_path):
    desktop = Desktop(tmp_path / "desk")
    yield desktop
    desktop.close()


@pytest.fixture
def project_path(tmp_path):
    """A project of four small pictures and two classes, without a mark."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        Image.fromarray(leaf_picture(seed)).save(folder / f"{name}.png")
    path = tmp_path / "leaves.spml"
    Project.create(path, folder, ClassTable.from_names(["ground", "leaf"])).close()
    return path
