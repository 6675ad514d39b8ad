import cv2
import numpy as np
import pytest
import torch

from spml_core.annotations import Box, Patch, Scribble
from spml_core.errors import FilmError, MarkError
from spml_core.films import film_from_array
from spml_core.video.propagation import Propagator
from spml_core.video.soft_store import MemorySoftStore
from spml_core.video.span import Span


@pytest.fixture(scope="module")
def two(propagator):
    return propagator(2)


@pytest.fixture(scope="module")
def three(propagator):
    return propagator(3)


def run(propagator, film, span, marks, store=None, **kwargs):
    return list(propagator.propagate_span(film, span, marks, store or MemorySoftStore(), **kwargs))


def last_of(results):
    """What is known in the end: of each frame the last that was told."""
    return {result.index: result for result in results}


def same(one, two):
    return (
        np.array_equal(one.labels, two.labels)
        and one.confidence == two.confidence
        and (one.final, one.source, one.is_cut) == (two.final, two.source, two.is_cut)
    )


def noisy(scene, seed=0):
    noise = np.random.default_rng(seed).normal(0, 2, scene.frames.shape)
    return film_from_array((scene.frames + noise).clip(0, 255).astype(np.uint8))


# Whole films ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forward(two, square):
    return run(two, square.film, Span(0, 7, 0, None), {0: square.strokes(0)})


@pytest.fixture(scope="module")
def both(two, square):
    marks = {0: square.strokes(0), 7: square.strokes(7)}
    return run(two, square.film, Span(0, 7, 0, 7), marks)


def test_forward_follows_the_object(forward, square):
    assert [result.index for result in forward] == list(range(8))
    assert [result.source for result in forward] == ["mark"] + ["forward"] * 7
    for result in forward:
        assert result.final
        assert not result.is_cut
        assert result.labels.dtype == np.uint8
        assert result.labels.shape == (64, 96)
        assert 0 < result.confidence <= 1
        assert square.overlap(result.index, result.labels) > 0.85


def test_backward_follows_the_object(two, square):
    results = run(two, square.film, Span(0, 7, None, 7), {7: square.strokes(7)})
    assert [result.index for result in results] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert [result.source for result in results] == ["mark"] + ["backward"] * 7
    for result in results:
        assert result.final
        assert square.overlap(result.index, result.labels) > 0.85


def test_between_two_marked_frames_both_ways_are_joined(both, square):
    assert [result.index for result in both] == [0, 7, *range(1, 7), *range(6, 0, -1)]
    assert [result.source for result in both] == ["mark"] * 2 + ["forward"] * 6 + ["both"] * 6
    assert [result.final for result in both] == [True] * 2 + [False] * 6 + [True] * 6
    for result in both:
        assert square.overlap(result.index, result.labels) > 0.85


def test_the_last_map_is_all_that_a_single_way_keeps(two, square):
    store = MemorySoftStore()
    run(two, square.film, Span(0, 7, 0, None), {0: square.strokes(0)}, store)
    assert store.indices("forward") == (7,)
    assert store.indices("backward") == ()


def test_three_classes(three, pair):
    results = run(three, pair.film, Span(0, 5, 0, None), {0: pair.strokes(0)})
    assert len(results) == 6
    for result in results:
        assert pair.overlap(result.index, result.labels, 1) > 0.7
        assert pair.overlap(result.index, result.labels, 2) > 0.7


def test_only_classes_of_the_marks_are_given(three, square):
    marks = [
        Scribble(2, mark.points, mark.width) if mark.class_index == 1 else mark for mark in square.strokes(0)
    ]
    results = run(three, square.film, Span(0, 2, 0, None), {0: marks})
    for result in results:
        assert set(np.unique(result.labels)) == {0, 2}
        assert square.overlap(result.index, np.where(result.labels == 2, 1, 0)) > 0.85


def test_an_object_that_leaves_is_gone(two, render):
    scene = render((64, 96), [[(20, 48 + 9 * t) for t in range(9)]], [22])
    assert not scene.truth[-2:].any()
    results = run(two, scene.film, Span(0, 8, 0, None), {0: scene.strokes(0)})
    for result in results[:3]:
        assert scene.overlap(result.index, result.labels) > 0.8
    for result in results[-2:]:
        assert (result.labels == 1).mean() < 0.02


def test_a_cut_is_told_and_what_was_marked_is_found_behind_it(two, render):
    first = render((64, 96), [[(12, 12 + 2 * t) for t in range(4)]], [24])
    second = render(
        (64, 96), [[(30, 60 - 2 * t) for t in range(4)]], [24], background=(225, 225, 120), seed=7
    )
    frames = np.concatenate([first.frames, second.frames])
    results = run(two, film_from_array(frames), Span(0, 7, 0, None), {0: first.strokes(0)})
    assert [result.is_cut for result in results] == [False] * 4 + [True] + [False] * 3
    for result in results[:4]:
        assert first.overlap(result.index, result.labels) > 0.85
    for result in results[4:]:  # found by what it looks like alone
        assert second.overlap(result.index - 4, result.labels) > 0.5


