"""Suggestions through a pipe: the newest question alone is answered, of the marks that are on the disk."""

import threading
from multiprocessing import Pipe

import numpy as np
import pytest

from spml_core.annotations import Point, Scribble
from spml_core.engine.background.answers import Answers
from spml_core.engine.background.messages import Cancel, Failed, FindRegions
from spml_core.engine.background.suggest_messages import Ranked, RankPictures, Suggest, Suggested
from spml_core.engine.background.suggestion_answers import SuggestionAnswers
from spml_core.engine.suggest import Suggester
from spml_core.project import Project
from spml_core.suggesting.suggestion import Suggestion

SIZE = (64, 80)
SECONDS = 120


class Line:
    """Our end of a pipe whose other end is answered in a thread."""

    def __init__(self, path, **options):
        self.pipe, theirs = Pipe()
        self.thread = threading.Thread(target=SuggestionAnswers(theirs, path, **options).run, daemon=True)
        self.thread.start()

    def send(self, *messages):
        for message in messages:
            self.pipe.send(message)

    def hear(self):
        assert self.pipe.poll(SECONDS), "no answer"
        return self.pipe.recv()

    def hear_no_more(self):
        """Whatever is under way ends, and nothing comes of it."""
        self.send("a word that is no question")
        answer = self.hear()
        assert isinstance(answer, Failed) and answer.request is None and "str" in answer.error

    def close(self):
        self.pipe.close()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


@pytest.fixture
def project(tmp_path, picture_project):
    with picture_project(tmp_path, 3) as made:
        yield made


@pytest.fixture
def line(project):
    made = Line(project.path)
    yield made
    made.close()


class Slow:
    """Stands in for a suggester: asks whether to go on for as long as ``gate`` is closed."""

    def __init__(self, project):
        self.project, self.calls, self.prepared, self.steps = project, [], 0, 0
        self.gate, self.begun = threading.Event(), threading.Event()

    def suggest(self, record, *, quality, level, wait, keep_going):
        self.calls.append((record.name, quality, level, wait))
        self.begun.set()
        while not self.gate.is_set():
            self.steps += 1
            if not keep_going():
                return None
        labels = np.full((record.height, record.width), record.id, np.uint8)
        return Suggestion(labels, np.zeros_like(labels), labels.astype(np.int32), 0)

    def prepare(self, record):
        self.prepared += 1
        yield


@pytest.fixture
def slow(project):
    """A slow suggester, and the line to it."""
    made = Slow(Project.open(project.path, write=False))
    line = Line(project.path, make=lambda opened: opened.close() or made)
    made.line = line
    yield made
    made.gate.set()
    line.close()


def scribbles(count):
    """Strokes at other places, of the three classes in turn."""
    rng = np.random.default_rng(0)
    ends = rng.uniform((0, 0, 0, 0), (*SIZE, *SIZE), (count, 4))
    return [Scribble(i % 3, ((a, b), (c, d)), 2.0) for i, (a, b, c, d) in enumerate(ends.tolist())]


def test_a_thousand_strokes_come_to_one_last_suggestion_that_is_the_one_from_scratch(project, line):
    record = project.picture("p0")
    other = project.picture("p1")
    project.add_marks({other.id: scribbles(3)}, "elsewhere")
    line.send(Suggest(1, record.id))
    assert line.hear().request == 1  # of what is ready
    assert line.hear().request == 1  # of the other picture's marks, too
    for number, mark in enumerate(scribbles(1000), 2):
        project.add_marks({record.id: [mark]}, "stroke")
        line.send(Suggest(number, record.id, regions=False))
    answers = [line.hear()]
    while answers[-1].request < 1001:
        answers.append(line.hear())
    line.hear_no_more()
    numbers = [answer.request for answer in answers]
    assert numbers == sorted(set(numbers)), "none is answered twice, none out of order"
    assert len(numbers) < 900, "strokes during a computation are answered together"
    last = answers[-1]
    expected = Suggester(project).suggest(record, level=150)
    np.testing.assert_array_equal(last.labels, expected.labels)
    np.testing.assert_array_equal(last.uncertainty, expected.uncertainty)
    assert last.next_region == expected.next_region
    assert last.regions is None


def test_an_answer_is_of_the_asked_size_and_has_the_regions_if_wanted(project, line):
    record = project.picture("p0")
    project.add_marks({record.id: [Point(0, 5, 5), Point(2, 40, 60)]}, "points")
    line.send(Suggest(1, record.id, 3, "regions", 5000))
    answer = line.hear()
    assert isinstance(answer, Suggested)
    assert (answer.request, answer.picture_id, answer.shrink) == (1, record.id, 3)
    full = Suggester(project).suggest(record, quality="regions", level=1200)
    for small, large in ((answer.labels, full.labels), (answer.regions, full.regions)):
        assert small.shape == (22, 27)
        np.testing.assert_array_equal(small[:21, :26], large[1::3, 1::3][:21, :26])
    assert set(np.unique(answer.labels)) <= {0, 2}


