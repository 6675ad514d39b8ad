import numpy as np
import pytest

from spml_core.annotations import Box, Erasure, Patch, Point, Scribble, Tag
from spml_core.errors import ConfigError, MarkError
from spml_core.suggesting.evidence import gather_evidence
from spml_core.suggesting.picture_features import at_working_size, picture_features
from spml_core.suggesting.suggestion import OtherMarks, suggest

LEFT = Scribble(0, ((20.0, 5.0), (20.0, 15.0)), 3.0)
RIGHT = Scribble(1, ((20.0, 45.0), (20.0, 55.0)), 3.0)


def ask(features, marks, count=2, **options):
    return suggest(features, gather_evidence(features, marks, count), count, **options)


def share(labels, code, columns):
    return (labels[:, columns] == code).mean()


@pytest.mark.parametrize("quality", ["pixels", "regions", "crf"])
def test_a_stroke_on_each_side_labels_both(two_halves, quality):
    found = ask(two_halves, [LEFT, RIGHT], quality=quality)
    assert share(found.labels, 0, slice(0, 30)) > 0.97
    assert share(found.labels, 1, slice(30, 60)) > 0.97
    assert found.labels.dtype == found.uncertainty.dtype == np.uint8
    assert found.regions.dtype == np.int32


def test_without_marks_nothing_is_said(two_halves):
    found = ask(two_halves, [])
    assert (found.labels == 2).all()
    assert found.regions.shape == found.labels.shape


def test_one_class_is_suggested_where_the_picture_is_alike(two_halves):
    found = ask(two_halves, [RIGHT])
    assert share(found.labels, 1, slice(30, 60)) > 0.9
    assert share(found.labels, 2, slice(0, 30)) > 0.9


def test_a_click_says_more_than_its_own_pixels(two_halves):
    found = ask(two_halves, [Point(0, 20, 10), Point(1, 20, 50)])
    assert share(found.labels, 0, slice(0, 30)) > 0.97
    assert share(found.labels, 1, slice(30, 60)) > 0.97


def test_a_box_needs_no_other_mark(two_halves):
    found = ask(two_halves, [Box(1, 0, 30, 40, 60)])
    assert share(found.labels, 1, slice(30, 60)) > 0.95
    assert share(found.labels, 0, slice(0, 30)) > 0.95


def test_marks_are_always_kept(two_halves):
    void = Patch(0, 0, np.full((2, 60), 255, np.uint8))
    wrong = Scribble(1, ((30.0, 5.0), (30.0, 8.0)), 1.0)
    found = ask(two_halves, [LEFT, RIGHT, wrong, void])
    assert (found.labels[30, 5:9] == 1).all()
    assert (found.uncertainty[30, 5:9] == 0).all()
    assert (found.labels[:2] == 255).all()


def test_an_erased_mark_is_as_if_never_made(two_halves):
    erasure = Erasure(((20.0, 5.0), (20.0, 15.0)), 9.0)
    again = ask(two_halves, [LEFT, RIGHT, erasure, LEFT])
    straight = ask(two_halves, [RIGHT, LEFT])
    assert np.array_equal(again.labels, straight.labels)
    assert np.array_equal(again.uncertainty, straight.uncertainty)


def test_an_erased_click_is_as_if_never_made(two_halves):
    clicked = [LEFT, RIGHT, Point(1, 10.0, 10.0), Erasure(((10.0, 10.0),), 12.0)]
    assert np.array_equal(ask(two_halves, clicked).labels, ask(two_halves, [LEFT, RIGHT]).labels)


def test_marks_outside_the_picture_count_for_nothing(two_halves):
    outside = [Scribble(1, ((-50.0, -50.0), (-40.0, -40.0)), 3.0), Point(1, 300.0, 300.0)]
    assert np.array_equal(
        ask(two_halves, [LEFT, RIGHT, *outside]).labels, ask(two_halves, [LEFT, RIGHT]).labels
    )


def test_a_class_that_is_gone_is_an_error(two_halves):
    with pytest.raises(MarkError, match="class index 1"):
        ask(two_halves, [RIGHT], count=1)


def test_other_pictures_teach_classes_without_a_mark_here(two_halves):
    other = OtherMarks(
        two_halves.descriptors[two_halves.regions[20, [10, 50]]], np.array([0, 2]), np.ones(2, np.float32)
    )
    found = ask(two_halves, [], count=3, others=other)
    assert share(found.labels, 0, slice(0, 30)) > 0.95
    assert share(found.labels, 2, slice(30, 60)) > 0.95


