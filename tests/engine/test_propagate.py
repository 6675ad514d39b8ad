"""What surrounds the propagation algorithm, with a simple one in its place."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Erasure, Patch, Point, Scribble, Tag
from spml_core.engine.film_results import FilmResults
from spml_core.engine.propagation_events import FrameDone, Propagated, SpanDone, Warned
from spml_core.engine.propagation_keys import ALGORITHM, up_to_date
from spml_core.errors import ConfigError, MarkError, ProjectError, SpmlError
from spml_core.project import Project

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from rule_propagator import (
    COUNT,
    SIZE,
    Rules,
    all_labels,
    final_frames,
    make_film_project,
    mark,
    never,
    run,
)


@pytest.fixture
def project(tmp_path):
    """Frames 3 and 8 of twelve are marked."""
    Rules.asked.clear()
    with make_film_project(tmp_path, COUNT, marked=(3, 8)) as made:
        yield made


def test_every_frame_gets_labels_and_is_told(project):
    events = run(project)
    frames = [event for event in events if isinstance(event, FrameDone)]
    assert sorted(final_frames(events)) == list(range(COUNT))
    assert [f.done for f in frames if f.final] == list(range(1, COUNT + 1))
    assert {f.total for f in frames} == {COUNT}
    assert all(a.share <= b.share for a, b in pairwise(frames)) and frames[-1].share == 1
    assert frames[-1].seconds_left == 0 and all(f.seconds_left >= 0 for f in frames)
    # Between the marks each frame is shown after the first pass, and bettered in the second.
    assert [f.index for f in frames if not f.final] == [3, 4, 5, 6, 7]
    assert [(e.first, e.last, e.done, e.total) for e in events if isinstance(e, SpanDone)] == [
        (0, 2, 1, 3),
        (3, 7, 2, 3),
        (8, 11, 3, 3),
    ]
    assert Rules.asked == [(0, 2, None, 3), (3, 7, 3, 8), (8, 11, 8, None)]
    with FilmResults.of(project, project.film("swim")) as results:
        assert (
            results.sources() == ("backward",) * 3 + ("mark",) + ("both",) * 4 + ("mark",) + ("forward",) * 3
        )
        confidences = results.confidences()
        assert set(results.keys()) == set(range(COUNT))
    end = events[-1]
    assert (end.first, end.last, end.frames, end.computed, end.stopped) == (0, 11, COUNT, COUNT, False)
    assert end.mean_confidence == pytest.approx(float(confidences.mean()))
    assert all(labels.shape == SIZE for labels in all_labels(project))


def test_what_is_up_to_date_isnt_computed_again(project):
    film = project.film("swim")
    assert not up_to_date(project, film).any()
    run(project)
    assert up_to_date(project, film).all()
    (end,) = run(project, make_propagator=never)
    assert isinstance(end, Propagated) and (end.frames, end.computed) == (COUNT, 0)
    # After the last marked frame both directions come to the same: forward.
    assert final_frames(run(project, direction="forward")) == [4, 5, 6, 7]
    project.move_class(2, 0)
    project.rename_class(1, "ground")
    project.add_class("boat")
    run(project, direction="forward", make_propagator=never)


def test_a_correction_reaches_the_neighbouring_marked_frames_only(project):
    mark(project, 10)
    run(project)
    before = all_labels(project)
    mark(project, 8, at=9)
    np.testing.assert_array_equal(
        up_to_date(project, project.film("swim")), [i <= 3 or i >= 10 for i in range(COUNT)]
    )
    assert sorted(final_frames(run(project))) == [4, 5, 6, 7, 8, 9]
    mark(project, 5)  # a new one
    assert sorted(final_frames(run(project))) == [4, 5, 6, 7]
    project.undo()
    project.undo()
    assert sorted(final_frames(run(project))) == [4, 5, 6, 7, 8, 9]
    for mine, theirs in zip(all_labels(project), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_nearest_spans_come_first(project):
    run(project, around=11)
    assert [span[:2] for span in Rules.asked] == [(8, 11), (3, 7), (0, 2)]
    Rules.asked.clear()
    project.undo()
    mark(project, 9)
    run(project, around=5)
    assert Rules.asked[0][:2] == (3, 8) or Rules.asked[0][:2] == (4, 8)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"direction": "forward"}, [(3, 7, 3, None), (8, 11, 8, None)]),
        ({"direction": "backward"}, [(0, 3, None, 3), (4, 8, None, 8)]),
        ({"first": 5, "last": 6}, [(5, 6, 3, 8)]),
        ({"first": 5, "last": 5, "direction": "forward"}, [(5, 5, 3, None)]),
        ({"first": 10}, [(10, 11, 8, None)]),
        ({"last": 1}, [(0, 1, None, 3)]),
        ({"last": 3}, [(0, 2, None, 3), (3, 3, 3, None)]),
        ({"first": 8, "last": 8, "direction": "backward"}, [(8, 8, None, 8)]),
    ],
)
def test_directions_and_ranges(project, options, asked):
    events = run(project, **options)
    assert Rules.asked == asked
    assert sorted(final_frames(events)) == [i for span in asked for i in range(span[0], span[1] + 1)]
    run(project, **options, make_propagator=never)


def test_frames_that_a_direction_leaves_out_are_told(project):
    warned = [event.message for event in run(project, direction="forward") if isinstance(event, Warned)]
    assert len(warned) == 1 and "Frames 0 to 2" in warned[0]
    warned = [event.message for event in run(project, direction="backward") if isinstance(event, Warned)]
    assert len(warned) == 1 and "Frames 9 to 11" in warned[0]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"direction": "sideways"}, ConfigError, "'sideways'.*forward"),
        ({"first": 5, "last": 4}, ConfigError, "from frame 5 to frame 4 holds no frame"),
        ({"first": -1}, ConfigError, "beyond the film 'swim'.*0 to 11"),
        ({"last": 12}, ConfigError, "frame 12 goes beyond the film 'swim'.*0 to 11"),
        ({"last": 2, "direction": "forward"}, ProjectError, "lie after the range from frame 0 to frame 2"),
        ({"first": 9, "direction": "backward"}, ProjectError, "lie before the range from frame 9"),
    ],
)
def test_impossible_orders_are_one_line_each(project, options, kind, words):
    with pytest.raises(kind, match=words) as found:
        run(project, **options, make_propagator=never)
    assert found.value.remedy and "\n" not in str(found.value)
    assert not project.film_folder(project.film("swim")).exists()


def test_where_marks_dont_suffice_frames_are_left_out_and_told(project):
    def refuse(film, span, marks, store, bases=None):
        if span.before is None:
            raise MarkError("The marks of frame 3 are of fewer than two classes.", "Mark more.")
        return Rules(3).propagate_span(film, span, marks, store, bases)

    refusing = SimpleNamespace(propagate_span=refuse)
    events = run(project, make_propagator=lambda: refusing)
    (warned,) = [event.message for event in events if isinstance(event, Warned)]
    assert "Frames 0 to 2 are left out" in warned and "fewer than two" in warned
    assert sorted(final_frames(events)) == list(range(3, COUNT))
    assert [(e.first, e.last) for e in events if isinstance(e, SpanDone)] == [(3, 7), (8, 11)]


def test_if_marks_suffice_nowhere_that_is_the_error(project):
    def refuse(*arguments):
        raise MarkError("Too few classes.", "Mark more.")

    with pytest.raises(MarkError, match="Too few"):
        run(project, make_propagator=lambda: SimpleNamespace(propagate_span=refuse))


def test_what_was_shown_before_a_mark_is_kept_with_it(project):
    Rules.bases.clear()
    run(project)
    assert all(bases == {} for bases in Rules.bases)
    shown = all_labels(project)[5]
    mark(project, 5)
    Rules.bases.clear()
    run(project)
    assert len(Rules.bases) == 2 and all(list(bases) == [5] for bases in Rules.bases)
    mark(project, 5, at=8)  # it stays what it was before the first mark
    project.move_class(1, 2)
    Rules.bases.clear()
    run(project)
    for bases in Rules.bases:
        np.testing.assert_array_equal(bases[5], np.array([0, 2])[shown])
    run(project, make_propagator=never)
    assert up_to_date(project, project.film("swim")).all()
    project.remove_marks(project.marks(project.frame(project.film("swim"), 5).id))
    Rules.bases.clear()
    run(project)
    assert all(bases == {} for bases in Rules.bases)


def test_another_range_passes_no_frame_over(project):
    looks = iter([False] * 4)
    run(project, first=10, should_stop=lambda: next(looks, True))
    with FilmResults.of(project, project.film("swim")) as results:
        results.forget([10, 11])
    whole = run(project, first=8)
    assert sorted(final_frames(whole)) == [8, 9, 10, 11]


def test_the_version_is_that_of_the_algorithm():
    from spml_core.video.propagation import VERSION

    assert ALGORITHM == VERSION


def test_two_classes_must_be_marked(tmp_path):
    with make_film_project(tmp_path, 4) as project:
        film = project.film("swim")
        with pytest.raises(ProjectError, match="No frame of the film 'swim' is marked"):
            run(project)
        project.add_marks({project.frame(film, 1).id: [Tag(1), Erasure(((2, 2),), 3.0)]}, "says nothing")
        with pytest.raises(ProjectError, match="No frame"):
            run(project)
        project.add_marks({project.frame(film, 2).id: [Scribble(1, ((2, 2), (9, 9)), 2.0)]}, "one class")
        with pytest.raises(ProjectError, match="only “fish” is marked"):
            run(project)
        project.add_marks({project.frame(film, 0).id: [Point(0, 3, 3)]}, "another")
        assert run(project)[-1].frames == 4


def test_marks_that_say_nothing_cut_no_film(project):
    film = project.film("swim")
    silent = [Tag(1), Patch(0, 0, np.full((4, 4), 255, np.uint8))]
    project.add_marks({project.frame(film, 5).id: silent}, "silent")
    # Painted and painted over by void: nothing is left of it.
    over = [Point(1, 5, 5), Patch(0, 0, np.full(SIZE, 255, np.uint8))]
    project.add_marks({project.frame(film, 10).id: over}, "silent, too")
    run(project)
    assert Rules.asked == [(0, 2, None, 3), (3, 7, 3, 8), (8, 11, 8, None)]


def test_a_film_that_was_replaced_or_moved_isnt_taken_for_the_old_one(project, tmp_path):
    run(project)
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "swim" / "shot004.png")
    with pytest.raises(SpmlError, match="swim"):
        run(project)
    (tmp_path / "swim").rename(tmp_path / "gone")
    with pytest.raises(SpmlError, match="swim"):
        run(project)


def test_a_frame_of_another_size_is_named_and_the_rest_stays(tmp_path):
    (tmp_path / "a").mkdir()
    with make_film_project(tmp_path / "a", 6, marked=(0,)) as project:
        film = project.film("swim")
        reading = project.open_film(film)
        frame = reading.frame
        error = SpmlError("Frame 4 of swim is 10 x 10 pixels, the others 24 x 32.", "Cut the film.")

        def broken(index):
            if index == 4:
                raise error
            return frame(index)

        reading.frame = broken
        with pytest.raises(SpmlError, match="Frame 4"):
            run(project)
        with FilmResults.of(project, film) as results:
            assert set(results.keys()) == {0, 1, 2, 3}


def test_the_window_reads_results_without_torch():
    script = (
        "import sys\n"
        "import spml_core.engine.film_results, spml_core.engine.propagation_keys, spml_core.engine.worst_frame\n"
        "import spml_core.engine.background.propagate_messages, spml_core.engine.background.propagate_process\n"
        "assert 'torch' not in sys.modules and 'timm' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_reading_only_is_enough(project):
    with Project.open(project.path, write=False) as reader:
        assert run(reader)[-1].frames == COUNT
