"""Training on boxes, key points and tags, alone and mixed."""

import dataclasses

import numpy as np
import pytest
from coarse_scenes import (
    COMBINATIONS,
    NAMES,
    SAME,
    clicked,
    losses,
    picture_of,
    scene,
    score,
    set_of,
)

from spml_core.annotations import CoarseMarks
from spml_core.errors import TrainingError
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.training import StageProgress, TrainingSet, Warned
from spml_core.training.continuing import EarlierModel
from spml_core.training.training_set import TrainingPicture, check_training_set

SETS = {
    "boxes": (["boxes"] * 5, 0.8),
    "key points": (["points"] * 5, 0.7),
    "tags": (["tags"] * 8, 0.7),
    "a mixture": (["clicks", "boxes", "tags", "points", "tags", "tags"], 0.8),
}


@pytest.mark.parametrize("kinds, at_least", SETS.values(), ids=SETS.keys())
def test_learns_from_coarse_marks(run, kinds, at_least):
    events, model = run(set_of(*kinds))
    assert not any(isinstance(event, Warned) for event in events)
    assert score(model) > at_least


def test_a_picture_with_coarse_marks_alone_needs_no_label_map(run, tiny):
    """Nobody has to paint an empty one."""
    without = [dataclasses.replace(p, labels=None) for p in set_of(*["boxes"] * 4).pictures]
    mine, theirs = TrainingSet(tuple(without), NAMES), set_of(*["boxes"] * 4)
    assert len(mine.marked) == 4 and not mine.unmarked
    assert losses(run(mine, tiny.changed(steps=2))[0]) == losses(run(theirs, tiny.changed(steps=2))[0])


def test_going_on_from_a_model_that_knows_a_class_by_tags_keeps_it(run, tiny):
    training_set = set_of("clicks", *["tags"] * 7)
    _, first = run(training_set)
    _, second = run(training_set, tiny.changed(steps=3), earlier=EarlierModel(first, SAME))
    assert score(second) > score(first) - 0.05


def test_going_on_learns_a_class_that_was_tagged_since(run, tiny):
    _, first = run(TrainingSet(tuple(picture_of(n, "clicks", (1,)) for n in range(3)), NAMES))
    training_set = TrainingSet(
        (
            *(picture_of(n, "clicks", (1,)) for n in range(3)),
            *(picture_of(9 + n, "tags", (2,)) for n in range(4)),
        ),
        NAMES,
    )
    _, second = run(training_set, tiny.changed(steps=3), earlier=EarlierModel(first, SAME))
    assert score(second) > 0.6


def test_tags_alone_and_boxes_alone_are_enough():
    assert check_training_set(set_of(*["tags"] * 3)) == []
    assert check_training_set(set_of(*["boxes"] * 3)) == []
    only_red = TrainingSet((picture_of(0, "boxes", (1,)),), NAMES)
    assert check_training_set(only_red) == [
        "The class 'green' is marked nowhere, so it will never be predicted."
    ]


def test_a_class_that_all_complete_tags_hold_is_told():
    mixed = TrainingSet((picture_of(0, "clicks", (1,)), picture_of(1, "tags", (2,))), NAMES)
    assert check_training_set(mixed) == [
        "No complete list of tags leaves out 'green', so tags hardly tell where it is: mark it once or twice."
    ]


def test_tags_that_tell_nothing_apart_are_not_enough():
    same = TrainingSet(tuple(picture_of(n, "tags", (1, 2)) for n in range(3)), NAMES)
    with pytest.raises(TrainingError, match="only tags of “red”, “green”"):
        check_training_set(same)


def test_tags_that_contradict_other_marks_are_said_and_the_others_win(run, tiny):
    rgb, truth = scene(3)
    labels = clicked(truth, 3)
    coarse = CoarseMarks(tags=(1,), complete=True)
    liar = TrainingPicture("odd one", lambda: rgb, lambda: labels, np.array([True, True, True]), coarse)
    boxed = dataclasses.replace(picture_of(5, "boxes"), name="boxed", labels=None)
    marks = dataclasses.replace(boxed.coarse, tags=(1,), complete=True)
    boxed = dataclasses.replace(boxed, coarse=marks)
    training_set = TrainingSet((liar, boxed, picture_of(4, "clicks")), NAMES)
    said = check_training_set(training_set)
    assert [message.split(":")[0] for message in said] == ["odd one", "boxed"]
    assert all("green" in message for message in said)
    events, model = run(training_set, tiny.changed(steps=3))
    assert sum(isinstance(event, Warned) for event in events) == 2
    found, _ = label_picture(model, ArrayPixels(rgb))
    assert (found[truth == 2] == 2).mean() > 0.5


def test_tags_that_are_incomplete_contradict_nothing():
    rgb, truth = scene(3)
    labels = clicked(truth, 3)
    picture = TrainingPicture("p", lambda: rgb, lambda: labels, np.ones(3, bool), CoarseMarks(tags=(1,)))
    assert check_training_set(TrainingSet((picture,), NAMES)) == []


def test_reading_may_end_once_tags_tell_classes_apart(run, tiny, monkeypatch):
    """Where there are only tags there is no labelled cell to wait for: the time budget holds nevertheless."""
    monkeypatch.setattr("spml_core.training.reading._MOST_BYTES", 0)
    pictures = [picture_of(n, "tags", COMBINATIONS[n % 8]) for n in range(12)]
    events, _ = run(TrainingSet(tuple(pictures), NAMES), tiny.changed(steps=1))
    read = [e for e in events if isinstance(e, StageProgress) and e.stage == "features"]
    assert len(read) < 12


def test_a_picture_painted_void_all_over_takes_part_in_nothing(run, tiny):
    void = np.full((96, 96), 255, np.uint8)
    for kind in ("clicks", "tags"):
        picture = dataclasses.replace(picture_of(9, kind, (1,)), name="void", labels=lambda: void)
        training_set = TrainingSet((*set_of("clicks", "tags", "tags", "tags").pictures, picture), NAMES)
        events, _ = run(training_set, tiny.changed(steps=4))
        assert events[-1].step == 4
