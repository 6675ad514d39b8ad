"""Runs on coarse marks that are broken off and resumed, or whose marks change meanwhile."""

import dataclasses

import numpy as np
import pytest
import torch
from coarse_scenes import (
    NAMES,
    K,
    changed_marks,
    losses,
    picture_of,
    scene,
    set_of,
    steps,
)

from spml_core.errors import TrainingError
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.training import StageProgress, TrainingSet, train
from spml_core.training.pulse import Supervision


@pytest.mark.parametrize("fine_tune", [False, True])
def test_stopped_and_resumed_with_tags_is_as_unbroken(run, tiny, tmp_path, fine_tune):
    """First guesses aren't marks: the resumed run must not take them for marks that have changed."""
    config = tiny.changed(steps=4, fine_tune=fine_tune, crop=64, batch=2)
    training_set = set_of("tags", "tags", "boxes", "tags", "tags", "points", "clicks")
    unbroken, whole = run(training_set, config)
    seen = []
    for event in train(training_set, config, tmp_path, should_stop=lambda: len(steps(seen)) >= 2):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    assert seen[-1].step == 2
    resumed, model = run(training_set, config, tmp_path, resume=True)
    assert losses(seen) + losses(resumed) == losses(unbroken)
    for a, b in zip(model.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("place", range(3), ids=["boxes", "points", "tags"])
def test_resume_says_which_coarse_marks_have_changed(run, tiny, tmp_path, place):
    training_set = set_of("boxes", "points", "tags", "tags", "tags")
    run(training_set, tiny.changed(steps=1), tmp_path)
    pictures = list(training_set.pictures)
    pictures[place] = changed_marks(pictures[place])
    with pytest.raises(TrainingError, match=f"marks have changed .* p{place}"):
        run(TrainingSet(tuple(pictures), NAMES), tiny, tmp_path, resume=True)


def test_resume_follows_changed_coarse_marks_where_somebody_watches(tiny, tmp_path):
    training_set, config, seen = set_of("boxes", "points", "tags", "tags", "tags"), tiny.changed(steps=3), []
    for event in train(training_set, config, tmp_path, should_stop=lambda: len(steps(seen)) >= 1):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    changed = TrainingSet(tuple(changed_marks(p) for p in training_set.pictures), NAMES)
    watching = Supervision(changed=lambda: ())
    rest = list(train(changed, config, tmp_path, resume=True, supervision=watching))
    as_before = list(train(training_set, config))
    assert rest[-1].step == 3 and losses(rest) != losses(as_before)[1:]


def told_at(number, seen, pictures):
    """Tells of changed pictures once, after so many steps."""
    told = []

    def changed():
        if told or len(steps(seen)) < number:
            return ()
        told.append(1)
        return pictures

    return changed


def follow(training_set, config, pictures, folder=None, **kwargs):
    seen = []
    generator = train(
        training_set, config, folder, supervision=Supervision(changed=told_at(3, seen, pictures)), **kwargs
    )
    while True:
        try:
            seen.append(next(generator))
        except StopIteration as ended:
            return seen, ended.value


@pytest.mark.parametrize("kind", ["boxes", "tags", "points"])
def test_a_class_that_coarse_marks_bring_while_it_trains_is_learned(tiny, kind):
    start = TrainingSet(tuple(picture_of(n, "clicks", (1,)) for n in range(4)), NAMES)
    new = [picture_of(10 + n, kind, (2,)) for n in range(4)]
    events, model = follow(start, tiny, new)
    assert sum(isinstance(e, StageProgress) and e.stage == "marks" for e in events) == 4
    rgb, truth = scene(60)
    labels, _ = label_picture(model, ArrayPixels(rgb))
    assert (labels[truth == 2] == 2).mean() > 0.6 and (labels[truth == 1] == 1).mean() > 0.6


def test_classes_known_by_tags_alone_outlive_marks_of_others(tiny):
    """The fit to new marks must not forget what has no marks."""
    start = set_of("clicks", *["tags"] * 7)
    painted = np.array([p.labels is not None and 2 in p.labels() for p in start.pictures])
    assert not painted.any()
    _, model = follow(start, tiny, [picture_of(20, "clicks", (1,))])
    rgb, truth = scene(61)
    labels, _ = label_picture(model, ArrayPixels(rgb))
    assert (labels[truth == 2] == 2).mean() > 0.6


def test_new_marks_are_followed_after_a_resume_as_without_a_break(tiny, tmp_path):
    """What the network made of the tags is in the checkpoint, and is what it goes on from."""
    start, new = set_of("clicks", *["tags"] * 7), [picture_of(20, "clicks", (1,))]
    unbroken, _ = follow(start, tiny.changed(steps=6), new)
    seen, rest = [], []
    for event in train(start, tiny.changed(steps=6), tmp_path, should_stop=lambda: len(steps(seen)) >= 3):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    watching = Supervision(changed=told_at(0, rest, new))
    rest += train(start, tiny.changed(steps=6), tmp_path, resume=True, supervision=watching)
    assert any(isinstance(e, StageProgress) and e.stage == "marks" for e in rest)
    assert losses(seen) + losses(rest) == losses(unbroken)


@pytest.mark.parametrize("gone", [0, 1])
def test_a_class_whose_marks_are_all_replaced_is_forgotten_everywhere(tiny, gone):
    """Also on pictures without marks, whose pseudo labels still name it."""
    marked = [picture_of(n, "clicks") for n in range(3)]
    unmarked = dataclasses.replace(picture_of(5, "clicks"), labels=None, tags=np.zeros(K, bool))
    renamed = np.arange(256, dtype=np.uint8)
    renamed[gone] = 2
    tags = np.arange(K) != gone
    now = [dataclasses.replace(p, labels=lambda p=p: renamed[p.labels()], tags=tags) for p in marked]
    _, model = follow(TrainingSet((*marked, unmarked), NAMES), tiny, now)
    labels, _ = label_picture(model, ArrayPixels(unmarked.rgb()))
    assert not (labels == gone).any() and (labels == 2).any()
