"""Labels that an export finds no stored prediction of: the current model gives them, in a process of its own. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spml_core.engine.background.messages import Failed
from spml_core.engine.run_control import MODEL_FILE
from spml_core.errors import ProjectError
from spml_core.project import PictureRecord, Project

LABELS = "spml_core.engine.background.label_process:serve_labels"

Ask: TypeAlias = Callable[[object], Any]


class MissingLabels:
    """Asks the current run's model for labels; while another training goes on that is the last one that ended.

    The process is started for the first picture that has none.

    Parameters
    ----------
    project : Project
    start : callable
        Given a target and its arguments, enters a context that gives what to ask;
        see :func:`spml_napari.workers.asked_process`.
    stack : ExitStack
        Ends the process when it is closed.

    Attributes
    ----------
    problems : list of str
        Why pictures couldn't be labelled.
    """

    def __init__(self, project: Project, start: Callable[..., Any], stack: ExitStack) -> None:
        run = project.current_run()
        self.run_id = None if run is None or not (run.folder / MODEL_FILE).is_file() else run.id
        self.problems: list[str] = []
        self._project = project
        self._start = start
        self._stack = stack
        self._ask: Ask | None = None

    def __call__(self, record: PictureRecord) -> NDArray[np.uint8] | None:
        """Labels of a picture (H, W) uint8 in the project's codes; None if there is no model, or it can't label it.

        Raises
        ------
        ProjectError
            If the process ended.
        """
        if self.run_id is None:
            return None
        try:
            if self._ask is None:
                started = self._start(LABELS, str(self._project.path), self.run_id)
                self._ask = self._stack.enter_context(started)
            answer = self._ask(record.id)
        except (OSError, EOFError) as error:
            raise ProjectError(
                "The process that labels pictures for the export ended unexpectedly.",
                "Close other programs and export again.",
            ) from error
        if isinstance(answer, Failed):
            self.problems.append(f"{answer.error} {answer.remedy}".strip())
            return None
        labels, class_ids = answer
        codes: NDArray[np.uint8] = self._project.codes_of(class_ids)[labels]
        return codes