def test_marks_here_outweigh_those_of_other_pictures(two_halves):
    reverse = OtherMarks(
        two_halves.descriptors[two_halves.regions[20, [50, 10]]], np.array([0, 1]), np.ones(2, np.float32)
    )
    found = ask(two_halves, [LEFT, RIGHT], others=reverse)
    assert share(found.labels, 0, slice(0, 30)) > 0.95
    assert share(found.labels, 1, slice(30, 60)) > 0.95


def test_a_models_opinion_takes_part(two_halves):
    prior = np.full((two_halves.count, 2), 0.1, np.float32)
    bright = np.bincount(two_halves.regions.ravel(), (np.arange(60) >= 30)[None].repeat(40, 0).ravel())
    prior[np.arange(two_halves.count), (bright > two_halves.graph.area / 2).astype(int)] = 0.9
    found = ask(two_halves, [], prior=prior)
    assert share(found.labels, 0, slice(0, 30)) > 0.95
    assert share(found.labels, 1, slice(30, 60)) > 0.95


def test_the_next_region_is_unmarked_and_the_level_is_a_cut(two_halves):
    found = ask(two_halves, [LEFT, RIGHT], level=8)
    assert 2 <= found.regions.max() + 1 <= 8
    assert found.next_region not in found.regions[20, [*range(5, 16), *range(45, 56)]]
    finer = ask(two_halves, [LEFT, RIGHT], level=20)
    for region in range(finer.regions.max() + 1):
        assert len(np.unique(found.regions[finer.regions == region])) == 1
    assert np.array_equal(found.labels, finer.labels)


def test_it_can_be_stopped_between_any_two_steps(two_halves):
    asked = []
    ask(two_halves, [LEFT, RIGHT], keep_going=lambda: asked.append(1) is None)
    assert len(asked) >= 3
    for stop in range(len(asked)):
        answers = iter([True] * stop + [False] * 99)
        assert ask(two_halves, [LEFT, RIGHT], keep_going=lambda answers=answers: next(answers)) is None


def test_unknown_qualities_are_refused(two_halves):
    with pytest.raises(ConfigError, match="'best'"):
        ask(two_halves, [LEFT], quality="best")


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (1, 30), (5, 3)])
def test_tiny_pictures(size):
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    features = picture_features(rgb, rgb[..., :2].astype(np.float32), np.ones(2, np.float32))
    for marks in ([], [Point(1, 0, 0)], [Point(1, 0, 0), Point(0, size[0] - 1, size[1] - 1)]):
        found = ask(features, marks)
        assert found.labels.shape == found.uncertainty.shape == found.regions.shape == size
    assert found.labels[-1, -1] == 0


def test_every_pixel_can_be_a_region():
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[::2, ::2] = rgb[1::2, 1::2] = 255
    features = picture_features(rgb, rgb.astype(np.float32), np.ones(3, np.float32), num_regions=24)
    found = ask(features, [Point(0, 0, 0), Point(1, 3, 5)], level=24)
    assert set(np.unique(found.labels)) <= {0, 1}


def test_a_large_picture_is_looked_at_smaller_and_answered_at_full_size():
    rgb = np.zeros((900, 1400, 3), np.uint8)
    rgb[:, 700:] = 200
    small = at_working_size(rgb)
    assert small.shape[0] * small.shape[1] <= 2**19
    grid = small[::8, ::8].astype(np.float32)
    features = picture_features(small, grid, np.ones(3, np.float32), (900, 1400), 50)
    found = ask(features, [Point(0, 450, 100), Point(1, 450, 1300)])
    assert found.labels.shape == (900, 1400)
    assert (found.labels[:, :690] == 0).all()
    assert (found.labels[:, 710:] == 1).all()


def elsewhere(features, *codes):
    """Marks of other pictures: what the left half looks like for the first class, the right for the second."""
    columns = (10, 50)[: len(codes)]
    regions = [int(features.regions[20, column]) for column in columns]
    return OtherMarks(
        features.descriptors[regions], np.array(codes, np.int64), np.ones(len(codes), np.float32)
    )


@pytest.mark.parametrize("quality", ["pixels", "regions", "crf"])
@pytest.mark.parametrize("code", [0, 1])
def test_one_class_that_is_marked_in_other_pictures_alone_says_nothing(two_halves, quality, code):
    found = ask(two_halves, [], others=elsewhere(two_halves, code), quality=quality)
    assert (found.labels == 2).all()
    both = ask(two_halves, [], others=elsewhere(two_halves, 0, 1), quality=quality)
    assert share(both.labels, 0, slice(0, 30)) > 0.9 and share(both.labels, 1, slice(30, 60)) > 0.9


