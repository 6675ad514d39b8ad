"""Seeds as an answer: what is handed to the engine, and how its map is shrunk."""

import numpy as np
import pytest

from spml_core.annotations import Box, Scribble
from spml_core.engine.background.answer_queue import AnswerQueue
from spml_core.engine.background.answers import Answers
from spml_core.engine.background.messages import AskSeeds, Failed, SeedsAnswer
from spml_core.labeling.trained_model import TrainedModel


@pytest.fixture
def project(tmp_path, picture_project):
    with picture_project(tmp_path, 2) as made:
        yield made


@pytest.fixture
def calls(monkeypatch):
    """Calls of a stand-in for the engine, whose seeds are background above and class 1 below row 30."""
    made = []

    def seed_map(project, record, model, codes):
        made.append((record.name, model, codes))
        labels = np.zeros((record.height, record.width), np.uint8)
        labels[30:] = 1
        return labels

    monkeypatch.setattr("spml_core.engine.background.answers.seed_map", seed_map)
    return made


class Pipe:
    """Asks one question, and keeps what is sent."""

    def __init__(self, question):
        self.said, self.sent = [question], []

    def poll(self, timeout=None):
        return bool(self.said) or timeout is None

    def recv(self):
        if not self.said:
            raise EOFError
        return self.said.pop()

    def send(self, message):
        self.sent.append(message)


def answer(project, question):
    """What the answering process would send."""
    pipe = Pipe(question)
    AnswerQueue(pipe, Answers(project.path).answer).run()
    (message,) = pipe.sent
    return message


def test_without_a_model(project, calls):
    record = project.pictures[0]
    project.add_marks({record.id: [Scribble(1, ((5, 5), (5, 20)), 3), Box(1, 30, 4, 40, 20)]}, "marks")
    message = answer(project, AskSeeds(7, record.id))
    assert isinstance(message, SeedsAnswer)
    assert (message.request, message.picture_id, message.shrink) == (7, record.id, 1)
    assert calls == [(record.name, None, None)]
    assert message.labels.shape == message.painted.shape == (record.height, record.width)
    assert message.labels[29, 0] == 0 and message.labels[30, 0] == 1
    assert message.painted[5, 10] and not message.painted[35, 10], "a box paints nothing"


def test_with_a_model_and_smaller(project, calls, untrained_run):
    run, record = untrained_run(project), project.pictures[0]
    message = answer(project, AskSeeds(8, record.id, run.id, 7))
    ((_, model, codes),) = calls
    assert isinstance(model, TrainedModel)
    assert codes[:4].tolist() == [0, 1, 2, 3] and codes[255] == 255
    assert message.labels.shape == (-(-record.height // 7), -(-record.width // 7))
    rows = np.minimum(np.arange(len(message.labels)) * 7 + 3, record.height - 1)
    np.testing.assert_array_equal(message.labels[:, 0], rows >= 30)


def test_a_wrong_question_is_said(project, calls):
    message = answer(project, AskSeeds(9, 999))
    assert isinstance(message, Failed) and "999" in message.error and message.request == 9
    message = answer(project, AskSeeds(10, project.pictures[0].id, "run-404"))
    assert isinstance(message, Failed) and message.request == 10
