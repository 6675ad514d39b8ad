"""Which question is answered next, and what becomes of an error. Needs no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from spml_core.engine.background.messages import (
    AskSeeds,
    AskWhy,
    Cancel,
    Failed,
    FindRegions,
    Predict,
    PredictAll,
)
from spml_core.engine.background.suggest_messages import RankPictures
from spml_core.errors import SpmlError

Background: TypeAlias = PredictAll | RankPictures
"""Questions about all pictures."""
Question: TypeAlias = Predict | FindRegions | AskWhy | AskSeeds | Background
Steps: TypeAlias = Generator[object, None, None]
"""An answer on its way: messages to send, and None where something more urgent may come first."""

_LONGEST = 300


@dataclass(frozen=True)
class _Job:
    question: Question
    steps: Steps


class AnswerQueue:
    """Answers questions from a connection, the newest of the user's first and the background's when there is none.

    An answer on its way is left alone for a newer question and gone on with afterwards. A new :class:`PredictAll`
    takes the place of the old one, and so does a new :class:`RankPictures`, which comes after all predictions.
    Whatever goes wrong becomes a :class:`Failed`.

    Parameters
    ----------
    connection : Connection
    answer : callable
        Begins the answer to a question.
    """

    def __init__(self, connection: Connection, answer: Callable[[Question], Steps]) -> None:
        self._connection = connection
        self._answer = answer
        self._jobs: list[_Job] = []
        self._background: list[_Job] = []

    def run(self) -> None:
        """Answer until the other end is closed."""
        # EOFError or OSError: nobody is there any more who could read an answer.
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._receive()
                self._step()

    def _receive(self) -> None:
        """Take in all that has been said; wait for something if there is nothing to do."""
        idle = not self._jobs and not self._background
        while self._connection.poll(None if idle else 0):
            self._take(self._connection.recv())
            idle = False

    def _take(self, message: Any) -> None:
        if isinstance(message, Cancel):
            self._drop(message.request)
        elif isinstance(message, Background):
            for job in self._background:
                if type(job.question) is type(message):
                    self._drop(job.question.request)
            self._background.append(_Job(message, self._answer(message)))
            self._background.sort(key=lambda job: isinstance(job.question, RankPictures))
        elif isinstance(message, Predict | FindRegions | AskWhy | AskSeeds):
            self._jobs.append(_Job(message, self._answer(message)))
        else:
            text = f"A message of type {type(message).__name__} is no question about a picture."
            self._connection.send(Failed(text, "Report this as a bug."))

    def _drop(self, request: int) -> None:
        for job in [*self._jobs, *self._background]:
            if job.question.request == request:
                job.steps.close()
                self._forget(job)

    def _forget(self, job: _Job) -> None:
        self._jobs = [other for other in self._jobs if other is not job]
        self._background = [other for other in self._background if other is not job]

    def _step(self) -> None:
        if not self._jobs and not self._background:
            return
        job = self._jobs[-1] if self._jobs else self._background[0]
        message: object
        try:
            message = next(job.steps)
        except StopIteration:
            message = None
            self._forget(job)
        except Exception as error:
            message = failure(error, job.question.request)
            self._forget(job)
        if message is not None:
            self._connection.send(message)


def failure(error: Exception, request: int | None = None) -> Failed:
    """What to tell the window about an error."""
    if isinstance(error, SpmlError):
        return Failed(error.problem, error.remedy, request)
    text = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
    # By its words: torch has no class of its own for it on the CPU.
    words = text.lower()
    if isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words:
        return Failed("There isn't enough memory for this answer.", "Close other programs.", request)
    return Failed(f"This is a bug in spml, sorry: {text}.", "Report it with these words.", request)
