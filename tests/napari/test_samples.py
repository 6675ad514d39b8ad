import sys

import numpy as np
import pytest

from sample_data import NAMES, sample_path
from spml_core.errors import PictureError, ProjectError, StorageError
from spml_core.io import read_index_png
from spml_core.project import Project
from spml_napari import samples
from spml_napari.samples import SAMPLES, make_sample_project, nuclei_layers, people_layers


def test_every_sample_has_words():
    assert set(SAMPLES) == set(NAMES)


@pytest.mark.parametrize(("name", "pictures", "marked"), [("nuclei", 12, 6), ("people", 10, 5)])
def test_a_sample_project_is_whole_and_elsewhere(tmp_path, name, pictures, marked):
    path = make_sample_project(name, tmp_path / "new")
    assert path == tmp_path / "new" / name / f"{name}.spml"
    with Project.open(path) as project:
        assert len(project.pictures) == pictures
        assert len(project.marked_pictures()) == marked
        assert min(project.mark_counts()) > 0
        for record in project.pictures:
            assert record.path.is_relative_to(tmp_path)
            assert project.open_picture(record).size == (record.height, record.width)
    assert (tmp_path / "new" / name / "LICENSES.md").is_file()
    assert not (sample_path(name) / f"{name}.spml").exists()
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == [name]


def test_the_project_of_the_film_is_whole_and_elsewhere(tmp_path):
    path = make_sample_project("film", tmp_path / "new")
    assert path == tmp_path / "new" / "film" / "film.spml"
    with Project.open(path) as project:
        (film,) = project.films
        assert film.path == tmp_path / "new" / "film" / "film.mp4"
        assert project.pictures == ()
        assert project.marked_frames(film) == (0, 30)
        assert project.open_picture(project.frame(film, 59)).rgb().shape == (film.height, film.width, 3)
    assert len(list((path.parent / "labels").glob("*.png"))) == film.count
    assert (path.parent / "LICENSES.md").is_file()
    assert not (sample_path("film") / "film.spml").exists()
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["film"]
    assert make_sample_project("film", tmp_path / "new") == path


def test_a_sample_that_is_there_stays_as_it_is(tmp_path):
    path = make_sample_project("people", tmp_path)
    with Project.open(path) as project:
        project.add_class("hat")
    assert make_sample_project("people", tmp_path) == path
    with Project.open(path) as project:
        assert "hat" in project.classes.names
        make_sample_project("people", tmp_path)  # even while it is open


def test_nothing_foreign_is_written_into(tmp_path):
    (tmp_path / "nuclei").mkdir()
    (tmp_path / "nuclei" / "thesis.txt").write_text("all of it")
    with pytest.raises(ProjectError, match="exists already"):
        make_sample_project("nuclei", tmp_path)
    assert [entry.name for entry in (tmp_path / "nuclei").iterdir()] == ["thesis.txt"]
    with pytest.raises(PictureError, match="nuclei, people, film"):
        make_sample_project("cats", tmp_path)


def test_a_sample_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise StorageError("There is no room.", "Free some.")

    monkeypatch.setattr(samples, "import_marks", full)
    with pytest.raises(StorageError):
        make_sample_project("nuclei", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="can't be written"):
        make_sample_project("nuclei", tmp_path / "file")


@pytest.mark.parametrize(("make", "classes"), [(nuclei_layers, 2), (people_layers, 5)])
def test_the_layers_are_a_picture_and_its_mask(make, classes):
    (picture, picture_meta, kind), (mask, mask_meta, other) = make()
    assert (kind, other) == ("image", "labels")
    assert picture.shape == (*mask.shape, 3)
    assert mask_meta["name"].startswith(picture_meta["name"])
    values = set(np.unique(mask)) - {255}
    assert values == set(range(classes))
    names = mask_meta["metadata"]["classes"]
    assert len(names) == classes
    colors = mask_meta["colormap"].map(np.arange(classes))
    assert colors[0, 3] == 0  # the background is seen through
    assert (colors[1:, 3] == 1).all()
    assert mask_meta["colormap"].map(np.array([255]))[0, 3] == 0


def test_the_mask_is_that_of_the_picture():
    (_, meta, _), (mask, _, _) = nuclei_layers()
    truth = read_index_png(sample_path("nuclei") / "masks" / f"{meta['name']}.png")
    np.testing.assert_array_equal(mask, truth)


@pytest.mark.skipif(sys.platform == "win32", reason="folders can't be locked so")
def test_the_own_folder_is_not_in_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert samples.samples_folder().is_relative_to(tmp_path)
