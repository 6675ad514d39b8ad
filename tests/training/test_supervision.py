import dataclasses

import numpy as np
import pytest

from spml_core.errors import TrainingError
from spml_core.generators import run_to_end
from spml_core.labeling.inference import ArrayPixels, label_picture
from spml_core.labeling.trained_model import TrainedModel
from spml_core.training import Finished, StageProgress, StepDone, TrainingSet, train
from spml_core.training.cache import FeatureCache
from spml_core.training.continuing import EarlierModel
from spml_core.training.previews import Previewer, WantedPicture
from spml_core.training.pulse import StoppedEarlyError, Supervision
from spml_core.training.schedule import Clock, Epochs
from spml_core.training.training_set import TrainingPicture

SAME = np.concatenate([np.arange(255), [255]]).astype(np.uint8)


def losses(events):
    return [e.losses for e in events if isinstance(e, StepDone)]


def steps(events):
    return [e for e in events if isinstance(e, StepDone)]


class FakeTime:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_paused_time_does_not_count():
    time = FakeTime()
    clock = Clock(100, now=time)
    time.now = 5
    with clock.paused():
        time.now = 65
    time.now = 70
    assert clock.spent == 10 and clock.left == 90


def test_epoch_is_a_pass_over_the_pictures_and_never_long():
    time = FakeTime()
    epochs = Epochs(7, 3, now=time)
    assert [epochs.ends(step) for step in range(7)] == [True, False, False, True, False, False, True]
    time.now = 10
    assert epochs.ends(7)


# Previews ------------------------------------------------------------------------------------------


class Viewer:
    """Wants a picture, and remembers what it was shown and in which stage."""

    def __init__(self, rgb):
        self.wanted = WantedPicture("first", lambda: rgb)
        self.shown = []
        self.stage = None
        self.previewer = Previewer(lambda: self.wanted, self.show, seconds=0.0)

    def show(self, key, labels, step):
        self.shown.append((self.stage, key, labels, step))


def watched(viewer, training_set, config, **kwargs):
    supervision = kwargs.pop("supervision", Supervision(viewer.previewer))
    events = []
    for event in train(training_set, config, supervision=supervision, **kwargs):
        events.append(event)
        viewer.stage = event.stage if isinstance(event, StageProgress) else "steps"
    return events


def test_previews_come_in_every_stage_and_grow_right(blob_set, tiny):
    training_set, pictures, truths = blob_set
    viewer = Viewer(pictures[6])
    watched(viewer, training_set, tiny)
    assert {stage for stage, *_ in viewer.shown} == {"features", "start", "choose", "second", "steps"}
    first, last = viewer.shown[0], viewer.shown[-1]
    assert first[0] == "features" and first[3] == 0 and last[3] >= 11
    # Also the first guess, of the few pictures read by then, is a guess at what is there.
    assert (first[2] == truths[6]).mean() > 0.6 and (last[2] == truths[6]).mean() > 0.9


def test_previews_follow_to_another_picture(blob_set, tiny):
    training_set, pictures, truths = blob_set
    viewer = Viewer(pictures[6])
    for event in train(training_set, tiny, supervision=Supervision(viewer.previewer)):
        if isinstance(event, StepDone) and event.step == 4:
            viewer.wanted = WantedPicture("second", lambda: pictures[5])
    by_key = {key: labels for _, key, labels, _ in viewer.shown}
    assert list(by_key) == ["first", "second"]
    assert (by_key["second"] == truths[5]).mean() > 0.9


def test_watching_changes_nothing(blob_set, tiny):
    viewer = Viewer(blob_set[1][6])
    alone = losses(train(blob_set[0], tiny))
    assert losses(watched(viewer, blob_set[0], tiny)) == alone


def test_previews_of_a_fine_tuned_backbone(blob_set, tiny):
    viewer = Viewer(blob_set[1][6])
    watched(viewer, blob_set[0], tiny.changed(fine_tune=True, crop=64, batch=2, steps=2))
    assert viewer.shown[-1][2].shape == (96, 96)


# Pause and stop ------------------------------------------------------------------------------------


def test_pause_holds_the_steps_and_previews_go_on(blob_set, tiny, monkeypatch):
    viewer = Viewer(blob_set[1][6])
    moments = []
    monkeypatch.setattr("spml_core.training.pulse.time.sleep", moments.append)
    seen = []
    before = []

    def pausing():
        if len(steps(seen)) != 5 or len(moments) >= 30:
            return False
        if not moments:
            before.append(len(viewer.shown))
            viewer.wanted = WantedPicture("while paused", lambda: blob_set[1][5])
        return True

    supervision = Supervision(viewer.previewer, pausing=pausing)
    for event in train(blob_set[0], tiny, supervision=supervision):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    assert len(moments) == 30 and len(steps(seen)) == 12
    assert viewer.shown[before[0]][1] == "while paused" and viewer.shown[before[0]][3] == 5


