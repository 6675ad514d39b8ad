import runpy
from pathlib import Path

import numpy as np
import pytest

from sample_data import NAMES, sample_path
from spml_core.classes import IGNORE
from spml_core.engine.imports import import_marks
from spml_core.errors import PictureError
from spml_core.images import list_pictures
from spml_core.io import find_index_pngs, read_classes, read_index_png
from spml_core.project import Project


@pytest.mark.parametrize(("name", "pictures", "marked"), [("nuclei", 12, 6), ("people", 10, 5)])
def test_a_sample_is_whole_and_its_marks_agree_with_its_masks(tmp_path, name, pictures, marked):
    sample = sample_path(name)
    classes = read_classes(sample / "classes.json")
    with Project.create(tmp_path / "p.spml", sample / "images", classes) as project:
        assert len(project.pictures) == pictures
        done = import_marks(project, scribbles=sample / "scribbles", points=sample / "points.csv")
        assert done.pictures == marked
        assert min(project.mark_counts()) > 0
        masks = find_index_pngs(sample / "masks", "masks")
        assert set(masks) == {record.name for record in project.pictures}
        for record in project.marked_pictures():
            truth = read_index_png(masks[record.name])
            labels = project.weak_labels(record, point_radius=0.5)
            said = labels < len(classes)
            assert 0 < said.mean() < 0.1
            np.testing.assert_array_equal(labels[said], truth[said])


def test_the_film_is_whole_and_its_marks_agree_with_its_masks(tmp_path):
    sample = sample_path("film")
    classes = read_classes(sample / "classes.json")
    assert classes.names == ("background", "nucleus", "dividing")
    with Project.create(tmp_path / "p.spml", sample / "film.mp4", classes) as project:
        (film,) = project.films
        assert (film.name, film.count, film.height, film.width, film.frame_rate) == ("film", 60, 240, 320, 12)
        assert import_marks(project, scribbles=sample / "scribbles").pictures == 2
        assert project.marked_frames(film) == (0, 30)
        masks = find_index_pngs(sample / "labels", "labels")
        assert set(masks) == {project.frame(film, index).name for index in range(film.count)}
        for index in (0, 30):
            record = project.frame(film, index)
            truth = read_index_png(masks[record.name])
            labels = project.weak_labels(record)
            said = labels < len(classes)
            assert set(np.unique(labels[said])) == {0, 1, 2}
            assert 0 < said.mean() < 0.05
            np.testing.assert_array_equal(labels[said], truth[said])


def test_the_masks_of_the_film_lie_on_what_is_bright_in_every_frame(tmp_path):
    sample = sample_path("film")
    with Project.create(
        tmp_path / "p.spml", sample / "film.mp4", read_classes(sample / "classes.json")
    ) as project:
        (film,) = project.films
        for index, rgb in project.open_film(film).frames(0, film.count):
            truth = read_index_png(sample / "labels" / f"film_{index:06d}.png")
            background, nucleus, dividing = (rgb[truth == code, 0].mean() for code in range(3))
            assert 1.8 * background < nucleus, index
            assert 1.25 * nucleus < dividing, index


def test_the_film_is_what_its_script_renders():
    """Pictures and masks; how they are compressed depends on the encoder's version."""
    script = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "make_sample_film.py"))
    sample = sample_path("film")
    frames, masks = script["render"](sample / "sources", 6, frames=3)
    for index, mask in enumerate(masks):
        truth = read_index_png(sample / "labels" / f"film_{index:06d}.png")
        assert (mask != truth).mean() < 1e-4  # other processors round otherwise
    assert frames[0].shape == masks[0].shape == (240, 320)


def test_the_samples_are_small_and_licensed():
    folder = sample_path("nuclei").parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 2_500_000
    text = (folder / "LICENSES.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"## {name}/" in text
    assert len(list_pictures(folder / "nuclei" / "images")) == 12
    assert len(list_pictures(folder / "people" / "images")) == 10
    for source in list_pictures(folder / "film" / "sources" / "images"):
        assert f"`{source.name}`" in text
    assert (folder / "film" / "film.mp4").stat().st_size < 700_000
    void = read_index_png(next((folder / "people" / "masks").glob("0097.png")))
    assert (void == IGNORE).any()


def test_an_unknown_sample_is_refused():
    with pytest.raises(PictureError, match="nuclei, people, film"):
        sample_path("cats")