@pytest.mark.parametrize("quality", ["pixels", "regions", "crf"])
def test_a_complete_list_of_tags_rules_out_what_it_leaves_out(two_halves, quality):
    others = elsewhere(two_halves, 0, 2)
    free = ask(two_halves, [], 3, others=others, quality=quality)
    assert (free.labels == 2).any()
    found = ask(two_halves, [LEFT, RIGHT, Tag(1, complete=True)], 3, others=others, quality=quality)
    assert set(np.unique(found.labels)) == {0, 1}
    open_list = ask(two_halves, [LEFT, Tag(1, complete=False)], 3, others=others, quality=quality)
    assert (open_list.labels == 2).any()


def test_a_complete_list_rules_out_what_a_model_believes(two_halves):
    prior = np.full((two_halves.count, 3), 0.01, np.float32)
    prior[:, 2] = 0.98
    assert (ask(two_halves, [], 3, prior=prior).labels == 2).all()
    found = ask(two_halves, [Tag(1, complete=True), LEFT], 3, prior=prior)
    assert 2 not in found.labels
    prior[:, :2] = 0
    assert 2 not in ask(two_halves, [Tag(1, complete=True), LEFT], 3, prior=prior).labels


def test_what_is_painted_counts_more_than_the_list(two_halves):
    found = ask(two_halves, [LEFT, RIGHT, Tag(2, complete=True)], 3)
    assert share(found.labels, 1, slice(30, 60)) > 0.9


def test_where_the_list_names_the_background_alone_all_is_background(two_halves):
    found = ask(two_halves, [Tag(0, complete=True)], 3, others=elsewhere(two_halves, 0, 2))
    assert (found.labels == 0).all()


def test_one_class_of_other_pictures_says_nothing(two_halves):
    """What isn't of it nobody knows, so neither is what is."""
    for marks in ([], [Tag(1)], [Tag(1, complete=False)]):
        found = ask(two_halves, marks, count=3, others=elsewhere(two_halves, 1))
        assert (found.labels == 3).all()
        assert (found.uncertainty == 255).all()
        assert found.next_region is None
        assert found.regions.max() > 0  # which can be answered all the same


def test_a_model_of_one_class_says_where_it_is_and_no_more(two_halves):
    """Its other classes were deleted."""
    prior = np.zeros((two_halves.count, 3), np.float32)
    bright = np.bincount(two_halves.regions.ravel(), (np.arange(60) >= 30)[None].repeat(40, 0).ravel())
    prior[:, 1] = np.where(bright > two_halves.graph.area / 2, 0.95, 0.05)
    found = ask(two_halves, [], count=3, prior=prior)
    assert share(found.labels, 1, slice(30, 60)) > 0.95
    assert share(found.labels, 3, slice(0, 30)) > 0.95


@pytest.mark.parametrize("quality", ["pixels", "regions", "crf"])
def test_what_a_complete_list_of_tags_leaves_out_is_never_suggested(two_halves, quality):
    both = elsewhere(two_halves, 1, 2)
    assert set(np.unique(ask(two_halves, [], 4, others=both).labels)) == {1, 2}
    prior = np.full((two_halves.count, 4), 0.05, np.float32)
    prior[:, 2] = 0.85
    for tags in ([Tag(1), Tag(3)], [Tag(1)]):
        found = ask(two_halves, tags, 4, others=both, prior=prior, quality=quality)
        assert 2 not in found.labels
        assert 2 in ask(two_halves, [Tag(1, complete=False)], 4, others=both, prior=prior).labels
        # What is left of the other pictures' marks is of one class.
        assert (ask(two_halves, tags, 4, others=both, quality=quality).labels == 4).all()
    three = OtherMarks(
        two_halves.descriptors[two_halves.regions[20, [10, 50, 50]]],
        np.array([0, 1, 2]),
        np.array([1, 1, 9], np.float32),
    )
    found = ask(two_halves, [Tag(1)], 4, others=three, quality=quality)
    assert share(found.labels, 0, slice(0, 30)) > 0.95
    assert share(found.labels, 1, slice(30, 60)) > 0.95


def test_what_isnt_of_the_only_tagged_class_is_background(two_halves):
    found = ask(two_halves, [Tag(1), RIGHT], 4)
    assert share(found.labels, 1, slice(30, 60)) > 0.9
    assert share(found.labels, 0, slice(0, 30)) > 0.9


def test_other_marks_count_against_a_complete_list(two_halves):
    """As in training: who draws something says that it is there."""
    found = ask(two_halves, [Tag(1), Scribble(2, ((20.0, 5.0), (20.0, 15.0)), 3.0), RIGHT], 4)
    assert share(found.labels, 2, slice(0, 30)) > 0.9
    assert share(found.labels, 1, slice(30, 60)) > 0.9
