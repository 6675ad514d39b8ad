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
from spml_core.errors import SpmlError

Question: TypeAlias = Predict | PredictAll | FindRegions | AskWhy | AskSeeds
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
    takes the place of the old one. Whatever goes wrong becomes a :class:`Failed`.

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
        self._background: _Job | None = None

    def run(self) -> None:
        """Answer until the other end is closed."""
        # EOFError or OSError: nobody is there any more who could read an answer.
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._receive()
                self._step()

    def _receive(self) -> None:
        """Take in all that has been said; wait for something if there is nothing to do."""
        idle = not self._jobs and self._background is None
        while self._connection.poll(None if idle else 0):
            self._take(self._connection.recv())
            idle = False

    def _take(self, message: Any) -> None:
        if isinstance(message, Cancel):
            self._drop(message.request)
        elif isinstance(message, PredictAll):
            if self._background is not None:
                self._drop(self._background.question.request)
            self._background = _Job(message, self._answer(message))
        elif isinstance(message, Predict | FindRegions | AskWhy | AskSeeds):
            self._jobs.append(_Job(message, self._answer(message)))
        else:
            text = f"A message of type {type(message).__name__} is no question about a picture."
            self._connection.send(Failed(text, "Report this as a bug."))

    def _drop(self, request: int) -> None:
        for job in [*self._jobs, self._background]:
            if job is not None and job.question.request == request:
                job.steps.close()
                self._forget(job)

    def _forget(self, job: _Job) -> None:
        self._jobs = [other for other in self._jobs if other is not job]
        if self._background is job:
            self._background = None

    def _step(self) -> None:
        job = self._jobs[-1] if self._jobs else self._background
        if job is None:
            return
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
