"""What a picture's marks say, pixel by pixel, with and without a model's help."""

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Point, Scribble, Tag
from spml_core.classes import ClassTable
from spml_core.engine.predict_project import todays_codes
from spml_core.engine.seeds import seed_map
from spml_core.generators import run_to_end
from spml_core.labeling.picture_prediction import shrunk_prediction
from spml_core.labeling.trained_model import TrainedModel
from spml_core.project import Project
from spml_core.seeds import combine_seeds

BOX = Box(1, 10, 12, 40, 50)


@pytest.fixture
def project(tmp_path, picture_project):
    with picture_project(tmp_path, 2) as made:
        yield made


def marked(project, *marks):
    record = project.pictures[0]
    project.add_marks({record.id: list(marks)}, "marks")
    return record


def in_box(shape, box=BOX):
    inside = np.zeros(shape, bool)
    inside[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
    return inside


@pytest.fixture
def help_of(project, untrained_run):
    """The run's model and today's codes, read anew."""
    run = untrained_run(project)

    def read():
        model = TrainedModel.load(run.folder)
        return model, todays_codes(project, run, model)

    return read


def probabilities(project, record, model, codes, shrink=4):
    count = len(project.classes)
    found = run_to_end(shrunk_prediction(model, project.open_picture(record), shrink, codes, count))
    return found.probabilities[1:].astype(np.float32) / 255


def test_painted_labels_alone_stay_as_they_are(project):
    record = marked(project, Scribble(1, ((5, 5), (5, 40)), 3), Point(0, 50, 60))
    np.testing.assert_array_equal(seed_map(project, record), project.weak_labels(record))


def test_without_a_model_boxes_tell_where_the_background_is(project):
    record = marked(project, BOX, Tag(1), Tag(2), Point(2, 50, 60))
    found, painted = seed_map(project, record), project.weak_labels(record)
    inside = in_box(found.shape)
    assert found.shape == (record.height, record.width) and found.dtype == np.uint8
    assert (found[painted == 2] == 2).all() and (painted == 2).any()
    assert (found[inside & (painted == 3)] == 3).all() and (found[~inside & (painted == 3)] == 0).all()


def test_without_a_model_tags_tell_nothing(project):
    record = marked(project, Tag(1), Tag(2))
    assert (seed_map(project, record) == 3).all()


def test_key_points_need_no_model(project):
    record = marked(project, KeyPoint(2, 32, 40, 100))
    found = seed_map(project, record)
    assert found[32, 40] == 2 and found[0, 0] == 0 and set(np.unique(found)) == {0, 2, 3}


def test_a_model_finds_the_class_inside_its_box(project, help_of):
    record = marked(project, BOX, Point(0, 20, 20), Tag(2, complete=False))
    model, codes = help_of()
    found, painted = seed_map(project, record, model, codes), project.weak_labels(record)
    expected = combine_seeds(
        painted,
        CoarseMarks.of(project.marks(record.id).values()),
        probabilities(project, record, model, codes),
        3,
    )
    np.testing.assert_array_equal(found, expected)
    inside = in_box(found.shape)
    assert (found[inside] == 1).any() and not (found[~inside] == 1).any() and (found[painted == 0] == 0).all()


def test_a_small_picture_is_not_shrunk_for_the_model(tmp_path, untrained_run, picture_project):
    with picture_project(tmp_path, 2) as project:
        run = untrained_run(project)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 70, 3)).astype(np.uint8)).save(
            tmp_path / "images" / "p0.png"
        )
    with Project.create(tmp_path / "q.spml", tmp_path / "images", project.classes) as small:
        record = marked(small, Box(1, 5, 5, 30, 30))
        model, codes = TrainedModel.load(run.folder), np.append(np.arange(255), 255).astype(np.uint8)
        found = seed_map(small, record, model, codes)
        maps = probabilities(small, record, model, codes, shrink=1)
        expected = combine_seeds(
            small.weak_labels(record), CoarseMarks.of(small.marks(record.id).values()), maps, 3
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("most", [4000, 1000, 300])
def test_a_large_picture_is_read_more_coarsely(project, help_of, monkeypatch, most):
    """The same places to within a cell, at the picture's own size; what is painted to the pixel."""
    record = marked(project, BOX, KeyPoint(2, 55, 70, 60), Scribble(2, ((3, 3), (3, 60)), 1))
    for given in ((), help_of()):
        monkeypatch.setattr("spml_core.engine.seeds._MOST_PIXELS", 2**20)
        fine = seed_map(project, record, *given)
        monkeypatch.setattr("spml_core.engine.seeds._MOST_PIXELS", most)
        coarse, painted = seed_map(project, record, *given), project.weak_labels(record)
        step = int(np.ceil(np.sqrt(painted.size / most)))
        assert coarse.shape == fine.shape and step > 1
        np.testing.assert_array_equal(coarse[painted != 3], painted[painted != 3])
        near = np.zeros_like(painted, bool)
        near[max(0, 10 - step) : 40 + step, max(0, 12 - step) : 50 + step] = True
        assert not (coarse[~near] == 1).any()
        deep = np.zeros_like(near)
        deep[10 + step : 40 - step, 12 + step : 50 - step] = True
        assert not (coarse[deep & (painted == 3)] == 0).any(), "nothing in the box is background outside"
        if not given:
            assert (coarse[near == in_box(coarse.shape)] == fine[near == in_box(coarse.shape)]).mean() > 0.85


def test_a_really_large_picture(tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((1031, 1213, 3), np.uint8)).save(tmp_path / "images" / "p0.png")
    classes = ClassTable.from_names(["ground", "cell"])
    with Project.create(tmp_path / "p.spml", tmp_path / "images", classes) as project:
        record = marked(project, Box(1, 101, 203, 505, 707))
        found = seed_map(project, record)
    assert found.shape == (1031, 1213) and (found[103:503, 205:705] == 2).all()
    found[99:507, 201:709] = 0
    assert (found == 0).all()


def test_classes_deleted_merged_and_moved_since_the_model_was_trained(project, help_of):
    record = marked(project, BOX, Tag(2, complete=False))
    before = seed_map(project, record, *help_of())
    project.add_class("sea")
    project.move_class(project.classes.index("tree"), 3)  # sky, road, sea, tree
    project.delete_class(project.classes.index("road"))
    found = seed_map(project, record, *help_of())
    assert project.classes.names == ("sky", "sea", "tree")
    # The tag went with its class; the box's class has a new code.
    inside = in_box(found.shape)
    np.testing.assert_array_equal(found[inside] == 2, before[inside] == 1)
    assert (found[~inside] == 0).all() and 1 not in found


def test_no_class_but_the_background_is_left(project, help_of):
    record = marked(project, Tag(0), Box(0, 10, 10, 30, 30), Point(0, 3, 3))
    given = help_of()
    for name in ("tree", "road"):
        project.delete_class(project.classes.index(name))
    for more in ((), (given[0], help_of()[1])):
        assert set(np.unique(seed_map(project, record, *more))) <= {0, 1}
