"""Pictures of a project from before PNG and TIFF were turned upright stay as its marks know them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from spml_core.classes import ClassTable
from spml_core.project import Project

RGB8 = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def turned_png(path, orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB8).save(path, exif=exif)
    return path


def turned_stack(path, orientation=6):
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, np.stack([RGB8] * 3), photometric="rgb", extratags=tag)
    return path


def as_an_older_program_left_it(project):
    """The rows of pictures and films as they lie in their files, and no word of how they are turned."""
    database = project._database
    database.execute("DELETE FROM meta WHERE key LIKE '%_as_stored'")
    database.execute("UPDATE pictures SET height = 40, width = 56")
    database.execute("UPDATE films SET height = 40, width = 56")
    project.close()


@pytest.mark.parametrize("orientation", [3, 6])
def test_old_pictures_stay_and_new_ones_are_turned(tmp_path, orientation):
    classes = ClassTable.from_names(["background", "cell"])
    pictures, path = tmp_path / "images", tmp_path / "p.spml"
    pictures.mkdir()
    turned_png(pictures / "old.png", orientation)
    stack = turned_stack(tmp_path / "old_film.tif", orientation)
    as_an_older_program_left_it(Project.create(path, pictures, classes, films=[stack]))

    with Project.open(path, write=False) as project:
        old = project.open_picture(project.picture("old"))
        assert np.array_equal(old.rgb(), RGB8)
        assert np.array_equal(project.open_film(project.films[0]).frame(1), RGB8)

    new = turned_png(tmp_path / "new.png", orientation)
    with Project.open(path) as project:
        project.add([new], [turned_stack(tmp_path / "new_film.tif", orientation)])
    with Project.open(path) as project:
        turned = np.rot90(RGB8, -1) if orientation == 6 else RGB8[::-1, ::-1]
        assert np.array_equal(project.open_picture(project.picture("old")).rgb(), RGB8)
        assert np.array_equal(project.open_picture(project.picture("new")).rgb(), turned)
        assert np.array_equal(project.open_film(project.film("old_film")).frame(0), RGB8)
        assert np.array_equal(project.open_film(project.film("new_film")).frame(0), turned)


def test_a_new_project_turns_them_all(tmp_path):
    turned_png(tmp_path / "a.png")
    with Project.create(
        tmp_path / "p.spml", [tmp_path / "a.png"], ClassTable.from_names(["b", "c"])
    ) as project:
        record = project.picture("a")
        assert (record.height, record.width) == (56, 40)
        assert np.array_equal(project.open_picture(record).rgb(), np.rot90(RGB8, -1))
