"""The process that answers questions about pictures. The window names :func:`serve_answers` without loading torch."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from spml_core.engine.background.answer_queue import AnswerQueue
from spml_core.engine.background.messages import Ready
from spml_core.engine.background.serving import give_way, serve


def serve_answers(connection: Connection, project_path: str) -> None:
    """Answer questions about a project's pictures until the other end is closed; the target of a spawned process.

    Sends :class:`Ready`, then answers :class:`Predict`, :class:`PredictAll`, :class:`FindRegions`, :class:`AskWhy` and
    :class:`AskSeeds`, the newest of the user's first, and obeys :class:`Cancel`. The database is only read. The only
    files written are predictions (:class:`spml_core.engine.predictions.PredictionStore`).

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    project_path : str
        The project's folder.
    """
    give_way()

    def prepare() -> Callable[[], object]:
        from spml_core.engine.background.answers import Answers, present_devices, share_the_machine

        share_the_machine()
        answers = Answers(Path(project_path))
        connection.send(Ready(present_devices()))
        return AnswerQueue(connection, answers.answer).run

    serve(connection, prepare)
