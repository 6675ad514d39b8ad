import dataclasses

import numpy as np
import pytest
import torch

from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.trained_model import TrainedModel, build_network
from spml_core.metrics import ConfusionMatrix
from spml_core.training import StepDone, TrainingSet, Warned
from spml_core.training.classifier import LinearClassifier
from spml_core.training.continuing import EarlierModel, earlier_bank, obstacle, take_over

SAME = np.where(np.arange(256) < 3, np.arange(256), np.where(np.arange(256) == 255, 255, 3)).astype(np.uint8)


def losses(events):
    return [e.losses for e in events if isinstance(e, StepDone)]


def codes(*today, classes):
    """Lookup of today's codes of the first few, of ``classes`` today."""
    table = np.full(256, classes, np.uint8)
    table[: len(today)], table[255] = today, 255
    return table


@pytest.fixture(scope="module")
def trained(blob_set, run):
    return run(blob_set[0])[1]


def fit_to_marks(model, training_set):
    """Share of the marked pixels that are right, and the mean probability of what is marked."""
    found = []
    for picture in training_set.marked:
        dense, marks = (
            label_picture(model, ArrayPixels(picture.rgb()), probabilities=True)[1],
            picture.labels(),
        )
        y, x = np.nonzero(marks < training_set.num_classes)
        found.append((dense[:, y, x].argmax(0) == marks[y, x], dense[marks[y, x], y, x]))
    return np.concatenate(found, axis=1).mean(1)


def test_network_taken_over_computes_the_same(trained, tiny):
    network = build_network(tiny, 3)
    take_over(network, EarlierModel(trained, SAME), tiny)
    features = torch.randn(20, network.mean.shape[0])
    assert torch.allclose(network.embed(features), trained.network.embed(features), atol=1e-4)
    mine = network.classify(network.embed(features))
    assert torch.allclose(mine, trained.network.classify(trained.network.embed(features)), atol=1e-3)


def test_classes_moved_merged_added_and_deleted(trained, tiny):
    """Old 0 is deleted, old 1 and 2 became the new 1; 0 and 2 are new."""
    network = build_network(tiny, 3)
    take_over(network, EarlierModel(trained, codes(3, 1, 1, classes=3)), tiny)
    was, now = LinearClassifier.of(trained.network), LinearClassifier.of(network)
    assert torch.allclose(now.weight[1], was.weight[1:].mean(0), atol=1e-4)
    assert now.weight[[0, 2]].abs().max() < 1e-3
    features = torch.randn(50, network.mean.shape[0])
    assert (network.classify(network.embed(features)).argmax(1) == 1).all()


def test_model_of_another_embedding_gives_its_classifier(trained, tiny):
    wider = tiny.changed(embedding_dim=24)
    network = build_network(wider, 3)
    take_over(network, EarlierModel(trained, SAME), wider)
    was, now = LinearClassifier.of(trained.network), LinearClassifier.of(network)
    assert torch.allclose(now.weight, was.weight, atol=1e-4) and torch.allclose(now.bias, was.bias, atol=1e-4)


def test_classifier_put_into_a_network_moves_nothing_else(trained, tiny):
    network = build_network(tiny, 3)
    take_over(network, EarlierModel(trained, SAME), tiny)
    before = network.embedding.weight.detach().clone()
    wanted = LinearClassifier(torch.randn(3, before.shape[1]), torch.randn(3))
    wanted.put_into(network)
    now = LinearClassifier.of(network)
    assert torch.allclose(now.weight, wanted.weight, atol=1e-3)
    assert torch.allclose(now.bias, wanted.bias, atol=1e-3)
    # Directions that the head doesn't read stay.
    head = network.head.weight
    unread = torch.eye(head.shape[1]) - torch.linalg.pinv(head) @ head
    assert torch.allclose(unread @ network.embedding.weight, unread @ before, atol=1e-4)


def test_going_on_is_at_least_as_good_on_the_marks(blob_set, trained, run, tiny):
    events, model = run(blob_set[0], tiny.changed(steps=3), earlier=EarlierModel(trained, SAME))
    assert not any(isinstance(e, Warned) for e in events)
    (right, sure), (right_before, sure_before) = (fit_to_marks(m, blob_set[0]) for m in (model, trained))
    assert right >= right_before and sure > sure_before - 0.02
    assert (
        sure > fit_to_marks(run(blob_set[0], tiny.changed(steps=3, pseudo_labels=False))[1], blob_set[0])[1]
    )


def test_a_class_added_since_is_learned(blob_set, run, tiny, marks_of):
    _, pictures, truths = blob_set
    two = [np.where(t == 2, 0, t) for t in truths]  # green isn't a class yet
    marks = [np.where((m := marks_of(t, i)) == 3, 2, m).astype(np.uint8) for i, t in enumerate(two[:5])]
    before = TrainingSet.from_arrays(pictures[:5], marks, ["ground", "red"])
    _, old = run(before)
    steps = tiny.changed(steps=3)
    events, model = run(blob_set[0], steps, earlier=EarlierModel(old, codes(0, 1, classes=3)))
    assert not any(isinstance(e, Warned) for e in events)
    matrix = ConfusionMatrix(3)
    for picture, truth in zip(pictures[5:], truths[5:], strict=True):
        matrix.update(truth, label_picture(model, ArrayPixels(picture))[0])
    assert matrix.scores().iou[2] > 0.6


@pytest.mark.parametrize(
    ("change", "lookup", "word"),
    [
        ({"stride": 8}, SAME, "stride"),
        ({}, codes(3, 3, 3, classes=3), "none of its classes"),
    ],
)
def test_what_cannot_be_gone_on_from_is_said_and_training_begins_anew(
    blob_set, trained, run, tiny, change, lookup, word
):
    config = tiny.changed(steps=2, **change)
    events, _ = run(blob_set[0], config, earlier=EarlierModel(trained, lookup))
    assert any(isinstance(e, Warned) and word in e.message for e in events)
    assert losses(events) == losses(run(blob_set[0], config)[0])


def test_a_fine_tuned_backbone_is_taken_over_by_one_that_learns(trained, tiny):
    tuned_config = tiny.changed(fine_tune=True)
    network = build_network(tuned_config, 3)
    with torch.no_grad():
        next(network.backbone.deeper_parameters()).mul_(2)
    tuned = TrainedModel(network, trained.refinement, trained.class_names, tuned_config)
    earlier = EarlierModel(tuned, SAME)
    assert "fine-tuned" in obstacle(earlier, tiny, 3)
    assert obstacle(earlier, tuned_config, 3) is None
    onwards = build_network(tuned_config, 3)
    take_over(onwards, earlier, tuned_config)
    for mine, theirs in zip(onwards.backbone.parameters(), network.backbone.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_bank_of_the_earlier_model_speaks_todays_codes(trained, tiny):
    network = build_network(tiny, 2)
    bank, names = earlier_bank(network, EarlierModel(trained, codes(1, 2, 0, classes=2)))
    kept = trained.bank.labels != 1
    assert torch.equal(bank.labels, (trained.bank.labels[kept] == 0).long())
    assert torch.equal(bank.prototypes, trained.bank.prototypes[kept])
    assert names == trained.bank_pictures and bank.num_classes == 2
    assert earlier_bank(network, EarlierModel(dataclasses.replace(trained, bank=None), SAME)) == (None, ())
