import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.engine.run_control import MODEL_FILE, begin_run, end_run, what_came_of
from spml_core.engine.train_project import RunPictures, train_run
from spml_core.errors import ProjectError, TrainingError
from spml_core.labeling.trained_model import MODEL_FILE as WRITTEN
from spml_core.labeling.trained_model import TrainedModel
from spml_core.project import Project
from spml_core.training import StepDone, Warned

CONFIG = TrainConfig(
    steps=3, scales=(1.0,), embedding_dim=8, batch=2, samples=100, regions=(6, 20), device="cpu",
    max_seconds=600,
)  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """Two pictures: the left third is red, the middle green, the right blue. Nothing is marked."""
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        rgb = np.random.default_rng(number).integers(0, 40, (48, 96, 3)).astype(np.uint8)
        for channel in range(3):
            rgb[:, 32 * channel : 32 * channel + 32, channel] += 180
        Image.fromarray(rgb).save(tmp_path / "pictures" / f"p{number}.png")
    names = ClassTable.from_names(["red", "green", "blue"])
    made = Project.create(tmp_path / "p.spml", tmp_path / "pictures", names)
    yield made
    made.close()


def mark(project, *classes):
    for record in project.pictures:
        points = [Point(c, 8 + 10 * i, 32 * c + 16) for c in classes for i in range(3)]
        project.add_marks({record.id: points}, "clicks")


def test_the_torch_free_name_of_the_model_file_is_right():
    assert MODEL_FILE == WRITTEN


def test_nothing_to_learn_from_begins_no_run(project):
    with pytest.raises(TrainingError, match="nothing is marked"):
        begin_run(project, CONFIG)
    mark(project, 1)
    with pytest.raises(TrainingError, match="only “green” is marked"):
        begin_run(project, CONFIG)
    mark(project, 2)
    project.pictures[1].path.unlink()
    with pytest.raises(ProjectError, match=r"p1.*Relink"):
        begin_run(project, CONFIG)
    assert project.runs() == ()


def test_only_a_run_with_a_model_that_did_not_fail_becomes_current(project):
    mark(project, 0, 1)
    empty, failed, good = (begin_run(project, CONFIG) for _ in range(3))
    for run in (failed, good):
        (run.folder / MODEL_FILE).write_text("{}")
    end_run(project, empty.id, "stopped")
    assert project.current_run() is None
    end_run(project, good.id, "stopped")
    end_run(project, failed.id, "failed")
    assert project.current_run().id == good.id
    assert [r.state for r in project.runs()] == ["stopped", "failed", "stopped"]


def test_a_run_can_be_trained_by_someone_who_only_reads(project):
    mark(project, 0, 1)
    run = begin_run(project, CONFIG)
    with Project.open(project.path, write=False) as reader:
        events = list(train_run(reader, reader.run(run.id)))
    assert len([e for e in events if isinstance(e, StepDone)]) == 3
    end_run(project, run.id, "finished")
    assert project.current_run().id == run.id


def test_pictures_keep_the_runs_codes_whatever_becomes_of_the_classes(project):
    mark(project, 0, 1, 2)
    run = begin_run(project, CONFIG)
    pictures = RunPictures(project, run)
    before = pictures.training_set()
    first = before.pictures[0].labels()
    assert set(np.unique(first)) == {0, 1, 2, 3}
    project.move_class(2, 0)
    project.add_class("yellow")
    (changed,) = pictures.changed([project.pictures[0].id])
    assert (changed.labels() == first).all() and changed.tags.tolist() == [True, True, True]
    assert (before.pictures[0].labels() == first).all()
    project.add_marks({project.pictures[0].id: [Point(3, 40, 5)]}, "of a class the run doesn't know")
    (changed,) = pictures.changed([project.pictures[0].id])
    assert (changed.labels() == first).all()
    project.delete_class(project.classes.index("green"))
    (changed,) = pictures.changed([project.pictures[0].id])
    assert set(np.unique(changed.labels())) == {0, 2, 3} and changed.tags.tolist() == [True, False, True]
    assert changed.labels()[first != 1].tolist() == first[first != 1].tolist()
    assert pictures.codes[:4].tolist() == [1, 3, 0, 3]


def test_training_goes_on_from_a_run_with_other_classes(project):
    mark(project, 0, 1)
    old = begin_run(project, CONFIG)
    list(train_run(project, old))
    end_run(project, old.id, "finished")
    project.move_class(2, 0)
    project.move_class(1, 2)
    for record in project.pictures:
        project.add_marks({record.id: [Point(0, 8, 80), Point(0, 30, 75)]}, "blue, by now the first")
    run = begin_run(project, CONFIG)
    assert RunPictures(project, run).since(old)[:4].tolist() == [2, 1, 0, 3]
    events = list(train_run(project, run, continue_from=project.run(old.id)))
    assert not any(isinstance(e, Warned) for e in events)
    assert TrainedModel.load(run.folder).class_names == ("blue", "green", "red")


def test_going_on_from_a_run_without_a_model(project):
    mark(project, 0, 1)
    empty, run = begin_run(project, CONFIG), begin_run(project, CONFIG)
    with pytest.raises(ProjectError, match="can't be read"):
        list(train_run(project, run, continue_from=empty))


def test_a_run_without_a_step_takes_no_other_models_place(project):
    mark(project, 0, 1)
    first, guess, later = (begin_run(project, CONFIG) for _ in range(3))
    for run, steps in ((first, 0), (guess, 0), (later, 1)):
        (run.folder / MODEL_FILE).write_text("{}")
        if steps:
            run.append_metrics({"event": "step", "step": steps})
        run.append_metrics({"event": "finished", "step": steps, "seconds": 1.0, "held_back_score": None})
    end_run(project, first.id, "stopped")
    assert project.current_run().id == first.id, "better than none"
    end_run(project, guess.id, "stopped")
    assert project.current_run().id == first.id
    end_run(project, later.id, "finished")
    assert project.current_run().id == later.id
    assert [run.steps for run in project.runs()] == [0, 0, 1]


def test_what_came_of_a_training_is_told_as_it_was():
    spent = "The time was spent on reading; {} was taken. Give more time."
    assert what_came_of(0, stopped=False) == spent.format("no step")
    assert what_came_of(1, stopped=False) == spent.format("only one step")
    assert what_came_of(0, stopped=True) == "Stopped before the first step."
    for steps, stopped, planned in ((1, False, 1), (1, True, None), (2, False, None), (None, False, None)):
        assert what_came_of(steps, stopped, planned) == ""
