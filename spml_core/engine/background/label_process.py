"""The process that labels pictures for an export. The window names :func:`serve_labels` without loading torch."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection
from pathlib import Path

from spml_core.engine.background.answer_queue import failure
from spml_core.engine.background.serving import leave_interrupts_to_parent
from spml_core.engine.export import predicted_labels
from spml_core.project import Project


def serve_labels(connection: Connection, project: str, run_id: str) -> None:
    """Label one picture after the other until the other end is closed; the target of a spawned process.

    Each question is a picture's id; the answer is its labels, (H, W) uint8, and the ids of the classes whose codes they
    are, or a :class:`~spml_core.engine.background.messages.Failed`.

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    project : str
        The project's folder; it is opened for reading only.
    run_id : str
        Whose model labels them.
    """
    leave_interrupts_to_parent()
    with contextlib.suppress(OSError, EOFError), Project.open(Path(project), write=False) as opened:
        labels_of = predicted_labels(opened, run_id)
        while True:
            picture_id = connection.recv()
            try:
                answer: object = labels_of(opened.record(picture_id)), opened.class_ids
            except Exception as error:
                answer = failure(error)
            connection.send(answer)