def test_a_pause_can_be_ended_by_a_stop(blob_set, tiny):
    asked = []

    def should_stop():
        asked.append(1)
        return len(asked) > 60

    events = list(
        train(blob_set[0], tiny, should_stop=should_stop, supervision=Supervision(pausing=lambda: True))
    )
    assert events[-1].stopped and events[-1].step == 0


def at_once(**kwargs):
    return Supervision(at_once=True, **kwargs)


def test_stopped_at_once_before_there_is_a_model(blob_set, tiny, tmp_path):
    seen = []
    generator = train(blob_set[0], tiny, tmp_path, should_stop=lambda: len(seen) >= 3, supervision=at_once())
    with pytest.raises(StoppedEarlyError):
        for event in generator:
            seen.append(event)  # noqa: PERF402 - looked at while it grows
    assert not list(tmp_path.iterdir())
    assert all(isinstance(e, StageProgress) and e.stage == "features" for e in seen) and len(seen) == 3


def test_stop_leaves_the_backbone_in_the_middle(blob_set, tiny):
    """Within a picture there is nothing to wait for: it is asked between the layers."""
    asked = []

    def should_stop():
        asked.append(1)
        return len(asked) > 12

    with pytest.raises(StoppedEarlyError):
        list(train(blob_set[0], tiny, should_stop=should_stop, supervision=at_once()))
    assert len(asked) == 13


@pytest.mark.parametrize("stage", ["start", "choose", "second"])
def test_stopped_at_once_in_the_preparation_leaves_a_model(blob_set, tiny, tmp_path, stage):
    """Not at the very beginning of the stage: the start needs an iteration to be of use."""
    seen, since = [], []

    def should_stop():
        if seen and isinstance(seen[-1], StageProgress) and seen[-1].stage == stage:
            since.append(1)
        return len(since) > 4

    for event in train(blob_set[0], tiny, tmp_path, should_stop=should_stop, supervision=at_once()):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    assert isinstance(seen[-1], Finished) and seen[-1].stopped and not steps(seen)
    model = TrainedModel.load(tmp_path)
    assert len(model.bank) > 0
    labels, _ = label_picture(model, ArrayPixels(blob_set[1][6]))
    assert (labels == blob_set[2][6]).mean() > 0.6


def test_stopped_at_once_in_the_steps_can_be_resumed_exactly(blob_set, tiny, tmp_path, run):
    unbroken = losses(run(blob_set[0])[0])
    seen = []
    stop = lambda: len(steps(seen)) >= 5  # noqa: E731
    for event in train(blob_set[0], tiny, tmp_path, should_stop=stop, supervision=at_once()):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    assert seen[-1].step == 5 and len(TrainedModel.load(tmp_path).bank) > 0
    assert losses(seen) + losses(run(blob_set[0], tiny, tmp_path, resume=True)[0]) == unbroken


def test_stopped_at_once_with_an_earlier_model_keeps_that(blob_set, tiny, tmp_path, run):
    _, model = run(blob_set[0])
    events, _ = run(
        blob_set[0],
        tiny,
        tmp_path,
        should_stop=lambda: True,
        supervision=at_once(),
        earlier=EarlierModel(model, SAME),
    )
    assert events[-1].stopped
    kept = TrainedModel.load(tmp_path)
    assert len(kept.bank) == len(model.bank) and kept.refinement == model.refinement
    labels = [label_picture(m, ArrayPixels(blob_set[1][6]))[0] for m in (kept, model)]
    assert (labels[0] == labels[1]).mean() > 0.999


