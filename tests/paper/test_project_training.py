"""A published method on the user's own project: the command, the model, the settings."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from paper_projects import COUNT, SIZE, STEPS, events_in, make_project, options, settings
from paper_tree import NAMES, picture
from PIL import Image

from spml_core.config import PAPER_PRESETS, TrainConfig
from spml_core.engine.predict_project import current_model, predict_project
from spml_core.engine.run_control import begin_run, end_run
from spml_core.engine.segmenter import Segmenter
from spml_core.engine.train_project import train_project, train_run
from spml_core.errors import ConfigError, PictureError, ProjectError, TrainingError
from spml_core.io import read_index_png
from spml_core.labeling.explaining import explain
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.scoring import Inference
from spml_core.labeling.trained_model import TrainedModel
from spml_core.models import WindowedNetwork
from spml_core.paper.chosen import chosen_preset, with_steps
from spml_core.paper.forecast import Forecast
from spml_core.paper.presets import adapted, paper_preset
from spml_core.project import Project
from spml_core.training import Finished, StepDone, TrainingSet, Warned

HEADS = {"paper-tags": 2}


# Whole ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "preset", [pytest.param(n, marks=pytest.mark.slow) if n == "paper-tags" else n for n in PAPER_PRESETS]
)
def test_every_method_from_marks_to_predictions(tmp_path, weights, spml, preset):
    path = make_project(tmp_path, preset)
    code, out, err = spml("train", path, "--preset", preset, *options(weights), "--json")
    assert code == 0, err
    events = events_in(out)
    total = STEPS * (1 + HEADS.get(preset, 1))
    assert [e["step"] for e in events if e["event"] == "step"] == list(range(1, total + 1))
    assert {e["total"] for e in events if e["event"] == "step"} == {total}
    assert events[-2] | {"seconds": 0} == {
        "event": "finished",
        "step": total,
        "seconds": 0,
        "stopped": False,
        "held_back_score": None,
    }
    with Project.open(path, write=False) as project:
        run = project.current_run()
        assert run.state == "finished"
        assert [m["step"] for m in run.metrics() if m["event"] == "step"] == list(range(1, total + 1))
        model = current_model(project, "cpu")
    assert len(model.bank) > 0
    assert bool(model.bank.marked.any()) == (preset in ("paper-scribbles", "paper-points"))
    code, _, err = spml("predict", path, "--out", tmp_path / "out", "--probabilities", "--device", "cpu")
    assert code == 0, err
    for number in range(COUNT + 1):  # the one without marks, too
        labels = read_index_png(tmp_path / "out" / f"p{number}.png")
        probabilities = np.load(tmp_path / "out" / f"p{number}.npy")
        assert labels.shape == SIZE
        assert probabilities.shape == (len(NAMES), *SIZE)
        np.testing.assert_allclose(probabilities.astype(np.float64).sum(0), 1, atol=2e-3)


@pytest.mark.slow
def test_it_learns(scribbled, config):
    list(train_project(scribbled, config.changed(steps=120)))
    model = current_model(scribbled, "cpu")
    right = []
    for seed in range(COUNT):
        rgb, truth, _ = picture(seed, *SIZE)
        labels, _ = label_picture(model, ArrayPixels(rgb), Inference("retrieval"))
        right.append((labels == truth)[truth < 255].mean())
    assert np.mean(right) > 0.6


def test_labelled_segments_explain(scribbled, config):
    list(train_project(scribbled, config))
    model = current_model(scribbled, "cpu")
    rgb = picture(0, *SIZE)[0]
    reasons = explain(model, ArrayPixels(rgb), 30, 20)
    assert reasons
    marks = {r.name: scribbled.weak_labels(r) for r in scribbled.pictures}
    for reason in reasons:
        near = marks[reason.picture][max(0, reason.y - 4) : reason.y + 5, max(0, reason.x - 4) : reason.x + 5]
        assert (near == reason.class_index).any()


def test_a_model_is_the_same_after_a_round_trip(scribbled, config, tmp_path):
    list(train_project(scribbled, config))
    model = current_model(scribbled, "cpu")
    with safetensors.safe_open(scribbled.current_run().folder / "model.safetensors", "pt") as file:
        about = json.loads(file.metadata()["spml"])
    assert (about["format"], about["kind"]) == (4, "paper")
    assert about["network"] == {
        "head": "deeplab",
        "depth": 18,
        "stem": "torchvision",
        "width": 0.125,
        "embedding_dim": 64,
        "crop": 64,
    }
    model.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    assert again.config == model.config
    assert again.bank_pictures == model.bank_pictures
    assert torch.equal(again.bank.places, model.bank.places)
    rgb = np.random.default_rng(0).integers(0, 256, (150, 90, 3), np.uint8)  # larger than a crop
    for inference in (Inference(), Inference("both", (0.5, 1.0), flip=True, random_walk=True)):
        mine, theirs = (
            label_picture(m, ArrayPixels(rgb), inference, probabilities=True) for m in (model, again)
        )
        np.testing.assert_array_equal(mine[1], theirs[1])


def test_a_network_of_a_kind_from_the_future(scribbled, config):
    list(train_project(scribbled, config))
    file = scribbled.current_run().folder / "model.safetensors"
    with safetensors.safe_open(file, "pt") as there:
        about = json.loads(there.metadata()["spml"]) | {"kind": "other"}
        tensors = {name: there.get_tensor(name) for name in there.keys()}  # noqa: SIM118
    file.write_bytes(safetensors.torch.save(tensors, {"spml": json.dumps(about)}))
    with pytest.raises(ProjectError, match="'other'"):
        current_model(scribbled)


def test_without_a_project(weights):
    rgbs, labels = zip(*(picture(seed, *SIZE)[:2] for seed in range(3)), strict=True)
    training_set = TrainingSet.from_arrays(rgbs, labels, NAMES)
    segmenter = Segmenter(TrainConfig.from_preset("paper-points", **settings(weights)))
    found, probabilities = segmenter.fit(training_set).predict(rgbs[0])
    assert found.shape == SIZE and probabilities.shape == (len(NAMES), *SIZE)
    assert isinstance(segmenter.model_.network, WindowedNetwork)


# Settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["paper", "scripts"])
@pytest.mark.parametrize("preset", PAPER_PRESETS)
def test_the_configuration_says_what_was_published(preset, variant):
    config = TrainConfig.from_preset(preset, variant=variant)
    assert chosen_preset(config) == adapted(paper_preset(preset, variant), seed=0)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_short_schedule_leaves_time_to_learn():
    short = with_steps(paper_preset("paper-scribbles"), 300)
    assert short.embedding.optimisation.iterations == 300
    assert short.embedding.optimisation.warm_up == 30
    assert short.classifier.optimisation.iterations == 100
    assert with_steps(paper_preset("paper-tags"), 30_000) == paper_preset("paper-tags")


@pytest.mark.parametrize("preset", ["paper-points", "paper-tags"])
def test_steps_fill_the_time(preset):
    forecast = Forecast(paper_preset(preset), windows=10)
    whole = forecast.after("")
    assert forecast.fitting_steps(whole) == 30_000
    assert forecast.fitting_steps(0) == 1
    for share in (0.05, 0.5):
        steps = forecast.fitting_steps(share * whole)
        few, more = (
            replace(forecast, preset=with_steps(forecast.preset, n)).after("") for n in (steps, steps + 1)
        )
        assert few <= share * whole < more


def test_time_limits_the_schedule_and_it_is_said(scribbled, config):
    events = list(train_project(scribbled, replace(config, steps=None, max_seconds=4.0)))
    (warning,) = [e.message for e in events if isinstance(e, Warned) and "schedule" in e.message]
    assert "30,000 steps of 2 crops of 64 pixels" in warning and "room for about" in warning
    first = next(event for event in events if isinstance(event, StepDone))
    assert 2 <= first.total < 10_000


def test_a_published_schedule_warns_of_its_length(scribbled, config):
    events = train_project(scribbled, replace(config, steps=None, batch=64))
    for event in events:
        if isinstance(event, Warned) and "schedule" in event.message:
            assert "takes about" in event.message and "Fewer steps" in event.message
            break
        assert not isinstance(event, StepDone)
    else:
        raise AssertionError("nothing was said")
    events.close()


def test_imported_regions(scribbled, config, tmp_path, spml, weights):
    folder = tmp_path / "regions"
    folder.mkdir()
    halves = np.zeros(SIZE, np.uint8)
    halves[:, 40:] = 1
    for record in scribbled.pictures[1:]:
        Image.fromarray(halves).save(folder / f"{record.name}.png")
    with pytest.raises(PictureError, match=r"1 of 4 marked pictures \(p0\)"):
        list(train_project(scribbled, config.changed(region_maps=str(folder))))
    assert scribbled.runs() == ()
    Image.fromarray(halves).save(folder / "p0.png")
    path = scribbled.path
    scribbled.close()
    words = ("--preset", "paper-scribbles", *options(weights), "--regions", folder)
    code, _, err = spml("train", path, *words)
    assert code == 0, err
    with Project.open(path, write=False) as project:
        used = np.asarray(Image.open(project.current_run().folder / "regions" / "p2.png"))
    np.testing.assert_array_equal(used, halves)


@pytest.mark.parametrize("setting", [{"region_maps": "somewhere"}, {"variant": "scripts"}])
def test_what_only_published_methods_take(setting):
    with pytest.raises(ConfigError, match="quick takes no"):
        TrainConfig.from_preset("quick", **setting)


def test_tags_are_needed_where_tags_teach(scribbled, weights):
    with pytest.raises(TrainingError, match="paper-tags learns from tags"):
        list(train_project(scribbled, TrainConfig.from_preset("paper-tags", **settings(weights))))
    assert scribbled.runs() == ()


def test_another_kind_of_marks_is_warned_of(scribbled, weights):
    events = list(train_project(scribbled, TrainConfig.from_preset("paper-boxes", **settings(weights))))
    assert any(isinstance(e, Warned) and "no picture has a box" in e.message for e in events)
    assert isinstance(events[-1], Finished)


def test_weights_that_arent_there(scribbled, config, tmp_path):
    with pytest.raises(ConfigError, match="no weights file"):
        list(train_project(scribbled, config.changed(weights=str(tmp_path / "none.pth"))))
    assert scribbled.runs() == ()


def test_offline_the_remedy_is_a_file(scribbled, config, monkeypatch, tmp_path):
    def unreachable(*words, **more):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError) as error:
        list(train_project(scribbled, config.changed(weights="")))
    assert "--weights FILE" in error.value.remedy
    assert scribbled.runs() == ()


def test_quick_training_begins_anew_after_a_published_method(scribbled, config):
    list(train_project(scribbled, config))
    earlier = scribbled.current_run()
    quick = TrainConfig(steps=2, scales=(1.0,), embedding_dim=8, regions=(6, 20), device="cpu", samples=100)
    run = begin_run(scribbled, quick)
    events = list(train_run(scribbled, run, continue_from=earlier))
    end_run(scribbled, run.id, "finished")
    assert any(isinstance(e, Warned) and "published method, paper-scribbles" in e.message for e in events)
    assert len(list(predict_project(scribbled, scribbled.path.parent / "out"))) == COUNT + 1
