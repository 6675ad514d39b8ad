import dataclasses
import json

import numpy as np
import pytest
import torch

from spml_core.config import TrainConfig
from spml_core.errors import TrainingError
from spml_core.generators import run_to_end
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.scoring import Inference
from spml_core.labeling.trained_model import TrainedModel
from spml_core.metrics import ConfusionMatrix
from spml_core.training import CheckpointSaved, Finished, StageProgress, StepDone, TrainingSet, Warned, train
from spml_core.training.training_set import TrainingPicture

TINY = TrainConfig(
    steps=12,
    scales=(1.0,),
    embedding_dim=16,
    batch=3,
    samples=200,
    regions=(10, 40),
    device="cpu",
    max_seconds=600,
)


def run(training_set, config=TINY, folder=None, **kwargs):
    events = []
    model = run_to_end(train(training_set, config, folder, **kwargs), events.append)
    return events, model


def losses(events):
    return [e.losses for e in events if isinstance(e, StepDone)]


def test_learns_blobs_from_clicks_and_labels_unmarked_pictures(blob_set):
    training_set, pictures, truths = blob_set
    events, model = run(training_set)
    matrix = ConfusionMatrix(3)
    for picture, truth in zip(pictures[5:], truths[5:], strict=True):
        labels, probabilities = label_picture(model, ArrayPixels(picture), probabilities=True)
        assert labels.shape == truth.shape and labels.dtype == np.uint8
        assert np.allclose(probabilities.sum(0), 1, atol=1e-4)
        assert (probabilities.argmax(0) == labels).all()
        matrix.update(truth, labels)
    assert matrix.scores().miou > 0.85
    assert isinstance(events[-1], Finished) and not events[-1].stopped
    assert events[-1].held_back_score > 0.6


def test_events_count_up_and_carry_every_term(blob_set):
    events, _ = run(blob_set[0], TINY.changed(affinity=(0.1, 12.0)))
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [e.step for e in steps] == list(range(1, 13))
    assert set(steps[0].losses) == {
        "cross_entropy", "image_similarity", "annotation", "cooccurrence", "affinity", "total",
    }  # fmt: skip
    assert {e.stage for e in events if isinstance(e, StageProgress)} >= {"features", "start", "choose"}
    for event in events:
        json.dumps(event.to_dict())


def test_same_seed_same_losses_other_seed_others(blob_set):
    first = losses(run(blob_set[0])[0])
    assert losses(run(blob_set[0])[0]) == first
    assert losses(run(blob_set[0], TINY.changed(seed=1))[0]) != first


