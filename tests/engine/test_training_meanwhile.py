"""What the window can do to a project while a process trains on it: none of it may end the training."""

import numpy as np
import pytest
from PIL import Image
from training_child import CONFIG, order

from spml_core.annotations import Point, Scribble, Tag
from spml_core.engine.background.messages import MarksChanged, Preview, ShowPicture, Stop, Trained
from spml_core.engine.run_control import begin_run
from spml_core.training import StageProgress, StepDone
from spml_core.training.events import Warned


@pytest.fixture
def project(halves_project):
    return halves_project


def halves(path, seed=9):
    rgb = np.random.default_rng(seed).integers(0, 40, (48, 64, 3)).astype(np.uint8)
    rgb[:, :32, 0] += 180
    rgb[:, 32:, 2] += 180
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(rgb).save(path)
    return path


@pytest.fixture
def trained_on(project, spawn):
    """A child that trains on ``project`` and has taken its first steps; it must end as one that was told to."""
    child = spawn(order(project, begin_run(project, CONFIG), shown=project.pictures[0].id))
    child.hear_kind(StepDone)
    yield child
    child.hear_kind(StepDone)
    child.say(Stop())
    child.hear(lambda m: isinstance(m, Trained))
    assert child.join() == 0


def see(child, record):
    child.say(ShowPicture(record.id))
    return child.hear(lambda m: isinstance(m, Preview) and m.picture_id == record.id)


def learn(child, ids):
    """Tell of marks, and wait until they have been read and steps were taken since."""
    child.say(MarksChanged(tuple(ids)))
    child.hear(lambda m: isinstance(m, StageProgress) and m.stage == "marks")
    child.hear_kind(StepDone)


def test_a_picture_that_is_added_can_be_looked_at_and_marked(project, trained_on, tmp_path):
    (new,) = project.add_pictures([halves(tmp_path / "pictures" / "new.png")])
    preview = see(trained_on, new)
    assert (preview.labels[:, :26] == 0).all() and (preview.labels[:, 38:] == 1).all()
    project.add_marks({new.id: [Point(0, 20, 12)]}, "click")
    learn(trained_on, [new.id])


def test_a_film_that_is_added_can_be_looked_at_and_marked(project, trained_on, tmp_path):
    for number in range(3):
        halves(tmp_path / "film" / f"{number}.png", seed=20 + number)
    film = project.add_film(tmp_path / "film")
    preview = see(trained_on, project.frame(film, 2))
    assert (preview.labels[:, :26] == 0).all() and (preview.labels[:, 38:] == 1).all()
    project.add_marks({project.frame(film, 1).id: [Point(1, 20, 60)]}, "click")
    learn(trained_on, [project.frame(film, 1).id])


def test_pictures_that_do_not_exist_or_cannot_be_read_are_not_previewed(project, trained_on, tmp_path):
    trained_on.say(ShowPicture(10_000))
    trained_on.hear_kind(StepDone)
    (gone,) = project.add_pictures([halves(tmp_path / "pictures" / "gone.png")])
    project.add_marks({gone.id: [Point(0, 20, 12)]}, "click")
    gone.path.unlink()
    trained_on.say(ShowPicture(gone.id))
    trained_on.say(MarksChanged((gone.id,)))
    told = trained_on.hear_kind(Warned)
    assert "gone" in told.message
    see(trained_on, project.pictures[1])


def test_a_picture_that_moved_is_shown_where_it_was_found(project, trained_on, tmp_path):
    record = project.pictures[3]
    (tmp_path / "elsewhere").mkdir()
    record.path.rename(tmp_path / "elsewhere" / record.path.name)
    trained_on.say(ShowPicture(record.id))
    trained_on.hear_kind(StepDone)
    assert project.relink(tmp_path / "elsewhere") == 1
    trained_on.say(MarksChanged(()))
    trained_on.hear(lambda m: isinstance(m, Preview) and m.picture_id == record.id)


def test_all_marks_are_taken_away_and_put_back(project, trained_on):
    marks = {record.id: list(project.marks(record.id)) for record in project.marked_pictures()}
    for ids in marks.values():
        project.remove_marks(ids)
    learn(trained_on, marks)
    for _ in marks:
        project.undo()
    learn(trained_on, marks)
    preview = see(trained_on, project.pictures[3])
    assert (preview.labels[:, :26] == 0).all() and (preview.labels[:, 38:] == 1).all()


def test_classes_are_added_merged_and_deleted(project, trained_on):
    every = [record.id for record in project.pictures]
    project.add_class("new")
    project.add_marks({every[0]: [Point(3, 20, 12)], every[3]: [Scribble(3, ((5, 5), (9, 9)), 3)]}, "new")
    learn(trained_on, every)
    project.add_marks({every[1]: [Tag(0, complete=True)], every[2]: [Tag(3, complete=False)]}, "tags")
    learn(trained_on, every)
    project.merge_class(0, 1)
    learn(trained_on, every)
    while len(project.classes) > 1:
        project.delete_class(len(project.classes) - 1)
        learn(trained_on, every)
    project.undo()
    learn(trained_on, every)
