import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.engine.predict_project import current_model, predict_project
from spml_core.engine.train_project import train_project
from spml_core.errors import ProjectError, TrainingError
from spml_core.io import read_index_png
from spml_core.project import Project
from spml_core.training import Finished, StepDone

CONFIG = TrainConfig(
    steps=4,
    scales=(1.0,),
    embedding_dim=8,
    batch=2,
    samples=100,
    regions=(6, 20),
    device="cpu",
    max_seconds=600,
)


@pytest.fixture
def project(tmp_path):
    """Three pictures, half red and half blue; two of them marked with a click on each side."""
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        rgb = np.random.default_rng(number).integers(0, 40, (48, 64, 3)).astype(np.uint8)
        rgb[:, :32, 0] += 180
        rgb[:, 32:, 2] += 180
        Image.fromarray(rgb).save(tmp_path / "pictures" / f"p{number}.png")
    made = Project.create(tmp_path / "p.spml", tmp_path / "pictures", ClassTable.from_names(["red", "blue"]))
    made.add_marks({r.id: [Point(0, 20, 12), Point(1, 24, 50)] for r in made.pictures[:2]}, "clicks")
    yield made
    made.close()


def losses(events):
    return [e.losses for e in events if isinstance(e, StepDone)]


def test_trains_and_predicts_every_picture(project, tmp_path):
    events = list(train_project(project, CONFIG))
    run = project.current_run()
    assert run.state == "finished" and isinstance(events[-1], Finished)
    assert [m["step"] for m in run.metrics() if m["event"] == "step"] == [1, 2, 3, 4]
    for done in predict_project(project, tmp_path / "out", probabilities=True):
        labels = read_index_png(done.path)
        assert (labels[:, :28] == 0).all() and (labels[:, 36:] == 1).all()
        assert np.load(done.path.with_suffix(".npy")).shape == (2, 48, 64)


@pytest.mark.parametrize("stop_after", [0, 2])
def test_stopped_and_resumed_is_as_unbroken(project, stop_after):
    unbroken = losses(train_project(project, CONFIG))
    broken = []
    for event in train_project(project, CONFIG, should_stop=lambda: len(losses(broken)) >= stop_after):
        broken.append(event)  # noqa: PERF402 - looked at while it grows
    stopped = project.runs()[-1]
    assert stopped.state == "stopped" and broken[-1].stopped
    assert current_model(project).class_names == ("red", "blue")
    resumed = losses(train_project(project, CONFIG, resume=True))
    assert losses(broken) + resumed == unbroken
    assert project.runs()[-1].id == stopped.id and project.runs()[-1].state == "finished"


def test_closing_the_generator_leaves_a_stopped_run_with_a_model(project):
    events = train_project(project, CONFIG)
    for event in events:
        if isinstance(event, StepDone):
            break
    events.close()
    assert project.current_run().state == "stopped"
    assert current_model(project).network.num_classes == 2


def test_failure_before_training_leaves_no_run(project):
    project.open_picture(project.pictures[0]).path.unlink()
    with pytest.raises(ProjectError, match="p0"):
        list(train_project(project, CONFIG))
    assert project.runs() == ()


def test_nothing_to_resume_and_nothing_trained(project, tmp_path):
    with pytest.raises(TrainingError, match="no stopped training"):
        list(train_project(project, CONFIG, resume=True))
    with pytest.raises(ProjectError, match="Nothing was trained"):
        list(predict_project(project, tmp_path / "out"))