def test_behind_a_cut_nothing_is_left_of_the_frame_before(two, render):
    """Whatever was in the frame before, the first frame of a scene comes out the same."""
    stays, jumps = (render((64, 96), [[(12, 12), (12, 12), (12, left)]], [24]) for left in (12, 60))
    other = render((64, 96), [[(30, 40)]], [24], background=(225, 225, 120), seed=7)
    marks = {0: stays.strokes(0)}
    found = [
        run(two, film_from_array(np.concatenate([scene.frames, other.frames])), Span(2, 3, 0, None), marks)
        for scene in (stays, jumps)
    ]
    assert not same(found[0][0], found[1][0])
    assert found[0][1].is_cut
    assert same(found[0][1], found[1][1])


def test_a_film_in_which_nothing_moves(two, render):
    scene = render((64, 96), [[(20, 30)] * 5], [24])
    for result in run(two, scene.film, Span(0, 4, 0, None), {0: scene.strokes(0)}):
        assert scene.overlap(result.index, result.labels) > 0.85
        assert not result.is_cut


def test_a_grey_film(two, render):
    scene = render(
        (64, 96), [[(12 + t, 12 + 3 * t) for t in range(5)]], [24], [(200, 200, 200)], (80, 80, 80)
    )
    light = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in scene.frames])
    for result in run(two, film_from_array(light), Span(0, 4, 0, None), {0: scene.strokes(0)}):
        assert scene.overlap(result.index, result.labels) > 0.8


def test_tiny_frames(propagator, render):
    scene = render((16, 16), [[(5, 5)] * 3], [6])
    marks = [Scribble(0, ((0, 0), (0, 15)), 1), Scribble(1, ((7, 7), (7, 8)), 2)]
    results = run(propagator(2), scene.film, Span(0, 2, 0, None), {0: marks})
    assert [result.index for result in results] == [0, 1, 2]
    for result in results:
        assert result.labels.shape == (16, 16)
    assert scene.overlap(0, results[0].labels) > 0.8


def test_frames_of_one_colour(propagator):
    film = film_from_array(np.full((3, 40, 40, 3), 120, np.uint8))
    marks = [Scribble(0, ((2, 2), (2, 30)), 2), Scribble(1, ((30, 20), (30, 24)), 3)]
    results = run(propagator(2), film, Span(0, 2, 0, None), {0: marks})
    assert [result.index for result in results] == [0, 1, 2]
    assert (results[0].labels[29:32, 20:25] == 1).all()


def test_a_large_film_is_labelled_at_its_own_size(two, render):
    scene = render((900, 600), [[(300, 180), (306, 186)]], [240])
    results = run(two, scene.film, Span(0, 1, 0, None), {0: scene.strokes(0)})
    for result in results:
        assert result.labels.shape == (900, 600)
        assert scene.overlap(result.index, result.labels) > 0.9


def test_without_flow_what_stays_is_kept(propagator, render):
    scene = render((64, 96), [[(20, 30)] * 3], [24])
    still = propagator(2, "identity")
    for result in run(still, scene.film, Span(0, 2, 0, None), {0: scene.strokes(0)}):
        assert scene.overlap(result.index, result.labels) > 0.85


# Ranges ---------------------------------------------------------------------------------------------


def test_a_range_begins_after_its_marked_frame(two, square, forward):
    results = run(two, square.film, Span(3, 5, 0, None), {0: square.strokes(0)})
    assert [result.index for result in results] == [3, 4, 5]
    for result in results:
        assert same(result, forward[result.index])


def test_a_range_within_two_marked_frames(two, square, both):
    marks = {0: square.strokes(0), 7: square.strokes(7)}
    results = run(two, square.film, Span(3, 5, 0, 7), marks)
    assert [(result.index, result.final) for result in results] == [
        *((index, False) for index in (3, 4, 5)),
        *((index, True) for index in (5, 4, 3)),
    ]
    for index, result in last_of(results).items():
        assert same(result, last_of(both)[index])


def test_a_range_before_the_marked_frame(two, square):
    results = run(two, square.film, Span(1, 3, None, 5), {5: square.strokes(5)})
    assert [result.index for result in results] == [3, 2, 1]


@pytest.mark.parametrize(
    "span", [Span(0, 0, 0, None), Span(0, 0, None, 0), Span(0, 0, 0, 0), Span(0, 0, 0, 3)]
)
def test_the_marked_frame_alone(two, square, forward, span):
    marks = {0: square.strokes(0), 3: square.strokes(3)}
    (result,) = run(two, square.film, span, marks)
    assert (result.index, result.source, result.final) == (0, "mark", True)
    if span.after != 3:
        assert same(result, forward[0])


def test_two_marked_frames_with_nothing_between(two, square):
    marks = {3: square.strokes(3), 4: square.strokes(4)}
    results = run(two, square.film, Span(3, 4, 3, 4), marks)
    assert [(result.index, result.source) for result in results] == [(3, "mark"), (4, "mark")]


