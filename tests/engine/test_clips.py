"""Learning from a project's films."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from spml_core.annotations import Point
from spml_core.classes import ClassTable
from spml_core.config import TrainConfig
from spml_core.engine.train_project import RunPictures, train_project
from spml_core.errors import TrainingError
from spml_core.labeling.trained_model import TrainedModel
from spml_core.project import Project
from spml_core.training import StepDone

CONFIG = TrainConfig(
    steps=2,
    scales=(1.0,),
    embedding_dim=8,
    batch=2,
    samples=100,
    regions=(6, 20),
    device="cpu",
    max_seconds=600,
    video="both",
)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_film(folder, count):
    folder.mkdir()
    for index in range(count):
        rgb = np.random.default_rng(0).integers(0, 40, (48, 64, 3)).astype(np.uint8)
        rgb[:, : 30 + index, 0] += 180
        rgb[:, 30 + index :, 2] += 180
        Image.fromarray(rgb).save(folder / f"{index:05d}.png")
    return folder


@pytest.fixture
def project(tmp_path):
    films = [write_film(tmp_path / "walk", 5)]
    classes = ClassTable.from_names(["red", "blue"])
    with Project.create(tmp_path / "p.spml", (), classes, films=films) as made:
        record = made.frame(made.films[0], 1)
        made.add_marks({record.id: [Point(0, 20, 10), Point(1, 20, 55)]}, "clicks")
        yield made


def test_a_film_is_a_clip_with_its_marks(project):
    plain = RunPictures(project).training_set(CONFIG.changed(video=""))
    assert plain.clips == ()
    (clip,) = RunPictures(project).training_set(CONFIG).clips
    assert clip.name == "walk" and clip.indices == (0, 1, 2, 3, 4)
    assert [frame.marked for frame in clip.frames] == [False, True, False, False, False]
    assert clip.frames[4].rgb()[0, 33, 0] >= 180
    (short,) = RunPictures(project).training_set(CONFIG.changed(video_windows=2)).clips
    assert 1 in short.indices and len(short.indices) < 5


def test_a_project_learns_from_its_film(project):
    events = list(train_project(project, CONFIG))
    terms = [event.losses for event in events if isinstance(event, StepDone)]
    assert len(terms) == 2 and {"memory_flow", "teacher", "temporal", "pair", "multi"} <= set(terms[0])
    run = project.current_run()
    assert run.state == "finished" and run.config["video"] == "both"
    assert TrainedModel.load(run.folder).config == CONFIG
    assert "temporal" in json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[0])["losses"]


def test_stopped_learning_from_films_goes_on(project):
    done = []
    events = train_project(project, CONFIG.changed(steps=4), should_stop=lambda: len(done) >= 1)
    done.extend(event for event in events if isinstance(event, StepDone))
    rest = [e for e in train_project(project, CONFIG, resume=True) if isinstance(e, StepDone)]
    assert [e.step for e in (*done, *rest)] == [1, 2, 3, 4]
    assert project.current_run().state == "finished"


def test_without_a_film_no_run_begins(tmp_path, picture_project):
    with picture_project(tmp_path, 2) as project:
        for record in project.pictures:
            project.add_marks({record.id: [Point(0, 2, 2), Point(1, 12, 12)]}, "clicks")
        with pytest.raises(TrainingError, match="needs a film of two frames"):
            list(train_project(project, CONFIG))
        assert not project.runs()
