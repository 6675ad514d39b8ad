"""A run without training, and answering processes that need no model. Not a test module."""

import json
import os
import signal

import numpy as np
from qtpy.QtCore import QObject, Signal

from spml_core.engine.background.messages import (
    AskSeeds,
    AskWhy,
    Cancel,
    FindRegions,
    Predict,
    PredictAll,
    Prediction,
    Ready,
    Reason,
    Reasons,
    Regions,
    SeedsAnswer,
    Stored,
)
from spml_core.engine.background.suggest_messages import Suggest, Suggested
from spml_core.engine.predictions import PictureSummary, PredictionStore
from spml_napari.tools.region_map import RegionMap
from spml_napari.view_state import ShownSuggestion


class Told:
    """What a session told the user."""

    def __init__(self, session):
        self.lines = []
        session.reported.connect(self.hear)

    def hear(self, level, text):
        self.lines.append((level, text))

    def has(self, level, words):
        return any(said == level and words in text for said, text in self.lines)


class FakeAnswers(QObject):
    """Keeps the questions; a test answers them."""

    received = Signal(object)
    ended = Signal(int)

    def __init__(self, path):
        super().__init__()
        self.path, self.asked, self.closed = path, [], False

    def send(self, message):
        assert not self.closed
        self.asked.append(message)

    def close(self, timeout=1.0):
        self.closed = True

    def asked_for(self, kind):
        """Questions of a kind that nobody has cancelled."""
        gone = {message.request for message in self.asked if isinstance(message, Cancel)}
        return [m for m in self.asked if isinstance(m, kind) and m.request not in gone]


def make_run(project, model=True):
    """A finished run; its model is an empty file."""
    run = project.new_run({"preset": "quick"})
    if model:
        (run.folder / "model.safetensors").write_text(json.dumps({}))
    project.set_run_state(run.id, "finished")
    if model:
        project.set_current_run(run.id)
    return run


def store_prediction(project, run, name, labels, uncertainty=0.5, descriptor=(0.0, 1.0)):
    """Keep labels as the run's prediction of a picture."""
    store = PredictionStore(project)
    store.begin(run, "model")
    names = project.classes.names
    shares = tuple(float(np.mean(labels == index)) for index in range(len(names)))
    store.store(run, name, labels, PictureSummary(uncertainty, descriptor, shares), names)


def prediction(question, size, label=1, classes=3):
    """An answer to a Predict: one class all over, with 0.8 of the probability."""
    height, width = (-(-side // question.shrink) for side in size)
    probabilities = np.full((classes, height, width), 26, np.uint8)
    probabilities[label] = 204
    return Prediction(
        question.request,
        question.picture_id,
        question.run_id,
        question.shrink,
        np.full((height, width), label, np.uint8),
        probabilities,
        np.full((height, width), 99, np.uint8),
    )


def suggested(question, size, label=1, next_region=1):
    """An answer to a Suggest: one class all over, two regions beside each other, the left one unsure."""
    height, width = (-(-side // question.shrink) for side in size)
    regions = np.zeros((height, width), np.int32)
    regions[:, width // 2 :] = 1
    return Suggested(
        question.request,
        question.picture_id,
        question.shrink,
        np.full((height, width), label, np.uint8),
        np.where(regions == 0, 200, 20).astype(np.uint8),
        regions if question.regions else None,
        next_region,
    )


def shown(picture_id, label=1, shrink=1, size=(48, 64)):
    """A suggestion: one class all over, the left half unsure, the right half to be answered next."""
    regions = np.zeros(size, np.int32)
    regions[:, size[1] // 2 :] = 1
    uncertainty = np.where(regions == 0, 200, 20).astype(np.uint8)
    labels = np.full(size, label, np.uint8)
    return ShownSuggestion(picture_id, labels, uncertainty, RegionMap(regions, shrink), 1, label < 3)


# In a process of its own ------------------------------------------------------------------------------


def answer_lightly(connection, path):
    """Say Ready, and answer every question with something of the right form."""
    connection.send(Ready(("cpu",)))
    while True:
        question = connection.recv()
        if isinstance(question, Predict):
            connection.send(prediction(question, (48, 64)))
        elif isinstance(question, FindRegions):
            labels = np.zeros((48, 64), np.int32)
            connection.send(Regions(question.request, question.picture_id, question.shrink, labels))
        elif isinstance(question, AskSeeds):
            labels = np.full((48, 64), 3, np.uint8)
            connection.send(
                SeedsAnswer(question.request, question.picture_id, question.shrink, labels, labels == 0)
            )
        elif isinstance(question, AskWhy):
            reason = Reason("first", 10.0, 12.0, 0, 0.9)
            connection.send(Reasons(question.request, question.picture_id, question.y, question.x, (reason,)))
        elif isinstance(question, PredictAll):
            connection.send(Stored(question.request, question.run_id, 1, 1, 1))


def suggest_lightly(connection, path):
    """Answer every question with class 1 all over, and two regions."""
    while True:
        question = connection.recv()
        if isinstance(question, Suggest):
            connection.send(suggested(question, (48, 64)))


def die_at_once(connection, path):
    os.kill(os.getpid(), signal.SIGKILL)
