"""The process that suggests. The window names :func:`serve_suggestions` without loading torch."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from spml_core.engine.background.serving import serve


def serve_suggestions(connection: Connection, project_path: str) -> None:
    """Suggest labels of a project's pictures until the other end is closed; the target of a spawned process.

    Answers :class:`~spml_core.engine.background.suggest_messages.Suggest` and nothing else, so that a stroke never
    waits for what is computed of all pictures. The database is only read; what is computed of pictures is kept in the
    project's cache.

    Parameters
    ----------
    connection : Connection
        This process's end of a duplex pipe.
    project_path : str
        The project's folder.
    """

    def prepare() -> Callable[[], object]:
        from spml_core.engine.background.suggestion_answers import SuggestionAnswers

        return SuggestionAnswers(connection, Path(project_path)).run

    serve(connection, prepare)