@pytest.mark.parametrize("stop_after", [1, 7])
def test_resumed_run_has_the_same_losses_as_an_unbroken_one(blob_set, tmp_path, stop_after):
    unbroken = losses(run(blob_set[0])[0])
    seen = []
    stop = lambda: len(seen) >= stop_after  # noqa: E731
    generator = train(blob_set[0], TINY, tmp_path, should_stop=stop)
    broken = []
    for event in generator:
        broken.append(event)
        if isinstance(event, StepDone):
            seen.append(event)
    assert broken[-1].stopped and broken[-1].step == stop_after
    resumed, model = run(blob_set[0], TINY, tmp_path, resume=True)
    assert losses(broken) + losses(resumed) == unbroken
    whole = run(blob_set[0])[1]
    for a, b in zip(model.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_stopped_run_leaves_a_usable_model(blob_set, tmp_path):
    training_set, pictures, _ = blob_set
    events, _ = run(training_set, TINY, tmp_path, should_stop=lambda: True)
    assert events[-1].stopped
    model = TrainedModel.load(tmp_path)
    labels, _ = label_picture(model, ArrayPixels(pictures[0]))
    assert set(np.unique(labels)) <= {0, 1, 2}


def test_saved_model_labels_as_the_one_in_memory(blob_set, tmp_path):
    training_set, pictures, _ = blob_set
    _, model = run(training_set, TINY, tmp_path)
    again = TrainedModel.load(tmp_path)
    assert again.refinement == model.refinement and again.config == model.config
    for picture in pictures[:2]:
        mine, theirs = (label_picture(m, ArrayPixels(picture))[0] for m in (model, again))
        assert (mine == theirs).all()


def test_fine_tuning_moves_the_backbone_and_survives_a_resume(blob_set, tmp_path):
    config = TINY.changed(fine_tune=True, crop=64, batch=2, steps=4)
    unbroken = losses(run(blob_set[0], config)[0])
    seen = []
    generator = train(blob_set[0], config, tmp_path, should_stop=lambda: len(seen) >= 2)
    first = []
    for event in generator:
        if isinstance(event, StepDone):
            seen.append(event)
            first.append(event.losses)
    resumed, _ = run(blob_set[0], config, tmp_path, resume=True)
    assert first + losses(resumed) == unbroken
    frozen = TrainedModel.load(tmp_path).network.backbone
    published = run(blob_set[0], TINY.changed(steps=0))[1].network.backbone
    assert torch.equal(frozen.stages[0][0].conv_dw.weight, published.stages[0][0].conv_dw.weight)
    assert not torch.equal(frozen.stages[5][0].conv_dw.weight, published.stages[5][0].conv_dw.weight)


def test_checkpoints_come_while_it_trains(blob_set, tmp_path, monkeypatch):
    monkeypatch.setattr("spml_core.training.loop._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    events, _ = run(blob_set[0], TINY.changed(steps=3), tmp_path)
    assert sum(isinstance(e, CheckpointSaved) for e in events) == 3


def test_nothing_marked(blob_set):
    unmarked = TrainingSet(blob_set[0].unmarked, blob_set[0].class_names)
    with pytest.raises(TrainingError, match="nothing is marked"):
        run(unmarked)


def test_only_one_class_marked(blob_set):
    rgb = blob_set[1][0]
    marks = np.full(rgb.shape[:2], 3, np.uint8)
    marks[5, 5] = 1
    one = TrainingSet.from_arrays([rgb], [marks], ["ground", "red", "green"])
    with pytest.raises(TrainingError, match="only “red” is marked"):
        run(one)


def test_class_marked_nowhere_is_said_and_never_predicted(blob_set):
    training_set, pictures, _ = blob_set
    wider = TrainingSet(
        tuple(
            TrainingPicture(
                p.name,
                p.rgb,
                None
                if p.labels is None
                else (lambda p=p: np.where(p.labels() == 3, 4, p.labels()).astype(np.uint8)),
                np.append(p.tags, False),
            )
            for p in training_set.pictures
        ),
        ("ground", "red", "green", "blue"),
    )
    events, model = run(wider, TINY.changed(steps=2))
    assert any(isinstance(e, Warned) and "blue" in e.message for e in events)
    for picture in pictures:
        assert 3 not in label_picture(model, ArrayPixels(picture))[0]


def test_single_marked_picture_of_the_smallest_size():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    marks = np.full((16, 16), 2, np.uint8)
    marks[2, 2], marks[13, 13] = 0, 1
    _, model = run(TrainingSet.from_arrays([rgb], [marks], ["a", "b"]), TINY.changed(steps=2))
    labels, _ = label_picture(model, ArrayPixels(rgb))
    assert labels.shape == (16, 16)


def test_resume_without_a_checkpoint(blob_set, tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(blob_set[0], TINY, tmp_path, resume=True)


def test_resume_with_a_damaged_checkpoint(blob_set, tmp_path):
    run(blob_set[0], TINY.changed(steps=1), tmp_path)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match="damaged"):
        run(blob_set[0], TINY, tmp_path, resume=True)


def test_resume_after_a_picture_went_away(blob_set, tmp_path):
    run(blob_set[0], TINY.changed(steps=1), tmp_path)
    fewer = dataclasses.replace(blob_set[0], pictures=blob_set[0].pictures[1:])
    with pytest.raises(TrainingError, match="picture 0"):
        run(fewer, TINY, tmp_path, resume=True)


def test_resume_after_the_marks_changed(blob_set, tmp_path):
    run(blob_set[0], TINY.changed(steps=1), tmp_path)
    labels = blob_set[0].pictures[0].labels().copy()
    labels[30:60, 30:60] = 0
    changed = dataclasses.replace(blob_set[0].pictures[0], labels=lambda: labels)
    more = dataclasses.replace(blob_set[0], pictures=(changed, *blob_set[0].pictures[1:]))
    with pytest.raises(TrainingError, match="marks have changed"):
        run(more, TINY, tmp_path, resume=True)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_model_carries_a_bank_that_knows_its_pictures(blob_set, tmp_path, fine_tune):
    config = TINY.changed(fine_tune=fine_tune, crop=64, steps=2)
    _, model = run(blob_set[0], config, tmp_path)
    again = TrainedModel.load(tmp_path)
    assert len(model.bank) == len(again.bank) > 3
    assert torch.equal(model.bank.prototypes, again.bank.prototypes)
    assert set(again.bank.labels.tolist()) == {0, 1, 2}
    assert {again.bank_pictures[i] for i in again.bank.pictures.tolist()} <= {
        p.name for p in blob_set[0].pictures
    }


@pytest.mark.parametrize(
    "inference",
    [
        Inference("retrieval", neighbors=5),
        Inference("both", flip=True),
        Inference(scales=(1.0, 1.5), flip=True),
        Inference(random_walk=True, flip=True),
    ],
)
def test_every_way_of_inference_labels_the_blobs(blob_set, inference):
    training_set, pictures, truths = blob_set
    _, model = run(training_set)
    matrix = ConfusionMatrix(3)
    for picture, truth in zip(pictures[5:], truths[5:], strict=True):
        labels, dense = label_picture(model, ArrayPixels(picture), inference, probabilities=True)
        assert np.allclose(dense.sum(0), 1, atol=1e-4)
        matrix.update(truth, labels)
    assert matrix.scores().miou > 0.7
