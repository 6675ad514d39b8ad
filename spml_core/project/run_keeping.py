"""The part of a project that keeps its training runs, and the folders of what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spml_core.errors import ProjectError
from spml_core.project import mark_store, runs
from spml_core.project.opened import Opened
from spml_core.project.runs import Run, RunFacts, RunState


class RunKeeping(Opened):
    """Runs, and how their label codes are to be read today."""

    @property
    def runs_folder(self) -> Path:
        """Holds a folder for each run."""
        return self.path / "runs"

    @property
    def predictions_folder(self) -> Path:
        """Holds an index PNG for each predicted picture."""
        return self.path / "predictions"

    @property
    def cache_folder(self) -> Path:
        """Holds what can be computed again: may be deleted at any time, so make it before use."""
        return self.path / "cache"

    def new_run(self, config: Mapping[str, Any]) -> Run:
        """Begin a training run: a row, a folder, its config.json, and in facts.json what it started from.

        Raises
        ------
        ConfigError
            If the configuration doesn't go into JSON.
        """
        if not self.writable:  # before the folder is made
            raise ProjectError(f"{self.path} is open for reading only.", "Open the project for writing.")
        states = mark_store.states(self._database, self._classes)
        marks = sum(state.marks for state in states.values())
        pictures = len(self.pictures) + sum(number < 0 for number in states)
        facts = RunFacts(self._classes.ids, marks, len(states), pictures)
        return runs.new_run(self._database, self.runs_folder, config, facts)

    def runs(self) -> tuple[Run, ...]:
        """All runs, oldest first."""
        return runs.load_runs(self._database, self.runs_folder)

    def run(self, run_id: str) -> Run:
        """Return the run of this id.

        Raises
        ------
        ProjectError
            If there is none.
        """
        return runs.load_run(self._database, self.runs_folder, run_id)

    def codes_of_run(self, run: Run) -> npt.NDArray[np.uint8]:
        """How to read label codes that a run's model was trained with.

        Parameters
        ----------
        run : Run
            One without class ids (an older program's) is taken to have had the classes of its time.

        Returns
        -------
        ndarray (256,), uint8
            At each code of then, today's: that of the same class, of the class it was merged into, or K of
            today (UNLABELED) if it was deleted or was no class. IGNORE stays.
        """
        return self.codes_of(runs.class_ids_of(self._database, run, self._classes.ids))

    def set_run_state(self, run_id: str, state: RunState) -> None:
        """Say how a run stands: running, finished, stopped or failed.

        Raises
        ------
        ProjectError
            If there is no such run or state.
        """
        runs.set_run_state(self._database, run_id, state)

    def current_run(self) -> Run | None:
        """Return the run whose model the project uses, or None."""
        return runs.current_run(self._database, self.runs_folder)

    def set_current_run(self, run_id: str) -> None:
        """Choose the run whose model the project uses.

        Raises
        ------
        ProjectError
            If there is no such run.
        """
        runs.set_current_run(self._database, run_id)
