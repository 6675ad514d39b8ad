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


def test_the_samples_are_small_and_licensed():
    folder = sample_path("nuclei").parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 2_500_000
    text = (folder / "LICENSES.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"## {name}/" in text
        assert len(list_pictures(folder / name / "images")) > 9
    void = read_index_png(next((folder / "people" / "masks").glob("0097.png")))
    assert (void == IGNORE).any()


def test_an_unknown_sample_is_refused():
    with pytest.raises(PictureError, match="nuclei, people"):
        sample_path("cats")
