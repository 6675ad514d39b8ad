"""The process that propagates for the window, really spawned, with a simple algorithm in it."""

import contextlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from spml_core.engine.background.messages import Continue, Failed, MarksChanged, Pause, Stop
from spml_core.engine.background.propagate_messages import (
    FrameDone,
    Propagated,
    PropagateOrder,
    SpanDone,
)
from spml_core.engine.film_results import FilmResults
from spml_core.engine.propagate import propagate_film
from spml_core.project import Project

sys.path.insert(0, str(Path(__file__).parent))  # pytest puts no test folder there
from rule_propagator import make_film_project, mark, quick_rules, serve_rules

SECONDS = 240
COUNT = 12


@pytest.fixture
def project(tmp_path):
    with make_film_project(tmp_path, COUNT, marked=(3, 8)) as made:
        yield made


class Child:
    """A spawned process and our end of its pipe."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve_rules, args=(theirs,))
        self.process.start()
        theirs.close()
        self.heard = []

    def hear(self, *kinds):
        """Listen until a message of such a kind."""
        while True:
            assert self.pipe.poll(SECONDS), f"silence after {self.heard[-3:]}"
            message = self.pipe.recv()
            self.heard.append(message)
            if isinstance(message, kinds):
                return message
            assert not isinstance(message, Failed | Propagated), message

    def final_frames(self):
        return [m.index for m in self.heard if isinstance(m, FrameDone) and m.final]

    def end(self):
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(SECONDS)
        if self.process.exitcode is None:
            self.process.kill()


@pytest.fixture
def spawn(monkeypatch):
    monkeypatch.setenv("RULES_PAUSE", "0.03")
    children = []

    def start():
        children.append(Child())
        return children[-1]

    yield start
    for child in children:
        child.end()


def order(project, **options):
    return PropagateOrder(str(project.path), "swim", **options)


def rest(project):
    """What is left to do, done in this process."""
    return list(propagate_film(project, project.film("swim"), make_propagator=quick_rules(project)))


def test_pauses_goes_on_takes_new_marks_and_ends(project, spawn):
    child = spawn()
    # The window has the project open for writing meanwhile.
    child.pipe.send(order(project, around=11))
    first = child.hear(FrameDone)
    assert first.index == 8 and first.final
    with FilmResults.of(project, project.film("swim")) as results:
        assert results.labels(8) is not None  # before it was told
    child.pipe.send(Pause())
    while child.pipe.poll(0.5):
        child.hear(FrameDone, SpanDone)
    told = len(child.heard)
    mark(project, 5)
    child.pipe.send(MarksChanged((project.frame(project.film("swim"), 5).id,)))
    assert not child.pipe.poll(0.5)
    child.pipe.send(Continue())
    end = child.hear(Propagated)
    assert len(child.heard) > told and not end.stopped and end.frames == COUNT
    spans = [(m.first, m.last) for m in child.heard if isinstance(m, SpanDone)]
    assert (3, 4) in spans and (5, 7) in spans
    assert sorted(set(child.final_frames())) == list(range(COUNT))
    child.process.join(SECONDS)
    assert child.process.exitcode == 0


def test_stop_keeps_all_and_the_next_goes_on(project, spawn):
    child = spawn()
    child.pipe.send(order(project))
    child.hear(SpanDone)
    child.pipe.send(Stop())
    end = child.hear(Propagated)
    assert end.stopped and 3 <= end.computed < COUNT
    child.process.join(SECONDS)
    end = rest(project)[-1]
    assert (end.frames, end.computed) == (COUNT, COUNT - len(child.final_frames()))


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to a process")
def test_interrupts_are_for_the_window_and_kills_lose_nothing(project, spawn):
    child = spawn()
    child.pipe.send(order(project))
    child.hear(FrameDone)
    os.kill(child.process.pid, signal.SIGINT)
    child.hear(SpanDone)
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.join(SECONDS)
    film = project.film("swim")
    with FilmResults.of(project, film) as results:
        assert {0, 1, 2} <= set(results.keys()) and results.labels(1) is not None
        end = rest(project)[-1]
        assert end.frames == COUNT and end.computed <= COUNT - 3
        labels = [results.labels(index) for index in range(COUNT)]
        results.forget(range(COUNT))
        rest(project)
        for index, mine in enumerate(labels):
            np.testing.assert_array_equal(mine, results.labels(index))


def test_errors_are_told_with_a_remedy_and_a_window_that_goes_ends_it(project, spawn):
    child, other = spawn(), spawn()
    child.pipe.send(order(project, first=9, direction="backward"))
    failed = child.hear(Failed)
    assert "before the range" in failed.error and "another direction" in failed.remedy
    child.process.join(SECONDS)
    assert child.process.exitcode == 0
    other.pipe.send(order(project))
    other.hear(FrameDone)
    other.pipe.close()
    other.process.join(SECONDS)
    assert other.process.exitcode == 0
    with FilmResults.of(project, project.film("swim")) as results:
        assert results.keys()


def test_a_bug_is_told_and_its_traceback_kept(project, spawn, tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    child = spawn()
    child.pipe.send("nonsense")
    failed = child.hear(Failed)
    assert "type str" in failed.error
    (log,) = (tmp_path / "state").rglob("bug-*.log")
    assert str(log) in failed.remedy and "Traceback" in log.read_text(encoding="utf-8")


def test_the_database_is_only_read(project, spawn):
    child = spawn()
    path = project.path
    project.close()
    before = (path / "project.sqlite").read_bytes()
    child.pipe.send(PropagateOrder(str(path), "swim", last=1))
    assert child.hear(Propagated).frames == 2
    assert (path / "project.sqlite").read_bytes() == before
    with Project.open(path, write=False) as reader:
        assert FilmResults.of(reader, reader.film("swim")).sources()[:2] == ("backward",) * 2