def test_resume_stopped_at_once_leaves_everything_as_it_was(blob_set, tiny, tmp_path, run):
    run(blob_set[0], tiny.changed(steps=2), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(StoppedEarlyError):
        run(blob_set[0], tiny, tmp_path, resume=True, should_stop=lambda: True, supervision=at_once())
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


# New marks -----------------------------------------------------------------------------------------


def relabelled(picture, labels):
    tags = np.isin(np.arange(3), labels)
    return dataclasses.replace(picture, labels=None if labels is None else lambda: labels, tags=tags)


def replaced(training_set, *pictures):
    """The set with these pictures in place of those of the same name, or added."""
    new = {p.name: p for p in pictures}
    kept = [new.pop(p.name, p) for p in training_set.pictures]
    return TrainingSet((*kept, *new.values()), training_set.class_names)


@pytest.fixture
def swapped(blob_set):
    """Full marks on all pictures that call green red and red green."""
    training_set, _, truths = blob_set
    other = np.array([0, 2, 1], np.uint8)
    return [relabelled(p, other[t]) for p, t in zip(training_set.pictures, truths, strict=True)]


def at_step(number, seen, pictures):
    """Tells of changed pictures once, after so many steps."""
    told = []

    def changed():
        if told or len(steps(seen)) < number:
            return ()
        told.append(1)
        return pictures

    return changed


def follow(training_set, config, number, pictures, folder=None, **kwargs):
    seen = []
    supervision = Supervision(changed=at_step(number, seen, pictures))
    model = run_to_end(train(training_set, config, folder, supervision=supervision, **kwargs), seen.append)
    return seen, model


def test_marks_that_change_meanwhile_are_learned_before_the_next_step(blob_set, tiny, swapped):
    events, model = follow(blob_set[0], tiny, 9, swapped)
    assert sum(isinstance(e, StageProgress) and e.stage == "marks" for e in events) == 7
    for rgb, truth in zip(blob_set[1], blob_set[2], strict=True):
        labels, _ = label_picture(model, ArrayPixels(rgb))
        assert (labels[truth == 1] == 2).mean() > 0.7 and (labels[truth == 2] == 1).mean() > 0.7


def test_pictures_can_be_added_marked_and_unmarked(blob_set, tiny):
    training_set, pictures, truths = blob_set
    start = TrainingSet(training_set.pictures[:4], training_set.class_names)
    fresh = TrainingPicture.from_arrays("fresh", pictures[5], truths[5], 3)
    cleared = relabelled(training_set.pictures[0], None)
    _, model = follow(start, tiny, 3, [fresh, cleared])
    assert "fresh" in model.bank_pictures
    # Marked pictures come first.
    assert model.bank_pictures[-1] == training_set.pictures[0].name


def test_all_marks_can_go(blob_set, tiny):
    events, _ = follow(blob_set[0], tiny, 3, [relabelled(p, None) for p in blob_set[0].marked])
    assert events[-1].step == 12


@pytest.mark.parametrize("fine_tune", [False, True])
def test_resume_after_marks_have_changed_and_were_learned_goes_on_exactly(
    blob_set, tiny, swapped, tmp_path, fine_tune
):
    config = tiny.changed(steps=6, fine_tune=fine_tune, crop=64, batch=4)
    new = [swapped[1], swapped[5]]  # a marked picture and one that wasn't
    unbroken = losses(follow(blob_set[0], config, 2, new)[0])
    seen = []
    supervision = Supervision(changed=at_step(2, seen, new))
    stop = lambda: len(steps(seen)) >= 4  # noqa: E731
    for event in train(blob_set[0], config, tmp_path, should_stop=stop, supervision=supervision):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    rest = list(train(replaced(blob_set[0], *new), config, tmp_path, resume=True))
    assert losses(seen) + losses(rest) == unbroken


def test_resume_says_which_marks_have_changed(blob_set, tiny, swapped, tmp_path, run):
    run(blob_set[0], tiny.changed(steps=1), tmp_path)
    for new in (swapped[1], swapped[5]):
        with pytest.raises(TrainingError, match=f"marks have changed .* {new.name}"):
            run(replaced(blob_set[0], new), tiny, tmp_path, resume=True)


def test_resume_learns_changed_marks_where_somebody_watches_them(blob_set, tiny, swapped, tmp_path, run):
    seen = []
    for event in train(blob_set[0], tiny, tmp_path, should_stop=lambda: len(steps(seen)) >= 3):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    watching = Supervision(changed=lambda: ())
    _, model = run(replaced(blob_set[0], *swapped), tiny, tmp_path, resume=True, supervision=watching)
    labels, _ = label_picture(model, ArrayPixels(blob_set[1][6]))
    truth = blob_set[2][6]
    assert (labels[truth == 1] == 2).mean() > 0.7


def test_stop_while_new_marks_are_read_keeps_what_was_learned(blob_set, tiny, swapped, tmp_path):
    seen = []
    supervision = Supervision(changed=at_step(3, seen, swapped), at_once=True)
    stop = lambda: any(getattr(e, "stage", "") == "marks" for e in seen)  # noqa: E731
    for event in train(blob_set[0], tiny, tmp_path, should_stop=stop, supervision=supervision):
        seen.append(event)  # noqa: PERF402 - looked at while it grows
    assert seen[-1].step == 3 and seen[-1].stopped
    labels, _ = label_picture(TrainedModel.load(tmp_path), ArrayPixels(blob_set[1][6]))
    assert (labels == blob_set[2][6]).mean() > 0.9


def test_cache_keeps_places_and_sorts_marked_first(blob_set, make_sample):
    cache, sample = FeatureCache(), make_sample(np.zeros(80, int), 3)
    pictures = blob_set[0].pictures
    for picture in (pictures[5], pictures[0], pictures[6]):
        cache.put(picture, sample)
    cache.put(relabelled(pictures[6], blob_set[2][6]), sample)
    assert cache.names == tuple(pictures[i].name for i in (5, 0, 6))
    assert [c.picture.name for c in cache.marked_first] == [pictures[i].name for i in (0, 6, 5)]
    assert cache.num_marked == 2 and cache.place(pictures[6].name) == 2 and cache.place("new") == 3