def test_one_class_alone_is_answered(project, line):
    record = project.picture("p0")
    line.send(Suggest(1, record.id))
    assert (line.hear().labels == 3).all(), "nothing is marked, nothing is said"
    project.add_marks({record.id: [Point(1, 5, 5)]}, "point")
    line.send(Suggest(2, record.id))
    labels = line.hear().labels
    assert labels[5, 5] == 1 and set(np.unique(labels)) <= {1, 3}


def test_a_class_that_is_deleted_is_suggested_no_more(project, line):
    record = project.picture("p0")
    project.add_marks({record.id: [Point(0, 5, 5), Point(1, 20, 20), Point(2, 40, 60)]}, "points")
    line.send(Suggest(1, record.id))
    assert 2 in line.hear().labels
    project.delete_class(0)
    line.send(Suggest(2, record.id))
    answer = line.hear()
    while answer.request == 1:
        answer = line.hear()
    assert answer.request == 2 and set(np.unique(answer.labels)) <= {0, 1, 2}
    assert answer.labels[40, 60] == 1, "the last class has moved up"


def test_what_cannot_be_answered_is_said_and_the_next_is_answered(project, line):
    line.send(Suggest(1, 999))
    answer = line.hear()
    assert isinstance(answer, Failed) and answer.request == 1 and "999" in answer.error
    record = project.picture("p2")
    record.path.unlink()
    line.send(Suggest(2, record.id))
    answer = line.hear()
    assert isinstance(answer, Failed) and answer.request == 2 and "p2" in answer.error
    line.send(Suggest(3, project.picture("p0").id, quality="bad"))
    assert "bad" in line.hear().error
    line.send(FindRegions(4, 1, 3))
    assert "FindRegions" in line.hear().error
    line.send(Suggest(5, project.picture("p0").id))
    assert line.hear().request == 5


def test_a_newer_question_ends_the_older_wherever_it_is(project, slow):
    first, second = project.picture("p0"), project.picture("p1")
    slow.line.send(Suggest(1, first.id))
    assert slow.begun.wait(SECONDS)
    slow.line.send(Suggest(2, second.id))
    while len(slow.calls) < 2:
        assert slow.line.thread.is_alive()
    slow.gate.set()
    answer = slow.line.hear()
    assert (answer.request, answer.picture_id) == (2, second.id)
    assert slow.calls[:2] == [("p0", "pixels", 150, False), ("p1", "pixels", 150, False)]


def test_a_cancelled_question_is_given_up(project, slow):
    slow.line.send(Suggest(1, project.picture("p0").id))
    assert slow.begun.wait(SECONDS)
    slow.line.send(Cancel(7), Cancel(1))
    slow.line.hear_no_more()
    assert len(slow.calls) == 1


def test_what_is_ready_is_told_first_and_the_rest_once(project, slow):
    record, other, third = project.pictures
    slow.gate.set()
    slow.line.send(Suggest(0, record.id))
    assert slow.line.hear().request == 0
    slow.line.hear_no_more()
    assert slow.prepared == 0, "there is nothing else to know"
    project.add_marks({third.id: [Point(1, 5, 5)]}, "elsewhere")
    slow.calls.clear()
    slow.line.send(Suggest(1, record.id))
    assert [slow.line.hear().request for _ in range(2)] == [1, 1]
    slow.line.send(Suggest(2, record.id))
    assert slow.line.hear().request == 2
    slow.line.hear_no_more()
    assert [wait for *_, wait in slow.calls] == [False, True, False] and slow.prepared == 1
    project.add_marks({other.id: [Point(1, 5, 5)]}, "elsewhere")
    slow.line.send(Suggest(3, record.id))
    assert [slow.line.hear().request for _ in range(2)] == [3, 3]
    assert slow.prepared == 2


def test_all_pictures_are_ranked_one_by_one(project):
    project.add_marks({project.picture("p1").id: scribbles(4)}, "marks")
    project.picture("p2").path.unlink()
    steps = list(Answers(project.path).answer(RankPictures(9)))
    ranked = [step for step in steps if step is not None]
    assert steps[0] is None, "a question may come first"
    assert all(isinstance(step, Ranked) and step.request == 9 for step in ranked)
    assert [step.done for step in ranked] == [1, 2, 3] and ranked[-1].total == 3
    assert ranked[-1].best[0] == "p0" and ranked[-1].best[-1] == "p1"
