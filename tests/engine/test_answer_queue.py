"""Which question is answered next. No process, no torch: a scripted connection and scripted answers."""

import pytest

from spml_core.engine.background.answer_cache import SizedCache
from spml_core.engine.background.answer_queue import AnswerQueue
from spml_core.engine.background.messages import AskWhy, Cancel, Failed, FindRegions, Predict, PredictAll
from spml_core.engine.background.suggest_messages import RankPictures
from spml_core.errors import PictureError


class Connection:
    """Hands out what was said in each round: a list for every time the queue looks. Then the other end is closed."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.now = []
        self.looking = False
        self.sent = []

    def poll(self, timeout=None):
        if not self.looking:
            self.looking = True
            self.now = self.rounds.pop(0) if self.rounds else [EOFError()]
            while timeout is None and not self.now:
                self.now = self.rounds.pop(0) if self.rounds else [EOFError()]
        if not self.now:
            self.looking = False
        return self.looking

    def recv(self):
        message = self.now.pop(0)
        if isinstance(message, EOFError):
            raise message
        return message

    def send(self, message):
        self.sent.append(message)


def answered(*rounds, steps=1, closed=None):
    """Run a queue whose every answer takes some steps and is the question's number."""

    def answer(question):
        try:
            for _ in range(steps - 1):
                yield None
            yield question.request
        finally:
            if closed is not None:
                closed.append(question.request)

    connection = Connection(*rounds)
    AnswerQueue(connection, answer).run()
    return connection.sent


def test_the_newest_question_comes_first():
    said = [Predict(1, 7, "r"), FindRegions(2, 7, 9), AskWhy(3, 7, "r", 0, 0)]
    assert answered(said, *[[]] * 9) == [3, 2, 1]


def test_everything_in_the_background_waits_for_the_user():
    assert answered([PredictAll(1, "r"), Predict(2, 7, "r")], [], [], [Predict(3, 7, "r")], *[[]] * 9, steps=2) == [
        2, 3, 1,
    ]  # fmt: skip


def test_an_answer_on_its_way_goes_on_after_a_newer_one():
    first, second = Predict(1, 7, "r"), Predict(2, 8, "r")
    assert answered([first], [], [second], *[[]] * 20, steps=5) == [2, 1]


def test_cancelled_questions_are_given_up():
    closed = []
    said = [Predict(1, 7, "r"), Predict(2, 7, "r"), PredictAll(3, "r")]
    assert answered(
        said, [Cancel(2), Cancel(99)], [], [], [Cancel(3)], *[[]] * 9, steps=2, closed=closed
    ) == [1]
    assert 2 in closed


def test_a_new_order_for_all_pictures_takes_the_place_of_the_old():
    closed = []
    assert answered([PredictAll(1, "r")], [PredictAll(2, "q")], *[[]] * 9, steps=3, closed=closed) == [2]
    assert closed == [1, 2]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PictureError("It's torn.", "Save it anew."), ("It's torn.", "Save it anew.")),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), ("memory", "Close")),
        (MemoryError(), ("memory", "Close")),
        (KeyError("k"), ("KeyError: 'k'", "Report")),
    ],
)
def test_every_error_becomes_a_message_and_the_next_is_answered(error, words):
    def answer(question):
        if question.request == 2:
            raise error
        yield question.request

    connection = Connection([Predict(1, 7, "r"), Predict(2, 7, "r")], *[[]] * 9)
    AnswerQueue(connection, answer).run()
    failed, one = connection.sent
    assert isinstance(failed, Failed) and failed.request == 2 and one == 1
    assert words[0] in failed.error and words[1] in failed.remedy


def test_what_is_no_question_is_refused():
    (failed,) = answered(["hello"], *[[]] * 3)
    assert isinstance(failed, Failed) and "str" in failed.error and failed.request is None


def test_a_closed_pipe_ends_the_queue():
    class Closed(Connection):
        def send(self, message):
            raise BrokenPipeError

    asked = []

    def answer(question):
        asked.append(question.request)
        yield question.request

    AnswerQueue(Closed([Predict(1, 7, "r")], [Predict(2, 7, "r")], *[[]] * 9), answer).run()
    assert asked == [1]


def test_cache_keeps_the_last_used_as_far_as_they_fit():
    cache = SizedCache(10)
    for key, size in (("a", 4), ("b", 4), ("a", 3), ("c", 4)):
        cache.put(key, key.upper(), size)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C") and cache.size == 7
    cache.get("a")
    cache.put("d", "D", 5)
    assert (cache.get("a"), cache.get("c"), cache.get("d")) == ("A", None, "D")
    cache.put("huge", "H", 11)
    assert cache.get("huge") is None and cache.get("d") == "D"
    cache.put("d", "D", 11)
    assert cache.get("d") is None and cache.size == 3


def test_pictures_are_ranked_after_all_are_predicted_and_a_new_ranking_takes_the_place_of_the_old():
    closed = []
    said = [RankPictures(1), PredictAll(2, "r"), RankPictures(3), Predict(4, 7, "r")]
    assert answered(said, *[[]] * 9, closed=closed) == [4, 2, 3]
    assert answered([RankPictures(1), PredictAll(2, "r")], [Cancel(1)], *[[]] * 9) == [2]
