"""What the stages of training see of coarse marks."""

import dataclasses

import numpy as np
import torch
from coarse_scenes import (
    K,
    changed_marks,
    picture_of,
)

from spml_core.annotations import Box, CoarseMarks
from spml_core.labeling.trained_model import build_network
from spml_core.training.fitting import labelled_cells
from spml_core.training.pseudo_labels import add_pseudo_labels
from spml_core.training.samples import sample_picture


def test_sampled_cells_carry_what_the_hints_say(tiny):
    network = build_network(tiny, K).eval()
    picture = picture_of(2, "boxes")
    rng = np.random.default_rng(0)
    taken = sample_picture(network, picture, draw=150, per_class=30, regions=(4, 9), rng=rng)
    assert set(taken.labels.tolist()) == {0, K} and {1, 2} <= set(taken.guesses.tolist())
    for place, label, guess, marked, possible in zip(
        taken.positions.tolist(),
        taken.labels.tolist(),
        taken.guesses.tolist(),
        taken.marked.tolist(),
        taken.allowed.tolist(),
        strict=True,
    ):
        y, x = (4 * index + 1.5 for index in place)
        around = {
            b.class_index for b in picture.coarse.boxes if b.top <= y < b.bottom and b.left <= x < b.right
        }
        assert (label == 0) == marked == (not around)
        assert guess in around | {0, K} and set(np.flatnonzero(possible)) == around | {0}


def test_labelled_cells_hold_labels_and_first_guesses_or_pseudo_labels(make_sample, cache_of, tiny):
    truth = np.zeros(80, int)
    labels, guesses, taught = (np.full(80, K) for _ in range(3))
    labels[:10], guesses[:10], taught[:10] = 0, 0, 0
    guesses[10:30], taught[20:60] = 1, 2
    labels[60:62] = guesses[60:62] = taught[60:62] = 255
    cache = cache_of([make_sample(truth, K, labels=labels, guesses=guesses)])
    cache.set(0, cache.in_order[0].with_labels(torch.from_numpy(taught)))
    network = build_network(tiny, K)
    features, found = labelled_cells(cache.in_order, network, 0, pseudo=False)
    assert found.tolist() == [0] * 10 + [1] * 20
    assert torch.equal(features, cache.in_order[0].sample.features[:30].float())
    _, found = labelled_cells(cache.in_order, network, 0, pseudo=True)
    assert found.tolist() == [0] * 10 + [2] * 40


def answers(sample, probabilities, confidence=0.7):
    (taught,) = add_pseudo_labels(
        [sample],
        lambda s: torch.tensor(probabilities, dtype=torch.float32).expand(len(s), K),
        K,
        color_strength=0.0,
        confidence=confidence,
    )
    return taught.labels


def test_pseudo_labels_stay_among_the_allowed_classes(make_sample):
    allowed = np.ones((80, K), bool)
    allowed[40:, 2] = False
    sample = make_sample(np.zeros(80, int), K, allowed=allowed, tags=[False, False, False])
    # Of the others each has what is left: 0.15 of 0.2 are sure.
    found = answers(sample, [0.04, 0.16, 0.8])
    assert (found[:40] == 2).all() and (found[40:] == 1).all()
    assert (answers(sample, [0.1, 0.1, 0.8])[40:] == K).all()


def test_allowed_classes_count_where_the_model_gives_them_nothing(make_sample):
    allowed = np.zeros((80, K), bool)
    allowed[:, :2] = True
    sample = make_sample(np.zeros(80, int), K, allowed=allowed, tags=[False] * 3)
    found = answers(sample, [0.0, 0.0, 1.0])
    assert (found == K).all(), "one is as likely as the other"


def test_a_tagged_class_keeps_the_cells_that_speak_most_for_it(make_sample):
    """One in a hundred, rounded up, among those drawn, allowed and not labelled."""
    labels = np.full(80, K)
    labels[:5] = 0
    allowed = np.ones((80, K), bool)
    allowed[:10, 1] = False
    drawn = np.arange(80) != 20
    sample = make_sample(
        np.zeros(80, int), K, labels=labels, allowed=allowed, drawn=drawn, tags=[True, True, False]
    )
    table = torch.tensor([0.9, 0.05, 0.05]).repeat(80, 1)
    table[10:20, 1] = 0.2  # row 1 of the grid speaks most for class 1; rows 2 and 3 less
    table[0:10, 1] = 0.9
    (taught,) = add_pseudo_labels([sample], lambda s: table, K, color_strength=0.0, confidence=0.7)
    chosen = np.flatnonzero(taught.labels.numpy() == 1)
    assert len(chosen) == 1 and 10 <= chosen[0] < 20
    assert not (taught.labels == 2).any(), "nobody said that it is there"
    assert (taught.labels[:5] == 0).all() and taught.labels[20] == K


def test_a_tagged_class_with_a_label_or_enough_answers_gets_no_more(make_sample):
    labels = np.full(80, K)
    labels[:5] = 1
    sample = make_sample(np.zeros(80, int), K, labels=labels, tags=[True, True, False])
    assert answers(sample, [0.9, 0.05, 0.05]).tolist() == [1] * 5 + [0] * 75
    sample = make_sample(np.zeros(80, int), K, tags=[False, True, False])
    assert answers(sample, [0.05, 0.9, 0.05]).tolist() == [1] * 80


def test_digest_tells_coarse_marks_from_others(tiny, cache_of):
    network = build_network(tiny, K).eval()

    def digest(picture):
        rng = np.random.default_rng(0)
        sample = sample_picture(network, picture, draw=150, per_class=30, regions=(4, 9), rng=rng)
        return cache_of([sample]).in_order[0].digest

    for kind in ("boxes", "points", "tags", "clicks"):
        picture = picture_of(2, kind)
        assert digest(picture) == digest(picture_of(2, kind))
        if kind != "clicks":
            assert digest(changed_marks(picture)) != digest(picture)
    tags = picture_of(2, "tags")
    unsure = dataclasses.replace(tags, coarse=dataclasses.replace(tags.coarse, complete=False))
    assert digest(unsure) != digest(tags)
    # A box moved within the same cells changes nothing that training sees, but another class does.
    box = dataclasses.replace(picture_of(2, "boxes"), coarse=CoarseMarks(boxes=(Box(1, 8, 8, 40, 40),)))
    other = dataclasses.replace(box, coarse=CoarseMarks(boxes=(Box(2, 8, 8, 40, 40),)))
    assert digest(box) != digest(other)
