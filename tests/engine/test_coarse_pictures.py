"""Coarse marks on their way from the project to training, whatever has become of the classes since the run began."""

import numpy as np
import pytest

from spml_core.annotations import Box, CoarseMarks, KeyPoint, Point, Tag
from spml_core.config import TrainConfig
from spml_core.engine.train_project import RunPictures, train_run, training_set_of
from spml_core.generators import run_to_end
from spml_core.training import Finished

BOX, POINT = (10.0, 12.0, 40.0, 50.0), (30.0, 30.0, 25.0)
MARKS = (Box(1, *BOX), KeyPoint(2, *POINT), Tag(1), Tag(2))


@pytest.fixture
def project(tmp_path, picture_project):
    """Two pictures of the classes sky, tree and road; the first has coarse marks."""
    with picture_project(tmp_path, 2) as made:
        made.add_marks({made.pictures[0].id: list(MARKS)}, "marks")
        yield made


@pytest.fixture
def run(project):
    return project.new_run(TrainConfig().to_dict())


def coarse_now(project, run):
    (picture,) = RunPictures(project, run).changed([project.pictures[0].id])
    return picture.coarse, picture.tags.tolist()


WHOLE = CoarseMarks((Box(1, *BOX),), (KeyPoint(2, *POINT),), (1, 2), True)


def test_a_picture_without_marks_has_none(project):
    first, second = training_set_of(project).pictures
    assert first.coarse == WHOLE and first.marked and first.tags.tolist() == [False, True, True]
    assert second.coarse == CoarseMarks() and not second.marked and not second.tags.any()


def test_moved_classes_keep_the_codes_of_the_run(project, run):
    project.move_class(2, 0)
    assert project.classes.names == ("road", "sky", "tree")
    assert coarse_now(project, run) == (WHOLE, [False, True, True])


def test_the_pictures_follow_while_the_run_lasts(project, run):
    pictures = RunPictures(project, run)
    assert pictures.training_set().pictures[0].coarse == WHOLE
    project.move_class(1, 0)
    (changed,) = pictures.changed([project.pictures[0].id])
    assert changed.coarse == WHOLE


def test_a_deleted_class_takes_its_marks_along(project, run):
    project.delete_class(project.classes.index("tree"))
    expected = CoarseMarks((), (KeyPoint(2, *POINT),), (2,), True)
    assert coarse_now(project, run) == (expected, [False, False, True])


def test_merged_classes_are_one(project, run):
    project.merge_class(project.classes.index("road"), project.classes.index("tree"))
    coarse, tags = coarse_now(project, run)
    assert coarse == CoarseMarks((Box(1, *BOX),), (KeyPoint(1, *POINT),), (1,), True)
    # Both of the run's codes speak of what is now one class.
    assert tags == [False, True, True]


def test_a_class_merged_into_the_background_has_no_objects_any_more(project, run):
    project.merge_class(project.classes.index("tree"), project.classes.index("sky"))
    coarse, _ = coarse_now(project, run)
    assert coarse.boxes == () and coarse.key_points == (KeyPoint(2, *POINT),) and 2 in coarse.tags


@pytest.mark.parametrize("mark", [Box(3, 2, 2, 9, 9), KeyPoint(3, 5, 5, 9), Tag(3)])
def test_an_object_of_a_class_that_is_new_is_not_taken_for_background(project, run, mark):
    project.add_class("sea")
    project.add_marks({project.pictures[0].id: [mark]}, "new")
    coarse, tags = coarse_now(project, run)
    assert coarse == CoarseMarks(tags=(1, 2), complete=False) and tags == [False, True, True]
    # The next run knows it.
    assert len(training_set_of(project).pictures[0].tags) == 4


def test_painted_marks_of_a_new_class_leave_the_coarse_ones_alone(project, run):
    project.add_class("sea")
    project.add_marks({project.pictures[0].id: [Point(3, 60, 70)]}, "new")
    assert coarse_now(project, run)[0] == WHOLE


def test_a_run_trains_on_a_project_of_coarse_marks(project):
    config = TrainConfig(
        steps=2, scales=(1.0,), embedding_dim=8, batch=2, samples=100, regions=(6, 20), device="cpu"
    )
    project.add_marks({project.pictures[1].id: [Tag(1)]}, "tags")
    run = project.new_run(config.to_dict())
    events = []
    assert run_to_end(train_run(project, run), events.append) == "finished"
    assert isinstance(events[-1], Finished) and events[-1].step == 2
    assert np.isfinite(list(events[-2].losses.values())).all()