# Marks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [0, 1])
def test_marks_of_one_class_are_refused(two, square, of):
    marks = [mark for mark in square.strokes(0) if mark.class_index == of]
    with pytest.raises(MarkError, match="fewer than two classes"):
        run(two, square.film, Span(0, 2, 0, None), {0: marks})


def test_no_marks_are_refused(two, square):
    with pytest.raises(MarkError, match="fewer than two classes"):
        run(two, square.film, Span(0, 2, 0, None), {})


def test_a_class_that_is_not_there_is_refused(two, square):
    marks = [*square.strokes(0), Scribble(5, ((9, 9), (9, 20)), 2)]
    with pytest.raises(MarkError):
        run(two, square.film, Span(0, 2, 0, None), {0: marks})


def test_two_marked_frames_may_share_the_classes_out(two, square):
    marks = {at: [m for m in square.strokes(at) if m.class_index == of] for at, of in ((0, 0), (4, 1))}
    results = last_of(run(two, square.film, Span(0, 4, 0, 4), marks))
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert square.overlap(4, results[4].labels) > 0.5


def test_a_box_speaks_of_the_background_too(three, square):
    y, x = np.nonzero(square.truth[0] == 1)
    box = Box(2, y.min(), x.min(), y.max() + 1, x.max() + 1)
    for result in run(three, square.film, Span(0, 2, 0, None), {0: [box]}):
        assert set(np.unique(result.labels)) == {0, 2}
        assert square.overlap(result.index, np.where(result.labels == 2, 1, 0)) > 0.6


def test_painted_pixels_are_kept_in_marked_frames(two, square):
    """Even against all that the rest of the marks say."""
    labels = np.full((64, 96), 254, np.uint8)
    labels[20:22, 20:22] = 0  # amid the object
    labels[50:54, 80:90] = 255
    odd = Patch(0, 0, labels)
    marks = {0: [*square.strokes(0), odd], 4: square.strokes(4)}
    results = last_of(run(two, square.film, Span(0, 4, 0, 4), marks))
    assert (results[0].labels[20:22, 20:22] == 0).all()
    assert (results[0].labels == 255).sum() == 40
    assert (results[0].labels[50:54, 80:90] == 255).all()
    for index in (1, 2, 3, 4):
        assert set(np.unique(results[index].labels)) <= {0, 1}
    for index in (0, 4):
        for mark in square.strokes(index):
            for y, x in mark.points:
                assert results[index].labels[int(y), int(x)] == mark.class_index


def test_a_stroke_corrects_what_was_shown_before(two, render):
    """A first answer, right but for a corner of the frame, is corrected there and kept elsewhere."""
    scene = render((64, 96), [[(20, 30 + t) for t in range(3)]], [24])
    shown = scene.truth[0].copy()
    shown[44:, 70:] = 1
    stroke = {0: [Scribble(0, ((50, 76), (58, 90)), 5)]}
    results = run(two, scene.film, Span(0, 2, 0, None), stroke, bases={0: shown})
    before = scene.overlap(0, shown)
    for result in results:
        assert scene.overlap(result.index, result.labels) > max(before, 0.85)
    with pytest.raises(MarkError):  # the stroke alone doesn't tell of the object
        run(two, scene.film, Span(0, 2, 0, None), stroke)


def test_what_was_shown_may_have_pixels_without_a_class(two, square):
    shown = np.where(square.truth[0] == 1, 1, 0).astype(np.uint8)
    shown[:10] = 2  # K
    shown[40:] = 255
    stroke = {0: [Scribble(1, ((20, 20), (20, 28)), 3)]}
    results = run(two, square.film, Span(0, 2, 0, None), stroke, bases={0: shown})
    for result in results:
        assert square.overlap(result.index, result.labels) > 0.8


# What must not matter ------------------------------------------------------------------------------


def test_frames_before_a_broken_one_are_told(two, square):
    film = square.film
    whole = film.frame

    def frame(index):
        if index == 3:
            raise FilmError("Frame 3 can't be read.", "Copy the film anew.")
        return whole(index)

    film.frame = frame
    told = []
    with pytest.raises(FilmError, match="Frame 3"):
        told.extend(two.propagate_span(film, Span(0, 7, 0, None), {0: square.strokes(0)}, MemorySoftStore()))
    assert [result.index for result in told] == [0, 1, 2]


def test_the_number_of_threads_changes_hardly_anything(square):
    """The backbone adds up in another order, no more."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            fresh = Propagator(2, device="cpu")
            found.append(run(fresh, square.film, Span(0, 2, 0, None), {0: square.strokes(0)}))
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
    for one, two in zip(*found, strict=True):
        assert (one.labels == two.labels).mean() > 0.999
        assert one.confidence == pytest.approx(two.confidence, abs=1e-3)


def test_noise_changes_little(two, square, forward):
    results = run(two, noisy(square), Span(0, 1, 0, None), {0: square.strokes(0)})
    for result in results:
        assert (result.labels == forward[result.index].labels).mean() > 0.97
