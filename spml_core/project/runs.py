"""Training runs: a row in the database, and a folder ``runs/ID`` for what the training writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from spml_core.errors import ConfigError, ProjectError
from spml_core.io import json_line, storage_errors, write_atomic
from spml_core.project.database import Database
from spml_core.project.history import now

RunState = Literal["running", "finished", "stopped", "failed"]
RUN_STATES: tuple[RunState, ...] = get_args(RunState)

_RUN_ID = re.compile(r"run-[0-9]{4,9}")
_CURRENT = "current_run"


@dataclass(frozen=True)
class Run:
    """A training run. Needs no database: a training process can write into it while another holds it.

    Parameters
    ----------
    id : str
        ``run-0001`` and so on.
    folder : Path
        Holds config.json, metrics.jsonl, the model and checkpoints.
    created : str
        ISO 8601, UTC.
    state : str
        When this object was made: running, finished, stopped or failed.
    """

    id: str
    folder: Path
    created: str
    state: RunState

    @property
    def config(self) -> dict[str, Any]:
        """What the run was started with.

        Raises
        ------
        ProjectError
            If config.json is missing or damaged.
        """
        path = self.folder / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProjectError(f"{path} can't be read: {error}.", "Train anew.") from error
        if not isinstance(config, dict):
            raise ProjectError(f"{path} is no JSON object.", "Train anew.")
        return config

    def append_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write one line to metrics.jsonl, and flush it. NaN and infinities become null.

        Raises
        ------
        StorageError
            If the line can't be written; the lines before it stay.
        """
        line = json_line(metrics)
        path = self.folder / "metrics.jsonl"
        with storage_errors(path), path.open("a+b") as file:
            _drop_torn_line(file)
            file.write(line.encode() + b"\n")
            file.flush()

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl; one that a kill cut short is left out."""
        path = self.folder / "metrics.jsonl"
        if not path.is_file():
            return []
        return [
            json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]


def new_run(database: Database, runs_folder: Path, config: Mapping[str, Any]) -> Run:
    """Make a run's folder, then its row: every run in the database has its folder."""
    try:
        text = json.dumps(config, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The configuration can't be saved as JSON: {error}.", "Use plain values."
        ) from error
    taken = [int(path.name[4:]) for path in runs_folder.glob("run-*") if _RUN_ID.fullmatch(path.name)]
    number = max([database.value("SELECT max(number) FROM runs") or 0, *taken]) + 1
    run = Run(f"run-{number:04d}", runs_folder / f"run-{number:04d}", now(), "running")
    with storage_errors(run.folder):
        run.folder.mkdir(parents=True)
    write_atomic(run.folder / "config.json", (text + "\n").encode())
    with database.transaction():
        database.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (number, run.id, run.created, run.state))
    return run


def load_runs(database: Database, runs_folder: Path) -> tuple[Run, ...]:
    """All runs, oldest first."""
    rows = database.rows("SELECT id, created, state FROM runs ORDER BY number")
    return tuple(Run(key, runs_folder / _checked(key), created, state) for key, created, state in rows)


def set_run_state(database: Database, key: str, state: RunState) -> None:
    """Set the state of a run."""
    if state not in RUN_STATES:
        raise ProjectError(f"A run can't be {state!r}.", f"It is one of {', '.join(RUN_STATES)}.")
    _require(database, key)
    with database.transaction():
        database.execute("UPDATE runs SET state = ? WHERE id = ?", (state, key))


def stop_orphans(database: Database) -> None:
    """Mark runs as stopped whose process died. Only the holder of the writer's lock may call this."""
    if database.value("SELECT count(*) FROM runs WHERE state = 'running'"):
        database.execute("UPDATE runs SET state = 'stopped' WHERE state = 'running'")


def current_run(database: Database, runs_folder: Path) -> Run | None:
    """Return the run whose model the project uses, or None."""
    key = database.meta(_CURRENT)
    return next((run for run in load_runs(database, runs_folder) if run.id == key), None)


def set_current_run(database: Database, key: str) -> None:
    """Choose the run whose model the project uses."""
    _require(database, key)
    database.set_meta(_CURRENT, key)


def _require(database: Database, key: str) -> None:
    if database.value("SELECT id FROM runs WHERE id = ?", (_checked(key),)) is None:
        raise ProjectError(f"There is no run {key!r}.", "List the project's runs.")


def _checked(key: str) -> str:
    """Return the id if it names a folder right under ``runs/``: project files come from others, too."""
    if not isinstance(key, str) or not _RUN_ID.fullmatch(key):
        raise ProjectError(f"{key!r} is no run id.", "Run ids look like run-0001.")
    return key


def _drop_torn_line(file: Any) -> None:
    """Cut off what a kill left behind the last whole line."""
    end = file.seek(0, 2)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, 2)
