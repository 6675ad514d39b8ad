"""What surrounds the propagation algorithm, with a simple one in its place."""

import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from spml_core.annotations import Erasure, Patch, Point, Scribble, Tag
from spml_core.engine import film_results
from spml_core.engine.film_results import FilmResults
from spml_core.engine.propagate import propagate_film
from spml_core.engine.propagation_events import FrameDone, Propagated, SpanDone, Warned
from spml_core.engine.propagation_keys import ALGORITHM, up_to_date
from spml_core.engine.worst_frame import worst_frame
from spml_core.errors import ConfigError, MarkError, ProjectError, SpmlError, StorageError
from spml_core.project import Project
from spml_core.video.soft_store import DiskSoftStore

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from rule_propagator import SIZE, Rules, make_film_project, mark, quick_rules

COUNT = 12


@pytest.fixture
def project(tmp_path):
    """Frames 3 and 8 of twelve are marked."""
    Rules.asked.clear()
    with make_film_project(tmp_path, COUNT, marked=(3, 8)) as made:
        yield made


def run(project, **options):
    options.setdefault("make_propagator", quick_rules(project))
    return list(propagate_film(project, project.film("swim"), **options))


def all_labels(project):
    with FilmResults.of(project, project.film("swim")) as results:
        return [results.labels(index) for index in range(COUNT)]


def final_frames(events):
    return [event.index for event in events if isinstance(event, FrameDone) and event.final]


def never():
    raise AssertionError("nothing was to be computed")


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


