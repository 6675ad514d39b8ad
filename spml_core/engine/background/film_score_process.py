"""The process that measures what was propagated. The window names :func:`serve_film_scores` without loading torch."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection
from pathlib import Path

from spml_core.engine.background.answer_queue import failure
from spml_core.engine.background.film_score_messages import FilmScored, ScoreOrder, ScoreProgress
from spml_core.engine.background.serving import leave_interrupts_to_parent
from spml_core.project import Project


def serve_film_scores(connection: Connection) -> None:
    """Measure what the first message, a :class:`ScoreOrder`, asks for; the target of a spawned process.

    Sends :class:`ScoreProgress` after each frame, at the end :class:`FilmScored`, or a
    :class:`~spml_core.engine.background.messages.Failed`. Ends as soon as the other end is closed.

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    """
    leave_interrupts_to_parent()
    with contextlib.suppress(OSError, EOFError):  # the window may have gone
        order = connection.recv()
        try:
            connection.send(_scores(order, connection))
        except (BrokenPipeError, ConnectionError):
            return
        except Exception as error:
            connection.send(failure(error))
        connection.close()


def _scores(order: ScoreOrder, connection: Connection) -> FilmScored:
    from spml_core.engine.film_evaluation import evaluate_project_film

    with Project.open(Path(order.project), write=False) as project:
        found = evaluate_project_film(
            project,
            project.film(order.film),
            flow=order.flow,
            device=order.device,
            progress=lambda done, total: connection.send(ScoreProgress(done, total)),
        )
    mean_iou = None if found.scores is None else float(found.scores.miou)
    return FilmScored(
        found.frames, found.scored, found.pairs, mean_iou, found.literature, found.corrected, found.flicker
    )
