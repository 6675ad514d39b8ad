"""Predicting when the classes are no longer those of the training."""

import numpy as np
import pytest
from PIL import Image

from spml_core.engine import predict_project as predict_module
from spml_core.engine.predict_project import current_model, predict_project
from spml_core.errors import ProjectError
from spml_core.films import open_film, write_zarr_film
from spml_core.io import read_index_png


@pytest.fixture
def project(tmp_path, picture_project, untrained_run):
    with picture_project(tmp_path, 2) as made:
        untrained_run(made)
        yield made


def predicted(project, out):
    done = list(predict_project(project, out, probabilities=True, device="cpu"))
    assert [d.name for d in done] == ["p0", "p1"]
    return [(read_index_png(d.path), np.load(d.path.with_suffix(".npy"))) for d in done]


def test_codes_follow_the_classes(project, tmp_path):
    before = predicted(project, tmp_path / "before")
    assert {0, 1, 2} <= set(np.unique([labels for labels, _ in before]))
    project.add_class("sea")
    project.move_class(0, 2)  # tree, road, sky, sea
    project.delete_class(project.classes.index("tree"))
    assert project.classes.names == ("road", "sky", "sea")
    now = np.array([1, 3, 0], np.uint8)
    for (old, dense), (new, today) in zip(before, predicted(project, tmp_path / "after"), strict=True):
        assert (new == now[old]).all()
        assert (today == np.stack([dense[2], dense[0], np.zeros_like(dense[0])])).all()


def test_merged_classes_share_a_code(project, tmp_path):
    before = predicted(project, tmp_path / "before")
    project.merge_class(project.classes.index("road"), project.classes.index("sky"))
    for (old, dense), (new, today) in zip(before, predicted(project, tmp_path / "after"), strict=True):
        assert (new == np.array([0, 1, 0], np.uint8)[old]).all()
        assert np.allclose(today[0], dense[0] + dense[2], atol=2e-3)


def test_a_model_whose_classes_are_all_gone_is_refused(project, tmp_path):
    project.add_class("sea")
    for name in ("sky", "tree", "road"):
        project.delete_class(project.classes.index(name))
    with pytest.raises(ProjectError, match="sky, tree, road; none of them is left"):
        current_model(project)
    with pytest.raises(ProjectError, match="none of them is left"):
        list(predict_project(project, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_frames_of_films_are_labelled_one_by_one(project, tmp_path):
    rng = np.random.default_rng(0)
    film = write_zarr_film(rng.integers(0, 255, (3, 40, 56, 3), np.uint8), tmp_path / "walk.zarr", 5)
    record = project.add_film(film)
    mine = list(predict_project(project, tmp_path / "mine", film=record, device="cpu"))
    assert [(d.name, d.done, d.total) for d in mine] == [(f"walk_00000{i}", i + 1, 3) for i in range(3)]
    other = list(predict_project(project, tmp_path / "other", images=film, device="cpu"))
    for one, two in zip(mine, other, strict=True):
        labels = read_index_png(one.path)
        assert labels.shape == (40, 56)
        assert (labels == read_index_png(two.path)).all()
    frames = tmp_path / "frames"
    frames.mkdir()
    for index, pixels in open_film(film).frames():
        Image.fromarray(pixels).save(frames / f"shot{index}.png")
    sequence = project.add_film(frames)
    found = list(predict_project(project, tmp_path / "sequence", film=sequence, device="cpu"))
    assert [d.name for d in found] == ["shot0", "shot1", "shot2"]
    assert (read_index_png(found[2].path) == read_index_png(mine[2].path)).all()


def test_no_kill_leaves_labels_beside_the_probabilities_of_another_model(
    picture_project, untrained_run, tmp_path, monkeypatch
):
    class KilledError(BaseException):
        pass

    out = tmp_path / "out"
    with picture_project(tmp_path, 2) as project:
        untrained_run(project, seed=0)
        before = [
            d.path.read_bytes() for d in predict_project(project, out, probabilities=True, device="cpu")
        ]
        untrained_run(project, seed=1)

        def killed(*_):
            raise KilledError

        monkeypatch.setattr(predict_module, "write_atomic", killed)
        with pytest.raises(KilledError):
            list(predict_project(project, out, probabilities=True, device="cpu"))
    assert (out / "p0.png").read_bytes() != before[0]
    assert not (out / "p0.npy").exists()
    assert (out / "p1.png").read_bytes() == before[1] and (out / "p1.npy").exists()
