"""Suggestions as answers: always of the newest marks, the older questions are dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from spml_core.engine.background.answer_queue import failure
from spml_core.engine.background.answer_regions import every_middle
from spml_core.engine.background.messages import Cancel, Failed
from spml_core.engine.background.suggest_messages import Suggest, Suggested
from spml_core.engine.suggest import Suggester
from spml_core.errors import SpmlError
from spml_core.project import PictureRecord, Project
from spml_core.suggesting.picture_features import REGIONS


class SuggestionAnswers:
    """Answers the newest :class:`Suggest` of a connection.

    One that comes while another is computed takes its place: the other is given up at its next step, without a word. A
    first answer is made of what is ready. Where other pictures' marks or a model first need computing, that is done
    next, and a second answer with the same number follows.

    Parameters
    ----------
    connection : Connection
    project_path : Path
        Opened at the first question, only to be read.
    make : callable
        Makes the suggester of a project.
    """

    def __init__(
        self, connection: Connection, project_path: Path, make: Callable[[Project], Suggester] = Suggester
    ) -> None:
        self._connection = connection
        self._path = project_path
        self._make = make
        self._suggester: Suggester | None = None
        self._wanted: Suggest | None = None
        self._prepared: Hashable = None

    def run(self) -> None:
        """Answer until the other end is closed."""
        # EOFError or OSError: nobody is there any more who could read an answer.
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._listen()
                question = self._wanted
                if question is not None:
                    self._try(question)
                if self._wanted is question:
                    self._wanted = None

    def _listen(self) -> None:
        """Take in all that has been said; wait for something if there is nothing to do."""
        while self._connection.poll(None if self._wanted is None else 0):
            self._take(self._connection.recv())

    def _take(self, message: Any) -> None:
        if isinstance(message, Suggest):
            self._wanted = message
        elif isinstance(message, Cancel):
            if self._wanted is not None and self._wanted.request == message.request:
                self._wanted = None
        else:
            text = f"A message of type {type(message).__name__} asks for no suggestion."
            self._connection.send(Failed(text, "Report this as a bug."))

    def _is_wanted(self, question: Suggest) -> bool:
        while self._connection.poll():
            self._take(self._connection.recv())
        return self._wanted is question

    def _try(self, question: Suggest) -> None:
        try:
            self._answer(question)
        except Exception as error:
            # If it is the connection that is broken, listening raises anew.
            if self._is_wanted(question):
                self._connection.send(failure(error, question.request))

    def _answer(self, question: Suggest) -> None:
        suggester = self._read()
        record = suggester.project.record(question.picture_id)
        self._send(question, suggester, record, wait=False)
        needs = _needs(suggester.project, record)
        if needs is None or needs == self._prepared or not self._is_wanted(question):
            return
        # What is wrong with another picture is said when that is opened: its marks just don't count here.
        with contextlib.suppress(SpmlError):
            for _ in suggester.prepare(record):
                if not self._is_wanted(question):
                    return
        self._send(question, suggester, record, wait=True)
        self._prepared = needs

    def _send(self, question: Suggest, suggester: Suggester, record: PictureRecord, wait: bool) -> None:
        found = suggester.suggest(
            record,
            quality=question.quality,
            # Finer ones than the small regions can't be told apart.
            level=min(question.level, REGIONS),
            wait=wait,
            keep_going=lambda: self._is_wanted(question),
        )
        if found is None or not self._is_wanted(question):
            return
        shrink = question.shrink
        self._connection.send(
            Suggested(
                question.request,
                record.id,
                shrink,
                every_middle(found.labels, shrink),
                every_middle(found.uncertainty, shrink),
                every_middle(found.regions, shrink) if question.regions else None,
                found.next_region,
            )
        )

    def _read(self) -> Suggester:
        """The suggester of the project as the window left it last."""
        if self._suggester is None:
            self._suggester = self._make(Project.open(self._path, write=False))
            return self._suggester
        try:
            self._suggester.project.refresh()
        except SpmlError:
            self._suggester.project.close()
            self._suggester = None
            raise
        return self._suggester


def _needs(project: Project, record: PictureRecord) -> Hashable:
    """Differs whenever another suggestion of the picture may need something that isn't ready; None for nothing."""
    run = project.current_run()
    others = tuple(other for other in project.marked_pictures() if other.id != record.id)
    if run is None and not others:
        return None
    return record, others, None if run is None else (run.id, run.state), project.classes