def test_stopped_and_gone_on_with_it_comes_to_the_same(project, tmp_path):
    run(project)
    whole = all_labels(project)
    with make_film_project(tmp_path / "again", COUNT, marked=(3, 8)) as other:
        computed = 0
        for _ in range(40):
            looks = iter([False, False, False])
            events = run(other, around=5, should_stop=lambda looks=looks: next(looks, True))
            computed += events[-1].computed
            if not events[-1].stopped:
                break
        assert computed == COUNT
        for mine, theirs in zip(all_labels(other), whole, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_generator_that_is_closed_frees_the_film(project):
    events = propagate_film(project, project.film("swim"), make_propagator=quick_rules(project))
    next(events)
    with pytest.raises(ProjectError, match="'swim' is being propagated by another program"):
        run(project)
    events.close()
    assert run(project)[-1].frames == COUNT


def test_nothing_is_computed_while_paused(project):
    looks = iter([False] * 3 + [True] * 5)
    seen = run(project, paused=lambda: next(looks, False))
    assert next(looks, None) is None and final_frames(seen)[-1] == 11


def test_a_stop_ends_a_pause(project):
    looks = iter([False, False, True])
    events = run(project, paused=lambda: True, should_stop=lambda: next(looks, True))
    assert events[-1].stopped and events[-1].computed == 0


def test_marks_made_meanwhile_change_the_plan(project):
    seen = []

    def changed():
        if seen.count(4) != 1 or seen[-1] != 4:
            return False
        mark(project, 6)
        seen.append(None)
        return True

    events = []
    for event in propagate_film(
        project, project.film("swim"), marks_changed=changed, make_propagator=quick_rules(project)
    ):
        events.append(event)
        if isinstance(event, FrameDone):
            seen.append(event.index)
    # Frames 0 to 2 were done and stay so; the gap at work is cut in two.
    assert Rules.asked == [(0, 2, None, 3), (3, 7, 3, 8), (3, 5, 3, 6), (6, 7, 6, 8), (8, 11, 8, None)]
    assert sorted(final_frames(events)) == list(range(COUNT))
    assert events[-2].done == events[-2].total == 3 and events[-1].frames == COUNT
    fresh = all_labels(project)
    with FilmResults.of(project, project.film("swim")) as results:
        results.forget(range(COUNT))
    run(project)
    for mine, theirs in zip(all_labels(project), fresh, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_soft_maps_are_bounded_and_gone_at_the_end(project):
    soft = project.cache_folder / "propagation" / "swim"
    most = 0
    for event in propagate_film(project, project.film("swim"), first=8, make_propagator=quick_rules(project)):
        if isinstance(event, FrameDone):
            most = max(most, len(list(soft.rglob("*.map"))))
    assert 1 <= most <= 4
    run(project)
    assert not list(soft.rglob("*.map"))
    mark(project, 6)
    run(project, should_stop=iter([False, False, False, True, True, True]).__next__)
    assert list(soft.rglob("*.map"))
    mark(project, 6, at=9)  # nobody needs them any more
    run(project, first=0, last=2, make_propagator=never)
    assert not list(soft.rglob("*.map"))


def test_a_full_disk_loses_nothing(project, monkeypatch):
    write = film_results.write_index_png

    def full(path, *arguments, **options):
        if path.stem == "000005":
            raise StorageError(f"There is no room to write {path}.", "Free some disk space and try again.")
        write(path, *arguments, **options)

    monkeypatch.setattr(film_results, "write_index_png", full)
    with pytest.raises(StorageError, match=r"000005\.png"):
        run(project, direction="forward")
    monkeypatch.undo()
    assert final_frames(run(project, direction="forward")) == list(range(5, COUNT))


def test_no_room_for_soft_maps_is_said(project, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"no room to write .*\.map"):
        run(project)


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


FORKING = """
import os, sys
from rule_propagator import Rules
from spml_core.engine.propagate import propagate_film
from spml_core.project import Project
for _ in sys.stdin:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        print("ended", flush=True)
        continue
    print(os.getpid(), flush=True)
    with Project.open(sys.argv[1], write=False) as project:
        for event in propagate_film(project, project.film("swim"), around=5, make_propagator=lambda: Rules(3)):
            print(event.kind, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_again_and_again_it_comes_to_the_same(project, tmp_path):
    run(project)
    whole = all_labels(project)
    rng = random.Random(3)
    environment = {**os.environ, "RULES_PAUSE": "0.02"}
    paths = [str(Path(__file__).parent), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with make_film_project(tmp_path / "again", COUNT, marked=(3, 8)) as other:
        computed = 0
        # It forks, so that what takes long to load is loaded once.
        command = [sys.executable, "-c", FORKING, str(other.path)]
        with subprocess.Popen(command, env=environment, **pipes) as forking:
            for _ in range(6):
                print(file=forking.stdin, flush=True)
                child = int(forking.stdout.readline())
                for _ in range(rng.randint(1, 3)):
                    assert forking.stdout.readline() in ("frame\n", "span\n")
                time.sleep(rng.uniform(0, 0.02))
                os.kill(child, signal.SIGKILL)
                while forking.stdout.readline() != "ended\n":
                    pass
                with FilmResults.of(other, other.film("swim")) as results:
                    before, computed = computed, len(results.keys())
                assert before <= computed < COUNT
            forking.stdin.close()
        assert computed
        end = run(other, around=5)[-1]
        assert (end.frames, end.computed) == (COUNT, COUNT - computed)
        for mine, theirs in zip(all_labels(other), whole, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        films = (one.film("swim") for one in (project, other))
        stores = [FilmResults.of(one, film) for one, film in zip((project, other), films, strict=True)]
        assert stores[0].keys() == stores[1].keys()
        for store in stores:
            store.close()


HOLD = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); input()"


def test_another_process_has_the_film_to_itself(project):
    folder = project.film_folder(project.film("swim"))
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", HOLD, str(folder / "propagate.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ProjectError, match="'swim' is being propagated by another program"):
            run(project)
        holder.kill()
    assert run(project)[-1].frames == COUNT


class Known:
    def __init__(self, *confidences):
        self._found = np.float32(confidences)

    def confidences(self):
        return self._found


def test_the_worst_frame_by_an_explicit_loop():
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(3, 30))
        found = rng.random(count).astype(np.float32)
        found[rng.random(count) < 0.2] = np.nan
        marked = sorted({int(i) for i in rng.integers(0, count, 3)})
        best, worst = -1.0, None
        for i in range(count):
            if np.isnan(found[i]) or min(abs(i - m) for m in marked) <= 1:
                continue
            worth = 1 - float(found[i])
            for step in (1, -1):
                least, j = 1 - float(found[i]), i + step
                while 0 <= j < count and j not in marked and not np.isnan(found[j]):
                    least = min(least, 1 - float(found[j]))
                    worth += least
                    j += step
            if worth > best + 1e-6:
                best, worst = worth, i
        assert worst_frame(Known(*found), marked) == worst


def test_the_worst_frame_shares_its_doubt_and_lies_away_from_marks():
    lonely = Known(1, 1, 0.2, 1, 1, 1, 0.5, 0.4, 0.5, 1)
    assert worst_frame(lonely, [0]) == 7  # one bad frame weighs less than three that are half as bad
    assert worst_frame(Known(1, 0.1, 0.9, 0.9, 0.2, 1), [0, 5]) in (2, 3)
    assert worst_frame(Known(*[0.5] * 9), [0, 8]) == 4  # in the middle of equals
    assert worst_frame(Known(1, 0.3, np.nan), [0]) is None
    assert worst_frame(Known(), []) is None


def test_the_disk_store_gives_what_was_put(tmp_path):
    store = DiskSoftStore({"forward": tmp_path / "f", "backward": tmp_path / "b"})
    maps = {i: np.random.default_rng(i).integers(0, 256, (3, 5 + i, 4), dtype=np.uint8) for i in (7, 2, 30)}
    for index, soft in maps.items():
        store.put("forward", index, soft)
    for index, soft in maps.items():
        np.testing.assert_array_equal(store.get("forward", index), soft)
        assert store.get("backward", index) is None
    assert store.indices("forward") == (2, 7, 30) and store.indices("backward") == ()
    (tmp_path / "f" / "000007.map").write_bytes((tmp_path / "f" / "000007.map").read_bytes()[:-30])
    content = bytearray((tmp_path / "f" / "000030.map").read_bytes())
    content[-9] ^= 255
    (tmp_path / "f" / "000030.map").write_bytes(content)
    assert store.get("forward", 7) is None and store.get("forward", 30) is None
    store.delete("forward", 7)
    store.delete("forward", 7)
    assert store.indices("forward") == (2, 30)
    store.clear()
    assert store.indices("forward") == ()


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
