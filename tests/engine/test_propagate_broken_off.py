"""Propagation that is stopped, paused, killed, crowded out, or told of other marks, with a simple algorithm."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spml_core.engine import film_results
from spml_core.engine.film_results import FilmResults
from spml_core.engine.propagate import propagate_film
from spml_core.engine.propagation_events import FrameDone
from spml_core.errors import ProjectError, StorageError
from spml_core.video import soft_store

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from rule_propagator import (
    COUNT,
    Rules,
    all_labels,
    final_frames,
    make_film_project,
    mark,
    never,
    quick_rules,
    run,
)


@pytest.fixture
def project(tmp_path):
    """Frames 3 and 8 of twelve are marked."""
    Rules.asked.clear()
    with make_film_project(tmp_path, COUNT, marked=(3, 8)) as made:
        yield made


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
    def full(path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(soft_store, "own_folder", full)
    with pytest.raises(StorageError, match=r"no room to write .*\.map"):
        run(project)


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
